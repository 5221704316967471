"""Which loads are read, what is said of loads that have gone, and what of rows that have."""

from __future__ import annotations

import os
import shutil
import time
from datetime import date

import pytest
from dbt.cli.main import dbtRunnerResult
from support.days import DAY, at, build, build_days, loaded, made, write_days
from support.project import BUILD, Project, failure, order, refusal, unhappy_tests, user
from support.s3 import ON_BOTH


@pytest.fixture
def five_days(project: Project) -> Project:
    return made(project, build_days, 5)


def spent(project: Project) -> int:
    """What the first user has spent by the last date."""
    return int(
        project.query(
            "select total_spent from analytics.user_metrics where user_id = 1 "
            "and date = (select max(date) from analytics.user_metrics)"
        )[0][0]
    )


def read_last(project: Project) -> list[tuple[str, date]]:
    """The loads that the last run which read any has read."""
    return project.query(
        "select table_name, load_date from analytics.loads "
        "where last_read_at = (select max(last_read_at) from analytics.loads) order by all"
    )


def away(project: Project, table: str) -> None:
    (project.lake / table).rename(project.folder / f"{table}_away")


def back(project: Project, table: str) -> None:
    (project.folder / f"{table}_away").rename(project.lake / table)


@ON_BOTH
def test_a_load_is_read_once_and_again_when_it_has_changed_however_old(five_days: Project) -> None:
    first = read_last(five_days)
    assert len(first) == 10
    build(five_days)
    assert read_last(five_days) == first
    then = at(date(2023, 12, 1))
    late = [order(50 + id, 1, "1.00", "completed", then, then, loaded(DAY[4])) for id in range(3)]
    five_days.write_load("orders", date(2023, 12, 1), late)
    build(five_days)
    assert read_last(five_days) == [("orders", date(2023, 12, 1))]
    assert spent(five_days) == 53
    five_days.write_load("orders", date(2023, 12, 1), late[:2])
    write_days(five_days, 1)
    build(five_days)
    assert read_last(five_days) == [("orders", date(2023, 12, 1)), ("orders", DAY[0]), ("users", DAY[0])]
    assert spent(five_days) == 52


def test_a_load_that_changes_and_changes_back_is_read_each_time(five_days: Project) -> None:
    usual = order(4, 1, "10.00", "completed", at(DAY[4]), at(DAY[4]), loaded(DAY[4]))
    for amount, total in (("70.00", 110), ("10.00", 50), ("70.00", 110)):
        changed = order(4, 1, amount, "completed", at(DAY[4]), at(DAY[4]), loaded(DAY[4]))
        five_days.write_load("orders", DAY[4], [changed])
        build(five_days)
        assert spent(five_days) == total
    five_days.write_load("orders", DAY[4], [usual])
    build(five_days, "--full-refresh")
    assert spent(five_days) == 50


def test_an_order_corrected_twice_in_one_load_is_as_the_last_correction_has_it(five_days: Project) -> None:
    versions = [
        order(9, 1, f"{hour}.00", "completed", at(DAY[5]), at(DAY[5], hour), loaded(DAY[5])) for hour in (7, 9, 8)
    ]
    five_days.write_load("orders", DAY[5], versions)
    build(five_days)
    assert spent(five_days) == 59


@ON_BOTH
def test_a_file_that_may_be_changing_is_read_again(five_days: Project) -> None:
    """Files have times of whole seconds: one of this second could be written again without a trace."""
    file = five_days.lake / "orders" / f"date={DAY[4]}" / "part_0.parquet"
    now = int(time.time())
    os.utime(file, (now + 5, now + 5))
    build(five_days)
    assert five_days.query("select load_date from analytics.loads where state = 'to be read again'") == [(DAY[4],)]
    os.utime(file, (now - 100, now - 100))
    build(five_days)
    assert five_days.query("select load_date from analytics.loads where state <> 'read'") == []


def test_a_full_refresh_does_not_empty_a_table_whose_ledger_is_lost(five_days: Project) -> None:
    for table in ("users", "orders"):
        away(five_days, table)
    for model in ("dim_users", "fct_orders"):
        five_days.execute(f"drop table analytics.{model}_loads")
    for arguments in ([], ["--full-refresh"]):
        assert "holds no load of users, but dim_users holds rows" in refusal(five_days, *arguments)
    build(five_days, "--full-refresh", accept_missing_loads=True)
    assert five_days.metrics() == []


@ON_BOTH
@pytest.mark.parametrize("table", ["users", "orders"])
def test_a_folder_that_is_away_stops_the_run_and_nothing_is_lost(five_days: Project, table: str) -> None:
    before = five_days.metrics()
    away(five_days, table)
    for arguments in ([], ["--full-refresh"]):
        reason = refusal(five_days, *arguments)
        assert f"no longer has 5 loads of {table} that" in reason
        assert f"({DAY[0]} to {DAY[4]}). Nothing was written. Bring them back" in reason
    back(five_days, table)
    build(five_days)
    assert five_days.metrics() == before


def test_a_partition_that_is_away_stops_the_run(five_days: Project) -> None:
    five_days.remove_load("orders", DAY[2])
    assert f"no longer has 1 loads of orders that fct_orders was built from ({DAY[2]})" in refusal(five_days)


def test_what_is_meant_to_be_gone_is_taken_out(five_days: Project) -> None:
    five_days.remove_load("orders", DAY[2])
    build(five_days, accept_missing_loads=True)
    assert spent(five_days) == 40
    build(five_days)
    build(five_days, "--full-refresh")
    assert spent(five_days) == 40


def test_a_past_that_was_archived_is_kept_and_a_full_refresh_does_not_lose_it(five_days: Project) -> None:
    for day in DAY[:2]:
        for table in ("users", "orders"):
            five_days.remove_load(table, day)
    write_days_from(five_days, 5)
    build(five_days)
    assert spent(five_days) == 60
    assert five_days.query("select distinct load_date from analytics.loads where state = 'archived' order by 1") == [
        (DAY[0],), (DAY[1],),
    ]  # fmt: skip
    assert "no longer has 2 loads" in refusal(five_days, "--full-refresh")
    five_days.execute("drop table analytics.fct_orders")
    assert "no longer has 2 loads of orders" in failure(five_days.invoke("run"))
    for day in DAY[:2]:
        for table in ("users", "orders"):
            five_days.bring_back_load(table, day, [])
    build(five_days)
    assert spent(five_days) == 60
    assert five_days.query("select count(*) from analytics.loads where state <> 'read'") == [(0,)]


def write_days_from(project: Project, number: int) -> None:
    """The load of one more day."""
    project.write_load("users", DAY[number], [])
    row = order(number, 1, "10.00", "completed", at(DAY[number]), at(DAY[number]), loaded(DAY[number]))
    project.write_load("orders", DAY[number], [row])


def test_a_correction_that_vanishes_while_the_past_is_archived_deletes_nothing_else(five_days: Project) -> None:
    """The older version is out of reach; the orders of the archived loads are as they were."""
    five_days.write_load("orders", DAY[5], [order(0, 1, "90.00", "completed", at(DAY[0]), at(DAY[5]), loaded(DAY[5]))])
    build(five_days)
    assert spent(five_days) == 130
    for day in DAY[:3]:
        five_days.remove_load("orders", day)
    five_days.write_load("orders", DAY[5], [])
    build(five_days)
    assert spent(five_days) == 40
    for day in DAY[:3]:
        five_days.bring_back_load("orders", day, [])
    build(five_days)
    assert spent(five_days) == 50


def test_empty_reads_and_writes_nothing(five_days: Project) -> None:
    before = five_days.metrics()
    write_days(five_days, 6)
    read = read_last(five_days)
    five_days.run("run", "--empty")
    assert five_days.metrics() == before
    assert read_last(five_days) == read
    build(five_days)
    assert spent(five_days) == 60


def test_a_first_run_with_empty_leaves_everything_to_be_read(project: Project) -> None:
    write_days(project, 5)
    project.run("run", "--empty", "--exclude", "fct_orders+")
    build(project)
    assert spent(project) == 50


def many_orders(project: Project, ids: range) -> dbtRunnerResult:
    """Builds with these orders in the load of the last day."""
    rows = [order(id, 1, "10.00", "completed", at(DAY[4]), at(DAY[4]), loaded(DAY[4])) for id in ids]
    project.write_load("orders", DAY[4], rows)
    return project.invoke(*BUILD)


def test_a_load_that_has_lost_most_of_its_rows_stops_before_user_metrics(five_days: Project) -> None:
    assert many_orders(five_days, range(4, 404)).success
    before = five_days.metrics()
    result = many_orders(five_days, range(4, 44))
    assert unhappy_tests(result) == {"assert_few_rows_have_vanished", "assert_no_row_has_vanished"}
    assert five_days.metrics() == before
    assert five_days.query(
        "select delivered_rows, vanished_rows from analytics.loads where table_name = 'orders' and vanished_rows > 0"
    ) == [(40, 360)]
    assert five_days.query(f"select count(*) from analytics.fct_orders where _vanished_from = '{DAY[4]}'") == [(360,)]
    # It comes again whole.
    assert many_orders(five_days, range(4, 404)).success
    assert five_days.metrics() == before


def test_a_few_rows_that_have_vanished_are_a_warning(five_days: Project) -> None:
    assert many_orders(five_days, range(4, 404)).success
    result = many_orders(five_days, range(4, 400))
    assert result.success
    assert unhappy_tests(result) == {"assert_no_row_has_vanished"}
    assert spent(five_days) == 4_000


def test_a_first_build_of_mostly_rejected_rows_fails(project: Project) -> None:
    """And so does a backlog: what is looked at are the loads that the run has read."""
    write_days(project, 9)
    rows = [order(id, 1, None, "completed", at(DAY[0]), at(DAY[0]), loaded(DAY[0])) for id in range(400)]
    project.write_load("orders", DAY[0], rows)
    result = project.invoke(*BUILD)
    assert "assert_few_rows_are_rejected" in unhappy_tests(result)
    assert "user_metrics" not in project.tables(), "it was built nevertheless"


def test_an_older_database_is_told_to_refresh(five_days: Project) -> None:
    """Tables made before there was a ledger."""
    for table in ("fct_orders", "dim_users"):
        five_days.execute(f"alter table analytics.{table} drop column _stamp")
        five_days.execute(f"drop table analytics.{table}_loads")
    assert "was made by an older version of this project: run once with --full-refresh" in refusal(five_days)
    five_days.run(*BUILD, "--full-refresh")
    assert spent(five_days) == 50


def test_the_ledger_alone_lost_or_restored_costs_a_second_reading(five_days: Project) -> None:
    before = five_days.metrics()
    five_days.execute("drop table analytics.fct_orders_loads")
    build(five_days)
    assert five_days.metrics() == before
    five_days.execute("create table raw.ledger as from analytics.dim_users_loads")
    five_days.write_load("users", DAY[4], [user(2, "new@x.org", at(DAY[0]), at(DAY[4]), loaded(DAY[4]))])
    build(five_days)
    five_days.execute("delete from analytics.dim_users_loads")
    five_days.execute("insert into analytics.dim_users_loads from raw.ledger")
    shutil.rmtree(five_days.folder / "target", ignore_errors=True)
    build(five_days)
    assert five_days.query("select email from analytics.user_metrics where user_id = 2 order by date desc limit 1") == [
        ("new@x.org",)
    ]
