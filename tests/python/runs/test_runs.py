"""What is written down of each run, what it says in a sentence, and which dates the tests look at for it."""

from __future__ import annotations

from typing import Any

import pytest
from support.days import DAY, at, build, loaded, made, write_days
from support.project import BUILD, Project, order, unhappy_tests, user


def five_days_tested(project: Project) -> None:
    write_days(project, 5)
    project.run(*BUILD)


@pytest.fixture
def five_days(project: Project) -> Project:
    return made(project, five_days_tested)


def last_run(project: Project, columns: str = "summary") -> Any:
    return project.query(f"select {columns} from analytics.user_metrics_runs order by started_at desc limit 1")[0]


def correct(project: Project, number: int, **changes: Any) -> None:
    """An order of a day is corrected in the load of the day after the last."""
    row = order(number, 1, "10.00", "completed", at(DAY[number]), at(DAY[5]), loaded(DAY[5]))
    project.write_load("orders", DAY[5], [{**row, **changes}])


def test_the_first_run_and_one_without_news(five_days: Project) -> None:
    tests = last_run(five_days, "tests_passed")[0]
    assert tests > 50
    assert last_run(five_days, "summary, is_clean") == (
        f"10 rows of {DAY[0]} to {DAY[4]} were written: built from nothing; 10 loads read; {tests} tests passed.", True,
    )  # fmt: skip
    five_days.run("run")
    assert last_run(five_days, "summary, is_clean") == ("No date of user_metrics was written.", False)
    five_days.run("test")
    assert last_run(five_days, "command, summary, is_clean") == ("test", f"{tests} tests passed.", True)


@pytest.mark.parametrize(
    ("changes", "first", "reason"),
    [
        ({"amount": 11}, 2, "1 order corrected"),
        ({"created_at": at(DAY[4])}, 2, "1 order moved"),
        ({"created_at": at(DAY[1])}, 1, "1 order corrected"),
        ({"id": 50}, 2, "1 order late"),
    ],
)
def test_why_dates_were_written_anew(five_days: Project, changes: dict[str, Any], first: int, reason: str) -> None:
    correct(five_days, 2, **changes)
    build(five_days)
    # The user's rows, and that of the other user on the new date.
    rows = 6 - first + 1
    assert last_run(five_days) == (
        f"{rows} rows of {DAY[first]} to {DAY[5]} were written anew: {reason}; 1 load read.",
    )
    columns = "first_date, last_date, rows_written, ranks_moved, loads_read"
    assert last_run(five_days, columns) == (DAY[first], DAY[5], rows, 0, 1)


def test_all_that_has_happened_is_counted_by_kind(five_days: Project) -> None:
    """Of the dates that were there; what a new date brings is what is expected of it."""
    usual = order(0, 1, "10.00", "completed", at(DAY[0]), at(DAY[5]), loaded(DAY[5]))
    rows = [
        {**usual, "id": 0, "amount": "11.00"},
        {**usual, "id": 1, "created_at": at(DAY[4])},
        {**usual, "id": 50, "created_at": at(DAY[3])},
        {**usual, "id": 51, "created_at": at(DAY[2])},
        {**usual, "id": 52, "created_at": at(DAY[5])},
    ]
    five_days.write_load("orders", DAY[5], rows)
    five_days.write_load("users", DAY[5], [user(2, "new@x.org", at(DAY[0]), at(DAY[4]), loaded(DAY[5]))])
    build(five_days)
    assert "anew: 2 orders late, 1 corrected, 1 moved, 1 user with another address; " in last_run(five_days)[0]


def test_ranks_that_have_moved_are_told(five_days: Project) -> None:
    bought = order(50, 2, "25.00", "completed", at(DAY[1]), at(DAY[4]), loaded(DAY[4]))
    five_days.write_load(
        "orders", DAY[4], [order(4, 1, "10.00", "completed", at(DAY[4]), at(DAY[4]), loaded(DAY[4])), bought]
    )
    build(five_days)
    # The other user has 25.00 from the second day on, and so is before the first user on that day alone.
    assert last_run(five_days, "rows_written, ranks_moved") == (4, 1)
    ranks = "select spending_rank from analytics.user_metrics where user_id = 1 order by date"
    assert five_days.query(ranks) == [(1,), (2,), (1,), (1,), (1,)]


def test_a_table_of_runs_that_is_older_gets_the_columns_that_are_new(five_days: Project) -> None:
    five_days.execute("alter table analytics.user_metrics_runs drop column ranks_moved")
    five_days.run("run")
    assert five_days.query("select ranks_moved from analytics.user_metrics_runs order by started_at") == [(None,), (0,)]


def test_why_dates_were_written_for_other_reasons(five_days: Project) -> None:
    five_days.write_load("users", DAY[4], [user(2, "new@x.org", at(DAY[0]), at(DAY[3]), loaded(DAY[4]))])
    build(five_days)
    assert f"2 rows of {DAY[3]} to {DAY[4]} were written anew: 1 user with another address; 1 load read." in last_run(
        five_days
    )
    five_days.write_load("orders", DAY[4], [])
    build(five_days)
    assert f"1 row of {DAY[4]} was written anew: 1 order gone from its load; 1 load read; 1 row vanished." in last_run(
        five_days
    )
    build(five_days, restate_from=str(DAY[2]))
    assert f"6 rows of {DAY[2]} to {DAY[4]} were written anew: restate_from." in last_run(five_days)
    five_days.write_load("orders", DAY[5], [order(None, 1, "1.00", "placed", at(DAY[5]), at(DAY[5]), loaded(DAY[5]))])
    build(five_days)
    assert f"2 rows of {DAY[5]} were written: new dates; 1 load read; 1 row rejected." in last_run(five_days)
    five_days.execute("update analytics.order_statuses set counts_as_order = false where status = 'completed'")
    five_days.run("run")
    assert "4 orders counted otherwise" in last_run(five_days)[0]
    five_days.run("run", "--full-refresh", "--select", "fct_orders")
    five_days.run("run")
    assert "were written anew: dim_users or fct_orders was made anew" in last_run(five_days)[0]


def test_a_run_that_failed_is_written_down(five_days: Project) -> None:
    correct(five_days, 2, status="lost")
    assert not five_days.invoke(*BUILD).success
    summary, failed, is_clean = last_run(five_days, "summary, tests_failed, is_clean")
    assert summary.endswith("1 failed; stopped at assert_statuses_are_known.")
    assert "No date of user_metrics was written; 1 load read;" in summary
    assert (failed, is_clean) == (1, False)
    five_days.execute("drop view analytics.stg_orders cascade")
    assert not five_days.invoke("run", "--select", "int_orders_checked").success
    assert "stopped at int_orders_checked" in last_run(five_days)[0]


def test_a_failed_test_stays_red_until_the_row_is_repaired(five_days: Project) -> None:
    write_days(five_days, 6)
    five_days.run("run")
    five_days.execute(f"update analytics.user_metrics set spending_rank = 7 where date = '{DAY[5]}'")
    for days in (6, 7, 8):
        write_days(five_days, days)
        assert "assert_ranks_follow_spend" in unhappy_tests(five_days.invoke(*BUILD))
    assert unhappy_tests(five_days.invoke(*BUILD, restate_from=str(DAY[5]))) == set()
    assert last_run(five_days, "is_clean") == (True,)
    five_days.execute(f"update analytics.user_metrics set spending_rank = 7 where date = '{DAY[5]}'")
    assert unhappy_tests(five_days.invoke(*BUILD)) == set(), "dates that passed are tested again"


def test_vanished_rows_stay_red_until_they_are_accepted(five_days: Project) -> None:
    five_days.write_load("orders", DAY[4], [])
    for _ in range(2):
        assert "assert_few_rows_have_vanished" in unhappy_tests(five_days.invoke(*BUILD))
    assert unhappy_tests(five_days.run(*BUILD, max_vanished_share=1)) == {"assert_no_row_has_vanished"}
    assert unhappy_tests(five_days.run(*BUILD)) == set()


def test_the_last_runs_are_shown(five_days: Project, capsys: pytest.CaptureFixture[str]) -> None:
    for _ in range(11):
        five_days.run("run")
    capsys.readouterr()
    five_days.run("run-operation", "show_runs")
    lines = [line for line in capsys.readouterr().out.splitlines() if "  run " in line or "  build " in line]
    assert len(lines) == 10
    assert lines[0].endswith("  run   No date of user_metrics was written.")
