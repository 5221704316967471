"""Whatever arrives in whatever order: after every run user_metrics is what the lake's rows say it must be."""

from __future__ import annotations

import os
import random
import signal
import time
from dataclasses import replace
from pathlib import Path

import pytest
from support.histories import BATCH, MODELS, Deliver, History, O, Run, U, new_projects, on, play_histories
from support.project import Project


@pytest.mark.histories
def test_incremental_equals_expectation_and_full_refresh(history_seed: int, tmp_path: Path) -> None:
    play_histories(history_seed, BATCH, new_projects(tmp_path))


def some_loads(chance: random.Random, day: int) -> list[Deliver]:
    """New loads of a day, and an older one that is delivered anew."""

    users = tuple(U(chance.randint(1, 4), chance.randint(0, 2), chance.randint(0, 3)) for _ in range(3))
    orders = tuple(
        O(chance.randint(1, 9), chance.randint(0, 4), chance.randint(0, 5), chance.randint(0, 3), chance.randint(0, 5),
          chance.randint(0, 2))
        for _ in range(10)
    )  # fmt: skip
    return [
        Deliver("users", day, users),
        Deliver("orders", day, orders[:5]),
        Deliver("orders", chance.randint(0, day), orders[5:], keep="some"),
    ]


@pytest.mark.histories
def test_loads_end_alike_in_any_order_one_by_one_or_at_once_and_twice(tmp_path: Path) -> None:
    chance = random.Random(int(os.environ["HISTORIES_SEED"]))
    loads = {(load.table, load.day): load for day in range(5) for load in some_loads(chance, day)}
    shuffled = chance.sample(list(loads.values()), len(loads))
    ends = []
    for number, rounds in enumerate([[shuffled], [[load] for load in shuffled], [shuffled, shuffled]]):
        project = Project(tmp_path / str(number))
        project.start_afresh()
        history = History(project)
        for together in rounds:
            for load in together:
                history.deliver(replace(load, keep="none"))
            history.run(Run())
        ends.append(project.metrics())
    assert ends[0]
    assert ends[0] == ends[1] == ends[2]


@pytest.mark.kill
def test_a_killed_build_heals(project: Project, pytestconfig: pytest.Config) -> None:
    chance = random.Random(int(os.environ["HISTORIES_SEED"]))
    project.start_afresh()
    history = History(project)
    for load in some_loads(chance, 0):
        history.deliver(load)
    history.run(Run())
    started = time.monotonic()
    history.run(Run())
    duration = time.monotonic() - started
    killed = 0
    for day in range(1, 1 + pytestconfig.getoption("--kills")):
        for load in some_loads(chance, day):
            history.deliver(load)
        build = os.fork()
        if build == 0:
            project.invoke("run", "--select", *MODELS, run_date=str(on(day)))
            os._exit(0)
        time.sleep(chance.uniform(0, duration))
        os.kill(build, signal.SIGKILL)
        _, status = os.waitpid(build, 0)
        killed += os.WIFSIGNALED(status)
        history.run(Run(run_date=day))
    assert killed > 0, "every build was over before it could be killed"
