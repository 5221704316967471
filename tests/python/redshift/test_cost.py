"""What an incremental run makes Redshift do, from the statements that it was sent."""

from __future__ import annotations

import re
from collections.abc import Iterator
from datetime import date
from typing import Any

import pytest
import sqlglot
from sqlglot import exp
from support.redshift.dialect import CATALOG, translate
from support.redshift.project import RedshiftProject
from support.redshift.standin import RedshiftStandIn

from user_metrics.lake import FolderLake
from user_metrics.sample import write_lake

pytestmark = pytest.mark.redshift

GUARDED = {("raw", "users"), ("raw", "orders"), ("analytics", "user_metrics")}
BOUND = re.compile(r"\bdate (=|>|>=) ('\d{4}-\d\d-\d\d'::date|ANY \('\{[\d,-]+\}'::date\[\]\))")


@pytest.fixture
def increment(warehouse: RedshiftProject) -> list[str]:
    """What the run of one more day sent, on ten days that were built."""
    write_lake(FolderLake(warehouse.lake), date(2024, 1, 11), days=11)
    warehouse.load()
    warehouse.run("build", "--exclude-resource-type", "test", "unit_test", "snapshot")
    write_lake(FolderLake(warehouse.lake), date(2024, 1, 12), days=11)
    warehouse.load()
    warehouse.server.statements.clear()
    warehouse.run("run")
    return [statement.sql for statement in warehouse.server.statements]


def read_by(sql: str) -> Iterator[str]:
    """The queries and deletes in a statement that read stored tables, rather than the rows that a run has just made."""
    for statement in sqlglot.parse(sql, dialect="redshift"):
        if isinstance(statement, exp.Insert | exp.Create) and statement.args.get("kind") != "VIEW":
            statement = statement.find(exp.Query)
        if isinstance(statement, exp.Query | exp.Delete) and "__dbt_tmp" not in statement.sql():
            yield statement.sql("postgres")


def scans(server: RedshiftStandIn, sql: str) -> Iterator[tuple[str, str, str]]:
    """(schema, table, condition) of every table that a query or delete reads, once its views are looked through."""
    ((plans,),) = server.sql(f"explain (verbose, format json) {translate(sql, lambda _: [])}")
    waiting: list[dict[str, Any]] = [plans[0]["Plan"]]
    while waiting:
        node = waiting.pop()
        # With `where false`, dbt asks a query for its columns: nothing below is read.
        waiting += node.get("Plans", []) if node.get("One-Time Filter") != "false" else []
        if "Relation Name" in node and "Scan" in node["Node Type"]:
            yield node["Schema"], node["Relation Name"], node.get("Filter", "")


def test_large_tables_are_scanned_by_literal_dates_and_nothing_is_dropped(
    increment: list[str], warehouse: RedshiftProject
) -> None:
    found = [
        (schema, table, condition, sql)
        for statement in increment
        if not CATALOG.search(statement) and "lock table" not in statement
        for sql in read_by(statement)
        for schema, table, condition in scans(warehouse.server, sql)
    ]
    assert {(schema, table) for schema, table, *_ in found} >= GUARDED
    unbound = {sql for *table, condition, sql in found if tuple(table) in GUARDED and not BOUND.search(condition)}
    # Which is the last date that user_metrics has? That is asked before a run and after it, of a few narrow columns.
    assert all("ORDER BY date DESC" in sql or "SELECT MAX(date)" in sql for sql in unbound), unbound
    assert len(unbound) <= 2
    # Nor is anything dropped or renamed, with all that others have built on it.
    lasting = [sql for sql in increment if "__dbt_tmp" not in sql]
    assert [sql for sql in lasting if re.search(r"\b(drop|rename|truncate)\b", sql, re.IGNORECASE)] == []
