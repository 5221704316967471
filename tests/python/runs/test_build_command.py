"""`user-metrics build` is dbt build, with the run's sentence at the end and dbt's exit codes."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest
from support.days import DAY, at, loaded, write_days
from support.project import ROOT, Project, order


def build(project: Project, *options: str) -> tuple[int, list[str], str]:
    """The exit code, and the lines of standard output and of standard error."""
    command = [str(Path(sys.executable).with_name("user-metrics")), "build", "--no-use-colors", *options]
    written = {"DBT_TARGET_PATH": str(project.folder / "target"), "DBT_LOG_PATH": str(project.folder / "logs")}
    result = subprocess.run(
        command, cwd=ROOT, env={**os.environ, **project.environment(), **written}, text=True,
        stdin=subprocess.DEVNULL, capture_output=True, timeout=120, check=False,
    )  # fmt: skip
    return result.returncode, result.stdout.splitlines(), result.stderr


def test_the_last_line_says_what_was_done(project: Project) -> None:
    write_days(project, 3)
    code, said, _ = build(project, "--exclude-resource-type", "unit_test")
    assert code == 0
    assert said[-1].startswith("6 rows of 2024-01-01 to 2024-01-03 were written: built from nothing; 6 loads read; ")
    lost = order(1, 1, "1.00", "lost", at(DAY[2]), at(DAY[2]), loaded(DAY[2]))
    project.write_load("orders", DAY[2], [lost])
    code, said, _ = build(project, "--exclude-resource-type", "unit_test")
    assert code == 1
    assert "1 load read; " in said[-1]
    assert said[-1].endswith("1 failed; stopped at assert_statuses_are_known.")


@pytest.mark.parametrize(
    ("options", "said"),
    [
        (["--no-such-option"], "No such option"),
        (["--vars", "{rundate: 2024-01-05}"], "There is no setting rundate: did you mean run_date?"),
    ],
)
def test_where_nothing_was_run_the_code_is_2(project: Project, options: list[str], said: str) -> None:
    code, _, error = build(project, *options)
    assert code == 2
    assert said in error
    assert "Traceback" not in error
