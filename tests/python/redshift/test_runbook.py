"""The runbook of docs/redshift.md, step by step: each command is run as it stands, then what it is for is looked at."""

from __future__ import annotations

import os
import re
import shlex
from collections.abc import Iterator
from typing import Any

import pytest
import redshift_connector
from dbt.artifacts.schemas.freshness import FreshnessStatus
from dbt.cli.main import dbtRunner, dbtRunnerResult
from support.days import DAY, at
from support.project import ROOT, failure, order, working_folder
from support.redshift.project import READER, RedshiftProject
from support.redshift.shop import Shop
from typer.testing import CliRunner

from user_metrics.cli import app

pytestmark = pytest.mark.redshift

PAGE = (ROOT / "docs" / "redshift.md").read_text()
STEPS = PAGE.split("\n## Runbook\n")[1].split("\n## ")[0].split("\n### ")[1:]
USERS = ("user_metrics_loader", "user_metrics_dbt")


class Walk:
    """Runs the steps of the runbook on an empty database, in order; each has a method that prepares or checks it."""

    def __init__(self, warehouse: RedshiftProject) -> None:
        self.warehouse, self.server = warehouse, warehouse.server
        self.shop = Shop(warehouse, warehouse.deliver)
        self.outputs: list[str] = []
        self.rows: list[Any] = []

    def run(self, step: str) -> None:
        """Runs what stands in the code of a step."""
        for language, block in re.findall(r"^```(sh|sql)\n(.*?)^```", step, re.DOTALL | re.MULTILINE):
            commands = block.split(";\n") if language == "sql" else block.splitlines()
            for command in filter(None, map(str.strip, commands)):
                self.sql(command) if language == "sql" else self.command(command)

    def sql(self, statement: str) -> None:
        """As an administrator."""
        if not hasattr(self, "_session"):
            server = self.server
            self._session = redshift_connector.connect(
                host=server.host, port=server.port, user="postgres", password="", database=server.database, ssl=False
            )
            self._session.autocommit = True
        cursor = self._session.cursor()
        cursor.execute(statement)
        self.rows = [tuple(row) for row in cursor.fetchall()] if cursor.description else self.rows

    def command(self, line: str) -> None:
        """A command of the shell that must succeed, run in this process."""
        environment, words = {}, shlex.split(line)
        while "=" in words[0]:
            name, value = words.pop(0).split("=", 1)
            environment[name] = value
        program, *arguments = words
        if program == "dbt":
            result = self.dbt(*arguments, **environment)
            if arguments[:2] == ["source", "freshness"]:
                # The loads of this walk are of 2024.
                assert FreshnessStatus.Error in {found.status for found in result.result}
            else:
                assert result.success, (line, failure(result))
        else:
            assert program == "user-metrics"
            with working_folder(ROOT):
                done = CliRunner(env={**self.environment(), **environment}).invoke(app, arguments)
            assert done.exit_code == 0, (line, done.output)
            self.outputs.append(done.output)

    def dbt(self, *arguments: str, **environment: str) -> dbtRunnerResult:
        manifest = self.warehouse.manifest()
        os.environ.update({**self.environment(), **environment})
        folders = {name: str(self.warehouse.folder / name) for name in ("target", "logs")}
        options = ["--target-path", folders["target"], "--log-path", folders["logs"], "--log-level-file", "none"]
        with working_folder(ROOT):
            return dbtRunner(manifest).invoke([*arguments, *options])

    def environment(self) -> dict[str, str]:
        """What the page says is set."""
        return {**self.warehouse.environment(), "REDSHIFT_USER": "user_metrics_dbt", "REDSHIFT_READERS": READER}

    def metrics_are_right(self) -> None:
        assert self.warehouse.metrics() == self.shop.expected()

    # Of each step, what is there before it, and what must be after it

    def after_permissions(self) -> None:
        for user, own, other in (("user_metrics_loader", "raw", "analytics"), ("user_metrics_dbt", "analytics", "raw")):
            for schema, may in ((own, True), (other, False)):
                create = f"select has_schema_privilege('{user}', '{schema}', 'create')"
                assert self.warehouse.query(create) == [(may,)]

    def before_first_load(self) -> None:
        for number in range(3):
            self.shop.load_day(number)

    def after_first_load(self) -> None:
        self.metrics_are_right()
        owners = dict(self.warehouse.query("select schemaname, min(tableowner) from pg_tables group by schemaname"))
        assert owners["raw"] == "user_metrics_loader"
        assert owners["analytics"] == "user_metrics_dbt"
        may = f"select has_table_privilege('{READER}', 'analytics.user_metrics_report', 'select')"
        assert self.warehouse.query(may) == [(True,)]
        assert self.server.sql("select count(*) > 0 from analytics.user_metrics_report", user=READER) == [(True,)]

    def before_the_daily_run(self) -> None:
        self.shop.load_day(3)

    def after_the_daily_run(self) -> None:
        self.metrics_are_right()
        assert self.outputs[-1] == f"orders {DAY[3]}: 2 rows\nusers {DAY[3]}: 2 rows\n"

    def before_late_and_corrected_data(self) -> None:
        corrected = order(1, 2, "7.00", "completed", at(DAY[1]), at(DAY[1], 12), at(DAY[2], 1))
        self.shop.load("orders", DAY[1], [*self.shop.loads["orders"][DAY[1]], corrected])

    def after_late_and_corrected_data(self) -> None:
        self.metrics_are_right()
        assert self.outputs[-3:-1] == [f"orders {DAY[1]}: 3 rows\n"] * 2
        assert self.outputs[-1].count("is there already") == 6

    def after_taking_a_load_out(self) -> None:
        self.shop.loads["orders"].pop(DAY[2])
        self.metrics_are_right()

    def after_a_full_refresh(self) -> None:
        self.metrics_are_right()

    def before_a_run_that_failed(self) -> None:
        self.shop.load_day(4)
        self.command("REDSHIFT_USER=user_metrics_loader user-metrics load --table users --date 2024-01-05")
        self.command("REDSHIFT_USER=user_metrics_loader user-metrics load --table orders --date 2024-01-05")
        self.server.cut('insert into "dev"."analytics"."fct_orders"')
        assert not self.dbt("build", "--target", "prod").success

    def after_a_run_that_failed(self) -> None:
        self.metrics_are_right()

    def after_a_source_that_changes(self) -> None:
        assert self.outputs[-1] == f"orders {DAY[3]}: 2 rows\n"
        assert self.warehouse.query("select count(coupon) from raw.orders") == [(0,)]

    def after_other_distribution_or_sort_keys(self) -> None:
        self.command("dbt run --target prod")
        self.metrics_are_right()

    def after_isolation_level(self) -> None:
        assert self.rows == [("Snapshot Isolation",)]

    def after_queue_and_query_group(self) -> None:
        groups = {found.sql for found in self.server.statements if "query_group" in found.sql}
        assert groups == {"SET query_group TO 'user_metrics'"}

    def after_vacuum_and_analyze(self) -> None:
        sizes = {name: rows for name, rows, *_ in self.rows}
        assert sizes["user_metrics"] == len(self.shop.expected())

    def after_what_a_day_costs(self) -> None:
        """Counted on the real year, in test_online_retail.py."""


@pytest.fixture
def walk(warehouse: RedshiftProject, monkeypatch: pytest.MonkeyPatch) -> Iterator[Walk]:
    """A database without a schema, and none of the two users."""
    monkeypatch.setenv("DBT_EXCLUDE_RESOURCE_TYPES", "unit_test")
    warehouse.execute("drop schema raw cascade")
    yield Walk(warehouse)
    server = warehouse.server
    server.bring_back("raw_tables")
    for user in USERS:
        server.sql(f"drop role if exists {user}", user="postgres")


def test_the_runbook_is_walked_as_it_is_written(walk: Walk) -> None:
    for step in STEPS:
        name = re.sub(r"\W+", "_", step.splitlines()[0].lower())
        getattr(walk, f"before_{name}", lambda: None)()
        walk.run(step)
        getattr(walk, f"after_{name}")()
