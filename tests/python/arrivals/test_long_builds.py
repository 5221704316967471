"""A build of many dates is worked out in steps, is carried on where it was stopped, and shows no half of itself."""

from __future__ import annotations

import os
import re
from datetime import date
from pathlib import Path

import pytest
from support.days import DAY, at, build, build_days, loaded, made
from support.histories import SECOND_STEP
from support.project import Project, order

FIRST_STEP = r"create\s+table\s+\S+__waiting_"


@pytest.fixture
def ten_days(project: Project) -> Project:
    return made(project, build_days, 10)


def correct_the_fourth_day(project: Project) -> None:
    """One order is worth more than it was."""
    project.write_load("orders", DAY[9], [order(3, 1, "99.00", "completed", at(DAY[3]), at(DAY[9]), loaded(DAY[9]))])


def worked_out(project: Project) -> list[str]:
    """The first date of each step that has been worked out in the waiting table, in this process."""
    steps = [sql for sql in project.statements if re.search(f"{FIRST_STEP}|{SECOND_STEP}", sql)]
    dates = [re.search(r"select\s+cast\(\s*\(?cast\('(\d{4}-\d\d-\d\d)' as date\)", sql) for sql in steps]
    return [found[1] for found in dates if found]


def waiting_tables(project: Project) -> list[str]:
    """The tables in which rows wait."""
    return sorted(name for name in project.tables() if "__waiting_" in name)


def expected(project: Project, tmp_path: Path) -> list[tuple[object, ...]]:
    """What a project builds from nothing, in one step, from the same lake."""
    (tmp_path / "other").mkdir()
    other = Project(tmp_path / "other", lake=project.lake)
    build(other)
    return other.metrics()


@pytest.mark.parametrize(
    ("arguments", "variables", "first_dates"),
    [
        (("--full-refresh",), {}, [0, 4, 8]),
        ((), {"restate_from": str(DAY[2])}, [2, 6]),
        ((), {"run_date": str(date(2024, 1, 20))}, [3, 10, 14, 18]),
    ],
)
def test_it_is_worked_out_in_steps(
    ten_days: Project, tmp_path: Path, arguments: tuple[str, ...], variables: dict[str, str], first_dates: list[int]
) -> None:
    correct_the_fourth_day(ten_days)
    ten_days.statements.clear()
    ten_days.run("run", *arguments, max_days_per_build=4, **variables)
    started = [str(date.fromordinal(DAY[0].toordinal() + number)) for number in first_dates]
    assert worked_out(ten_days) == started
    assert waiting_tables(ten_days) == []
    progress = [line for line in ten_days.printed if "worked out to" in line]
    assert len(progress) == len(started)
    assert progress[-1].endswith(f"worked out to {ten_days.metrics()[-1][0]} of {ten_days.metrics()[-1][0]}")
    if "run_date" not in variables:
        assert ten_days.metrics() == expected(ten_days, tmp_path)


@pytest.mark.parametrize("arguments", [(), ("--full-refresh",)])
def test_a_killed_build_is_carried_on_where_it_was(
    ten_days: Project, tmp_path: Path, arguments: tuple[str, ...]
) -> None:
    """Also a full refresh, by a run that is none."""
    correct_the_fourth_day(ten_days)
    ten_days.run("run", "--exclude", "user_metrics", *arguments)
    before = ten_days.metrics()
    child = os.fork()
    if child == 0:
        with ten_days.before(SECOND_STEP, lambda: os._exit(9)):
            ten_days.invoke("run", "--select", "user_metrics", *arguments, max_days_per_build=2)
        os._exit(0)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 9
    assert ten_days.metrics() == before
    assert len(waiting_tables(ten_days)) == 1
    ten_days.statements.clear()
    ten_days.run("run", max_days_per_build=2)
    # Twice as many dates where only one of the two users is written.
    assert worked_out(ten_days) == [str(day) for day in (DAY[2:10:2] if arguments else [DAY[7]])]
    assert ten_days.metrics() == expected(ten_days, tmp_path)
    assert waiting_tables(ten_days) == []
    assert ten_days.printed[-1].startswith(f"{20 if arguments else 7} rows of ")


def test_a_build_that_has_become_another_begins_anew(ten_days: Project, tmp_path: Path) -> None:
    def stop() -> None:
        raise RuntimeError("stopped")

    with ten_days.before(SECOND_STEP, stop):
        assert not ten_days.invoke("run", "--full-refresh", max_days_per_build=2).success
    (left,) = waiting_tables(ten_days)
    correct_the_fourth_day(ten_days)
    ten_days.statements.clear()
    ten_days.run("run", max_days_per_build=2)
    assert worked_out(ten_days)[0] == str(DAY[0])
    assert waiting_tables(ten_days) == []
    assert any("drop table" in sql and left in sql for sql in ten_days.statements)
    assert ten_days.metrics() == expected(ten_days, tmp_path)
