"""Connections cut, servers restarted, loads and runs that cross: every table is as before a run or as after it.

And the run after that is right, by an expectation that knows nothing of what went wrong.
"""

from __future__ import annotations

import multiprocessing
import random
import re
import threading
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path
from typing import Any

import pytest
from support.days import DAY, at
from support.histories import SECOND_STEP
from support.project import failure, order
from support.redshift.project import RedshiftProject, run_elsewhere
from support.redshift.shop import Shop

pytestmark = pytest.mark.redshift

TABLES = ("dim_users", "fct_orders", "user_metrics")
MARTS = ("run", "--select", "marts")
READERS = ("run", "--select", "dim_users", "fct_orders", "user_metrics")


def rows(warehouse: RedshiftProject, table: str) -> list[tuple[Any, ...]]:
    """All that a table says, without its bookkeeping."""
    columns = warehouse.query(
        f"select attname from pg_attribute where attrelid = 'analytics.{table}'::regclass and attnum > 0 "
        "and attname not like '\\_%'"
    )
    return sorted(warehouse.query(f"select {', '.join(name for (name,) in columns)} from analytics.{table}"), key=str)


def test_the_shop_is_built_right_and_each_run_says_what_it_did(shop: Shop) -> None:
    assert shop.warehouse.metrics() == shop.expected()
    shop.load_day(5)
    shop.warehouse.run(*MARTS)
    assert shop.warehouse.metrics() == shop.expected()
    assert shop.warehouse.query("select summary from analytics.user_metrics_runs order by started_at desc limit 1") == [
        (f"3 rows of {DAY[4]} to {DAY[5]} were written anew: 1 order corrected; 2 loads read.",)
    ]


INSERT = r'insert into "dev"."analytics"."{table}"'
CUTS: dict[str, tuple[str, str | None]] = {
    "before the delete": (r'delete from "dev"."analytics"."{table}"', None),
    "between delete and insert": (INSERT, None),
    "at the commit": ("^COMMIT$", INSERT),
}


@pytest.mark.parametrize("table", TABLES)
def test_a_cut_or_a_restart_leaves_the_old_rows_and_the_next_run_heals(table: str, shop: Shop) -> None:
    """One model is cut again and again, day by day and in a full refresh."""
    warehouse, server = shop.warehouse, shop.warehouse.server
    for number, arguments in ((5, []), (6, ["--full-refresh"])):
        shop.load_day(number)
        if table == "user_metrics":
            warehouse.run("run", "--select", "dim_users", "fct_orders")
        before = rows(warehouse, table)
        for cut, (pattern, after) in CUTS.items():
            server.cut(pattern.format(table=table), after=after and after.format(table=table))
            assert not warehouse.invoke("run", "--select", table, *arguments).success, f"nothing was cut {cut}"
            assert rows(warehouse, table) == before, cut
            assert server.sessions() == []
        server.before(rf'create temporary table\s+"{table}__dbt_tmp', server.restart)
        assert not warehouse.invoke(*MARTS, "--threads", "1").success
        assert rows(warehouse, table) == before
        warehouse.run(*MARTS)
        assert warehouse.metrics() == shop.expected()
        assert rows(warehouse, table) != before


def test_a_long_build_beside_which_another_run_writes_is_stopped(shop: Shop) -> None:
    warehouse = shop.warehouse
    shop.load_day(5)
    before = warehouse.metrics()

    def write_beside_it() -> None:
        warehouse.execute("update analytics.fct_orders set _revision = _revision + 1")

    with warehouse.before(SECOND_STEP, write_beside_it):
        result = warehouse.invoke(*MARTS, "--full-refresh", max_days_per_build=2)
    assert "Another run has written" in failure(result)
    assert warehouse.metrics() == before
    assert any("__waiting_" in name for name in warehouse.tables())
    warehouse.run(*MARTS)
    assert warehouse.metrics() == shop.expected()
    assert not any("__waiting_" in name for name in warehouse.tables())


def test_without_begin_and_commit_rows_are_lost(project_copy: Path, shop: Shop) -> None:
    """Why dbt_project.yml says redshift_skip_autocommit_transaction_statements: false."""
    flag = "redshift_skip_autocommit_transaction_statements: "
    # Without a transaction a model stops at its lock already, and writes nothing; here it goes on.
    for file, line, other in (
        ("dbt_project.yml", f"{flag}false", f"{flag}true"),
        ("macros/engines/one_writer.sql", "lock table {{ lock_of(this) }}", "select 1"),
    ):
        path = project_copy / file
        assert line in path.read_text()
        path.write_text(path.read_text().replace(line, other))
    shop.warehouse.root = project_copy
    shop.load_day(5)
    assert len(rows(shop.warehouse, "user_metrics")) == 10
    shop.warehouse.server.cut(INSERT.format(table="user_metrics"))
    assert not shop.warehouse.invoke(*MARTS).success
    # That of the user with a corrected order.
    assert len(rows(shop.warehouse, "user_metrics")) == 9


def test_a_forgotten_transaction_of_a_reader_stops_nobody(shop: Shop) -> None:
    total = "select sum(total_spent) from analytics.user_metrics"
    connection = shop.warehouse.connect()
    try:
        cursor = connection.cursor()
        cursor.execute(total)
        before = cursor.fetchall()
        shop.load_day(5)
        shop.warehouse.run(*MARTS, "--full-refresh")
        assert shop.warehouse.metrics() == shop.expected()
        cursor.execute(total)
        assert cursor.fetchall() == before != tuple(map(list, shop.warehouse.query(total)))
    finally:
        connection.close()


def test_a_forgotten_transaction_of_a_writer_makes_dbt_fail_and_not_hang(shop: Shop) -> None:
    shop.warehouse.execute("alter role dbt set lock_timeout to '2s'")
    connection = shop.warehouse.connect()
    try:
        connection.cursor().execute("lock table analytics.user_metrics_lock")
        result = shop.warehouse.invoke(*MARTS, "--full-refresh")
    finally:
        connection.close()
        shop.warehouse.execute("alter role dbt reset lock_timeout")
    assert not result.success
    assert any("lock timeout" in (line.message or "") for line in result.result)
    assert shop.warehouse.metrics() == shop.expected()
    shop.warehouse.run(*MARTS, "--full-refresh")


QUESTIONS_AND_STATEMENTS = {
    "before its first question": (r"is null, state\.is_void[\s\S]*fct_orders_loads", 1),
    "between a question and the statement": (r'create temporary table\s+"fct_orders__dbt_tmp', 1),
    "between the statement and the delete": (r'delete from "dev"."analytics"."fct_orders"', 1),
    "between fct_orders and user_metrics": (r'create temporary table\s+"user_metrics__dbt_tmp', 1),
}


@pytest.mark.parametrize("moment", QUESTIONS_AND_STATEMENTS)
def test_a_load_that_comes_while_dbt_runs_is_taken_in_by_the_next_run(moment: str, shop: Shop) -> None:
    """The load that corrected an order comes again without it, so that the order's older version is current again."""
    corrected = order(0, 1, "50.00", "completed", at(DAY[0]), at(DAY[4], 12), at(DAY[5], 0))
    shop.load("orders", DAY[4], [corrected])
    shop.warehouse.run(*MARTS)
    assert shop.warehouse.metrics() == shop.expected()
    pattern, nth = QUESTIONS_AND_STATEMENTS[moment]
    shop.warehouse.server.before(pattern, lambda: shop.load("orders", DAY[4], []), nth)
    shop.warehouse.invoke(*MARTS)
    assert shop.loads["orders"][DAY[4]] == [], "the load did not come"
    shop.warehouse.run(*MARTS)
    assert shop.warehouse.metrics() == shop.expected()
    shop.warehouse.run(*MARTS, "--full-refresh")
    assert shop.warehouse.metrics() == shop.expected()


OF_DBT = ('"app": "dbt"', '"app": "dbt".*(dim_users|fct_orders)"} ')
"""Any statement of dbt, and any of the two models that read loads; the loader's have no such comment."""


@pytest.mark.parametrize("seed", range(2))
def test_loads_that_come_at_random_moments_are_taken_in_by_the_next_run(
    seed: int, shop: Shop, pytestconfig: pytest.Config
) -> None:
    chance = random.Random(seed)
    one_at_a_time = threading.Lock()
    warehouse, server = shop.warehouse, shop.warehouse.server
    warehouse.run(*READERS)
    server.statements.clear()
    shop.load_day(5)
    warehouse.run(*READERS)
    moments = {kind: sum(bool(re.search(kind, found.sql)) for found in server.statements) for kind in OF_DBT}

    def a_load_again() -> None:
        """The load of some day comes again: some of its rows, and perhaps another order."""
        with one_at_a_time:
            newest = len(shop.loads["users"]) - 1
            table, number = (
                chance.choice(["users", "orders", "orders"]),
                chance.choice([newest, chance.randrange(newest)]),
            )
            rows = [row for row in shop.loads[table][DAY[number]] if chance.random() < 0.5]
            if table == "orders" and chance.random() < 0.7:
                placed, amount = chance.randrange(number + 1), f"{chance.randrange(1, 90)}.00"
                written, loaded = at(DAY[number], 12), at(DAY[number + 1], 0)
                rows.append(order(placed, 2, amount, "completed", at(DAY[placed]), written, loaded))
            shop.load(table, DAY[number], rows)

    for round in range(pytestconfig.getoption("--rounds")):
        shop.load_day(6 + round)
        for kind in (*OF_DBT, *OF_DBT[1:]):
            server.before(kind, a_load_again, nth=chance.randrange(1, moments[kind]))
        warehouse.run(*READERS)
        assert all(fault.countdown <= 0 for fault in server.faults), "a load did not come"
        server.faults.clear()
        warehouse.run(*READERS)
        assert warehouse.metrics() == shop.expected()
    warehouse.run(*READERS, "--full-refresh")
    assert warehouse.metrics() == shop.expected()


# What PostgreSQL says where Redshift says 1023, serializable isolation violation.
CONFLICTS = re.compile("could not serialize access|concurrent|already exists")


def test_of_two_runs_at_once_one_waits_for_the_other(shop: Shop, tmp_path: Path, pytestconfig: pytest.Config) -> None:
    moments, rounds = random.Random(13), pytestconfig.getoption("--rounds")
    environment = shop.warehouse.environment()
    met = 0
    with ProcessPoolExecutor(2, multiprocessing.get_context("spawn")) as pool:
        for round in range(rounds):
            shop.load_day(5 + round)
            delays = (0.0, moments.uniform(0, 1.5))
            runs = [
                pool.submit(run_elsewhere, tmp_path / str(number), environment, delays[number]) for number in (0, 1)
            ]
            (first, begun, ended), (second, second_begun, second_ended) = [run.result(timeout=120) for run in runs]
            assert "" in (first, second), (first, second)
            assert all(CONFLICTS.search(reason) for reason in (first, second) if reason), (first, second)
            met += max(begun, second_begun) < min(ended, second_ended)
            shop.warehouse.run(*MARTS)
            assert shop.warehouse.metrics() == shop.expected()
    assert met >= max(1, rounds // 2), "the runs hardly ever met"
