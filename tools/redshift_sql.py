"""What Redshift refuses, or answers otherwise than DuckDB: a deny-list over the syntax tree of a statement.

`python tools/redshift_sql.py` compiles the project for the target prod, with no server, and walks every node. That a
statement parses is no proof that Redshift takes it: sqlglot accepts much that Redshift does not.
"""

from __future__ import annotations

import os
import sys
import tempfile
from collections.abc import Callable, Iterator
from datetime import date
from itertools import pairwise
from pathlib import Path
from unittest import mock

import duckdb
import sqlglot
from dbt.adapters.contracts.connection import AdapterResponse
from dbt.adapters.redshift import RedshiftAdapter
from dbt.cli.main import dbtRunner
from dbt_common.clients.agate_helper import table_from_rows
from sqlglot import exp
from support.project import ROOT, Project, failure, working_folder

from user_metrics.lake import FolderLake
from user_metrics.sample import write_lake

LEADER_ONLY_RULE = "function of the leader node alone: no such function over a table"
LEADER_ONLY = {"now", "age", "log", "substr", "factorial", "has_table_privilege"}
LEADER_ONLY_KEYWORDS = {"current_timestamp", "current_time", "current_schema"}
NEEDS_NO_FRAME = (exp.RowNumber, exp.Rank, exp.DenseRank, exp.PercentRank, exp.CumeDist, exp.Ntile, exp.Lag, exp.Lead)


def _is_float(node: exp.Expr) -> bool:
    """Whether an operand is cast to a floating-point type, perhaps within nullif()."""
    node = node.this if isinstance(node, exp.Paren | exp.Nullif) else node
    return isinstance(node, exp.Cast) and node.to.is_type("double", "float")


def _window_without_frame(node: exp.Expr) -> bool:
    return (
        isinstance(node, exp.Window)
        and bool(node.args.get("order"))
        and not node.args.get("spec")
        and not isinstance(node.this, NEEDS_NO_FRAME)
    )


def _range_frame(node: exp.Expr) -> bool:
    return isinstance(node, exp.WindowSpec) and node.args["kind"].upper() != "ROWS"


def _named(*names: str) -> Callable[[exp.Expr], bool]:
    def matches(node: exp.Expr) -> bool:
        return isinstance(node, exp.Anonymous) and node.name.lower() in names

    return matches


def _rank_without_nulls(node: exp.Expr) -> bool:
    """A descending order in a window, where a null would come first on Redshift and last on DuckDB."""
    return (
        isinstance(node, exp.Ordered)
        and bool(node.args.get("desc"))
        and node.find_ancestor(exp.Window, exp.Subquery) is not None
        and isinstance(node.this, exp.Column)
        and node.this.name in NULLABLE
        and node.args.get("nulls_first") is not False
    )


NULLABLE = {"email", "user_id", "status", "last_order_at", "avg_order_value"}

RULES: dict[str, Callable[[exp.Expr], bool]] = {
    "aggregate with filter (where …): write sum(case when … end)": lambda node: isinstance(node, exp.Filter),
    "distinct on: number the rows and take the first": lambda node: (
        isinstance(node, exp.Distinct) and node.args.get("on") is not None
    ),
    "unnest: join a table of numbers": lambda node: isinstance(node, exp.Unnest | exp.Explode),
    "lateral: join, or use a window": lambda node: isinstance(node, exp.Lateral),
    "values as a table: select … union all select …": lambda node: (
        (isinstance(node, exp.Values) and not isinstance(node.parent, exp.Insert)) or _named("values")(node)
    ),
    "generate_series runs on the leader node alone: dbt.generate_series": lambda node: (
        isinstance(node, exp.GenerateSeries) or _named("generate_series")(node)
    ),
    "window aggregate with an order and no frame: add rows …": _window_without_frame,
    "frame of range or groups: Redshift has rows alone": _range_frame,
    "is distinct from: write the comparison with is null": lambda node: isinstance(
        node, exp.NullSafeEQ | exp.NullSafeNEQ
    ),
    "division that is not of double precision: cast both sides": lambda node: (
        isinstance(node, exp.Div) and not (_is_float(node.left) and _is_float(node.right))
    ),
    "string_agg or listagg: only over tables on the compute nodes": lambda node: isinstance(node, exp.GroupConcat),
    "array: Redshift has none": lambda node: isinstance(node, exp.ArrayAgg | exp.Array | exp.List),
    "descending order of a column with nulls: add nulls last": _rank_without_nulls,
}


def refused(sql: str) -> list[str]:
    """Why Redshift would refuse a statement or answer it otherwise; empty when it would not."""
    if sql.lstrip().lower().startswith("lock "):
        return []  # sqlglot cannot read it, and there is nothing in it to refuse
    found = {
        rule: None
        for statement in sqlglot.parse(sql, dialect="redshift")
        if statement
        for node in statement.walk()
        for rule, matches in RULES.items()
        if matches(node)
    }
    return [*found, *[LEADER_ONLY_RULE][: _calls_leader(sql)]]


def _calls_leader(sql: str) -> bool:
    """Whether a leader-only function is called; told by name, as the syntax tree holds getdate() as now()."""
    names = [token.text.lower() for token in sqlglot.tokenize(sql, dialect="redshift")]
    return any(
        name in LEADER_ONLY_KEYWORDS or (name in LEADER_ONLY and following == "(")
        for name, following in pairwise([*names, ""])
    )


def compiled_for_redshift(warehouse: Project, *arguments: str) -> Iterator[tuple[str, str]]:
    """(name, SQL) of every node compiled for prod, and of every question that was asked while compiling.

    No server is asked: the DuckDB file of a project that has been built answers instead.
    """
    questions: list[str] = []
    with duckdb.connect(str(warehouse.database)) as connection:

        def get_relation(adapter: RedshiftAdapter, database: str, schema: str, identifier: str) -> object:
            tables = "select 1 from information_schema.tables where table_schema = ? and table_name = ?"
            if not connection.cursor().execute(tables, [schema, identifier]).fetchone():
                return None
            return adapter.Relation.create(database=database, schema=schema, identifier=identifier, type="table")

        def execute(_: RedshiftAdapter, sql: str, *__: object, **___: object) -> tuple[AdapterResponse, object]:
            questions.append(sql)
            answer = connection.cursor().execute(sql)
            names = [column[0] for column in answer.description or []]
            return AdapterResponse("OK"), table_from_rows(answer.fetchall(), names)

        environment = {"REDSHIFT_HOST": "no.server", "REDSHIFT_USER": "nobody", "REDSHIFT_PASSWORD": "none"}
        with (
            mock.patch.object(RedshiftAdapter, "get_relation", get_relation),
            mock.patch.object(RedshiftAdapter, "execute", execute),
            mock.patch.dict(os.environ, {**environment, "REDSHIFT_DATABASE": warehouse.database.stem}),
            working_folder(ROOT),
        ):
            command = ["compile", "--target", "prod", "--target-path", str(warehouse.folder / "redshift"), *arguments]
            result = dbtRunner().invoke([*command, "--quiet", "--no-populate-cache", "--no-partial-parse"])
    assert result.success, failure(result)
    for line in result.result:
        if getattr(line.node, "compiled_code", None):
            yield line.node.name, line.node.compiled_code
    for number, question in enumerate(questions):
        yield f"question {number}: {question[:80]}", question


def main() -> int:
    """Checks an incremental run and a full refresh; prints each finding and returns 1 if there is one."""
    findings: dict[str, None] = {}
    with tempfile.TemporaryDirectory() as folder:
        warehouse = Project(Path(folder))
        write_lake(FolderLake(warehouse.lake), date(2024, 1, 10), days=10)
        warehouse.run("build", "--exclude-resource-type", "test", "unit_test")
        checked = [*compiled_for_redshift(warehouse), *compiled_for_redshift(warehouse, "--full-refresh")]
    for name, sql in checked:
        for reason in refused(sql):
            findings[f"{name}: {reason}"] = None
    print(*findings, sep="\n", end="\n" if findings else "")
    print(f"{len(checked)} statements compiled for Redshift, {len(findings)} findings")
    return 1 if findings else 0


if __name__ == "__main__":
    sys.exit(main())
