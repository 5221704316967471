"""What does not count can be looked at: rejected and vanished rows are tables, and tests say what they have found."""

from __future__ import annotations

from typing import Any

import duckdb
import pytest
from support.days import DAY, at, build, build_days, loaded, made
from support.project import BUILD, Project, failure, order, unhappy_tests

from user_metrics.lake import Row

ANY_SHARE = {"max_rejected_share": 1, "max_vanished_share": 1}


@pytest.fixture
def five_days(project: Project) -> Project:
    return made(project, build_days, 5)


def an_order(id: int | None, **columns: Any) -> Row:
    """An order of the last day, like the one that its load has."""
    return {**order(id, 1, "10.00", "completed", at(DAY[4]), at(DAY[4]), loaded(DAY[4])), **columns}


def rejected(project: Project) -> list[tuple[Any, ...]]:
    return project.query(
        "select order_id, _load_date, rejection_reason from analytics.rejected_orders order by all nulls last"
    )


def test_rejected_rows_are_those_of_the_loads_as_they_are(five_days: Project) -> None:
    five_days.write_load("orders", DAY[3], [an_order(None), an_order(3)])
    five_days.write_load("orders", DAY[4], [an_order(70, created_at=None), an_order(4)])
    build(five_days)
    found = [(70, DAY[4], "created_at is null"), (None, DAY[3], "id is null")]
    assert rejected(five_days) == found
    build(five_days)
    assert rejected(five_days) == found, "found twice"
    five_days.write_load("orders", DAY[4], [an_order(70, updated_at=None), an_order(71), an_order(4)])
    build(five_days)
    assert rejected(five_days) == [(70, DAY[4], "updated_at is null"), (None, DAY[3], "id is null")]
    five_days.write_load("orders", DAY[3], [an_order(3)])
    build(five_days)
    assert rejected(five_days) == [(70, DAY[4], "updated_at is null")]
    five_days.write_load("orders", DAY[5], [])
    for day in DAY[:5]:
        five_days.remove_load("orders", day)
    build(five_days)
    assert rejected(five_days) == [(70, DAY[4], "updated_at is null")], "an archived load keeps its rows"
    build(five_days, "--full-refresh", accept_missing_loads=True)
    assert rejected(five_days) == []


def test_rejected_rows_of_loads_that_are_meant_to_be_gone_go(five_days: Project) -> None:
    for day in DAY[2:4]:
        five_days.write_load("orders", day, [an_order(None)])
    build(five_days)
    five_days.remove_load("orders", DAY[2])
    build(five_days, accept_missing_loads=True)
    assert rejected(five_days) == [(None, DAY[3], "id is null")]


def test_rejected_rows_are_found_whatever_was_built_first(five_days: Project) -> None:
    five_days.write_load("orders", DAY[4], [an_order(None), an_order(4)])
    five_days.run("run", "--select", "fct_orders")
    five_days.run("run", "--select", "rejected_orders")
    assert rejected(five_days) == [(None, DAY[4], "id is null")]
    five_days.write_load("orders", DAY[3], [an_order(None), an_order(3)])
    five_days.run("run", "--select", "rejected_orders")
    five_days.run("run", "--select", "fct_orders")
    assert rejected(five_days) == [(None, DAY[3], "id is null"), (None, DAY[4], "id is null")]


def test_rejected_rows_can_be_seen_when_there_are_too_many(five_days: Project) -> None:
    five_days.write_load("orders", DAY[4], [an_order(None), an_order(4)])
    result = five_days.invoke(*BUILD)
    assert "assert_few_rows_are_rejected" in failure(result)
    assert rejected(five_days) == [(None, DAY[4], "id is null")]


def test_a_load_that_is_known_to_be_clean_is_not_looked_through_again(five_days: Project) -> None:
    build(five_days)
    five_days.statements.clear()
    build(five_days)
    looked_through = [sql for sql in five_days.statements if "rejection_reason is not null" in sql]
    assert looked_through
    assert all("rejection_reason is not null and 1 = 0" in sql for sql in looked_through)


def test_vanished_rows_are_those_that_their_load_no_longer_has(five_days: Project) -> None:
    five_days.write_load("orders", DAY[4], [an_order(4, amount="12.00", updated_at=at(DAY[4], 12)), an_order(70)])
    build(five_days)
    five_days.write_load("orders", DAY[4], [an_order(4)])
    build(five_days)
    vanished = "select table_name, id, vanished_from, is_deleted from analytics.vanished_rows order by all"
    assert five_days.query(vanished) == [("orders", 4, DAY[4], False), ("orders", 70, DAY[4], True)]
    five_days.write_load("users", DAY[0], [])
    build(five_days)
    assert five_days.query(vanished) == [
        ("orders", 4, DAY[4], False),
        ("orders", 70, DAY[4], True),
        ("users", 1, DAY[0], True),
        ("users", 2, DAY[0], True),
    ]
    five_days.write_load("orders", DAY[4], [an_order(4), an_order(70)])
    build(five_days)
    assert [row for row in five_days.query(vanished) if row[0] == "orders"] == []


def test_a_file_that_is_attached_under_another_name_can_be_read(five_days: Project) -> None:
    five_days.write_load("orders", DAY[4], [an_order(None), an_order(70)])
    build(five_days)
    elsewhere = five_days.database.with_name("elsewhere.duckdb")
    five_days.database.rename(elsewhere)
    five_days.lake.rename(five_days.folder / "lake_elsewhere")
    counts = {}
    with duckdb.connect() as connection:
        connection.execute(f"attach '{elsewhere}' as other (read_only)")
        for table in ("user_metrics_report", "rejected_users", "rejected_orders", "vanished_rows", "loads"):
            counts[table] = connection.execute(f"select count(*) from other.analytics.{table}").fetchall()[0][0]
    assert counts == {
        "user_metrics_report": 10,
        "rejected_users": 0,
        "rejected_orders": 1,
        "vanished_rows": 1,
        "loads": 10,
    }


def test_statuses_that_are_unknown_are_listed_with_their_counts(
    five_days: Project, capsys: pytest.CaptureFixture[str]
) -> None:
    statuses = {70: "lost", 71: "on hold", 72: "on hold", 73: "completed", 74: None}
    five_days.write_load("orders", DAY[4], [an_order(id, status=status) for id, status in statuses.items()])
    result = five_days.invoke(*BUILD, **ANY_SHARE)
    assert "assert_statuses_are_known: Got 3 results" in failure(result)
    said = "Statuses of orders that seeds/order_statuses.csv does not have: on hold (2), lost (1), null (1). Add them"
    assert said in capsys.readouterr().out


def test_signs_that_go_against_the_status_are_a_warning(five_days: Project, capsys: pytest.CaptureFixture[str]) -> None:
    five_days.write_load(
        "orders",
        DAY[4],
        [
            an_order(70, status="returned"),
            an_order(71, status="returned"),
            an_order(72, status="returned", amount="-5.00"),
            an_order(73, amount="-5.00"),
            an_order(74, status="cancelled", amount="-5.00"),
            an_order(75, amount="0.00"),
        ],
    )
    found = unhappy_tests(five_days.run(*BUILD, **ANY_SHARE))
    assert "assert_signs_follow_status" in found
    said = "Orders whose amount has an unlikely sign: returned and positive (2), completed and negative (1). docs/your"
    assert said in capsys.readouterr().out


def test_nothing_is_said_of_orders_that_are_right(five_days: Project, capsys: pytest.CaptureFixture[str]) -> None:
    assert unhappy_tests(five_days.run(*BUILD)) == set()
    assert "unlikely sign" not in (said := capsys.readouterr().out)
    assert "Statuses of orders" not in said
