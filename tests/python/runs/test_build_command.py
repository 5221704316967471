"""`user-metrics build` is dbt build, with the run's sentence at the end and dbt's exit codes."""

from __future__ import annotations

import pytest
from support.days import DAY, at, loaded, write_days
from support.project import Project, order

BUILD = ("build", "--no-use-colors", "--exclude-resource-type", "unit_test")


def test_the_last_line_says_what_was_done(project: Project) -> None:
    write_days(project, 3)
    installed = project.installed_command(*BUILD)
    assert installed.returncode == 0, installed.stdout
    said = installed.stdout.splitlines()[-1]
    assert said.startswith("6 rows of 2024-01-01 to 2024-01-03 were written: built from nothing; 6 loads read; ")
    lost = order(1, 1, "1.00", "lost", at(DAY[2]), at(DAY[2]), loaded(DAY[2]))
    project.write_load("orders", DAY[2], [lost])
    result = project.command(*BUILD)
    assert result.exit_code == 1
    said = result.stdout.splitlines()[-1]
    assert "1 load read; " in said
    assert said.endswith("1 failed; stopped at assert_statuses_are_known.")


@pytest.mark.parametrize(
    ("options", "said"),
    [
        (["--no-such-option"], "No such option"),
        (["--vars", "{rundate: 2024-01-05}"], "There is no setting rundate: did you mean run_date?"),
    ],
)
def test_where_nothing_was_run_the_code_is_2(project: Project, options: list[str], said: str) -> None:
    result = project.command("build", *options)
    assert result.exit_code == 2
    assert said in result.stderr
    assert "Traceback" not in result.output
