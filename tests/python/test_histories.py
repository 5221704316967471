"""Whatever arrives in whatever order: after every run user_metrics is what the lake's rows say it must be."""

from __future__ import annotations

import os
import random
import signal
import time
from pathlib import Path

import pytest
from histories import MODELS, ONE_DAY, History, play_history
from project import Project


@pytest.mark.histories
def test_incremental_equals_expectation_and_full_refresh(history_seed: int, tmp_path: Path) -> None:
    play_history(history_seed, tmp_path)


@pytest.mark.kill
def test_a_killed_build_heals(project: Project, pytestconfig: pytest.Config) -> None:
    seed = int(os.environ["HISTORIES_SEED"])
    moments = random.Random(seed)
    history = History(seed, project)
    history.deliver(history.choose_load_date())
    history.run(run_date=history.newest)
    started = time.monotonic()
    history.run(run_date=history.newest)
    duration = time.monotonic() - started
    killed = 0
    for _ in range(pytestconfig.getoption("--kills")):
        load_date = history.newest = history.newest + ONE_DAY
        history.deliver(load_date)
        build = os.fork()
        if build == 0:
            project.invoke("run", "--select", *MODELS, run_date=str(load_date))
            os._exit(0)
        time.sleep(moments.uniform(0, duration))
        os.kill(build, signal.SIGKILL)
        _, status = os.waitpid(build, 0)
        killed += os.WIFSIGNALED(status)
        history.log.append("the run was killed")
        history.run(run_date=load_date)
    assert killed > 0, "every build was over before it could be killed"
