"""The dbt project on a lake and a database of its own, run in this process (about a second a run)."""

from __future__ import annotations

import gc
import itertools
import os
import re
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import date, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any
from unittest import mock

import duckdb
import yaml
from dbt.adapters.duckdb.connections import DuckDBConnectionManager
from dbt.artifacts.schemas.results import NodeStatus
from dbt.cli.main import dbtRunner, dbtRunnerResult
from dbt.contracts.graph.manifest import Manifest
from support import quick_dbt  # noqa: F401
from typer.testing import CliRunner, Result

from user_metrics import dbt_command
from user_metrics.cli import app
from user_metrics.lake import FolderLake, Row

ROOT = Path(__file__).parents[3]

METRICS = (
    "date, user_id, email, order_count, total_spent, avg_order_value, last_order_at, "
    "daily_order_count, daily_total_spent, spending_rank"
)


BUILD = ("build", "--exclude-resource-type", "unit_test")
"""All that is built and tested; unit tests, which know nothing of the data, are run where they are looked at."""

PARSED: dict[tuple[Path, str], Manifest] = {}
"""The manifest of each project folder and target that this process has parsed; it holds the target's macros."""

VIEWS: dict[Path, bytes] = {}
"""A database with the seed and the views, of each project folder that this process has built it for."""

SECONDS = itertools.count(int(time.time()) - 1_000_000)
"""When files were written: a second after each other, and long ago, as dbt reads again what may still be changing."""


class Project:
    """A lake folder, a DuckDB file and the dbt project at `root` that builds the one from the other."""

    target = "dev"

    def __init__(self, folder: Path, lake: Path | None = None, root: Path = ROOT) -> None:
        self.folder = folder
        self.root = root
        self.lake = lake or folder / "lake"
        self.lake.mkdir(parents=True, exist_ok=True)
        self.database = folder / "user_metrics.duckdb"
        self.statements: list[str] = []
        self.warnings: list[str] = []
        self.errors: list[str] = []
        self.printed: list[str] = []
        self._interruptions: list[tuple[re.Pattern[str], Callable[[], None]]] = []

    def start_afresh(self) -> None:
        """The seed and the views are there, and no table yet."""
        if self.root not in VIEWS:
            with tempfile.TemporaryDirectory() as folder:
                project = Project(Path(folder), root=self.root)
                views = ("order_statuses", "staging", "intermediate", "loads")
                project.run("build", "--select", *views, "--exclude-resource-type", "test", "unit_test")
                VIEWS[self.root] = project.database.read_bytes()
        self.database.write_bytes(VIEWS[self.root])

    def write_load(self, table: str, load_date: date, rows: Sequence[Row]) -> None:
        """Overwrites the partition of a table with these rows; no rows make a file without rows."""
        file = FolderLake(self.lake).write_rows(table, load_date, rows)
        written = next(SECONDS)
        os.utime(file, (written, written))

    def narrow_load(self, table: str, load_date: date, types: Mapping[str, str]) -> None:
        """Writes a partition anew with other types of columns, and their names in another case."""
        file = self.lake / table / f"date={load_date}" / "part_0.parquet"
        with duckdb.connect() as connection:
            connection.execute("set timezone = 'UTC'")
            columns = connection.execute(f"describe from '{file}'").fetchall()
            select = ", ".join(f"{name}::{types.get(name, type)} as {name.upper()}" for name, type, *_ in columns)
            connection.execute(f"create table narrowed as select {select} from '{file}'")
            connection.execute(f"copy narrowed to '{file}' (format parquet)")
        written = next(SECONDS)
        os.utime(file, (written, written))

    def remove_load(self, table: str, load_date: date) -> None:
        """Moves a partition away."""
        away = self.folder / "away" / table / f"date={load_date}"
        away.parent.mkdir(parents=True, exist_ok=True)
        shutil.rmtree(away, ignore_errors=True)
        (self.lake / table / f"date={load_date}").rename(away)

    def bring_back_load(self, table: str, load_date: date, rows: Sequence[Row]) -> None:
        """Moves a partition back, which holds these rows."""
        (self.folder / "away" / table / f"date={load_date}").rename(self.lake / table / f"date={load_date}")

    @contextmanager
    def before_the_statement_of(self, model: str, action: Callable[[], None]) -> Iterator[None]:
        """Does something once, after a model was compiled and before its statement begins."""
        with self.before(rf"create\s+(temporary\s+)?table\s+\S*{model}\b|create\s+.*{model}__dbt_tmp", action):
            yield

    @contextmanager
    def before(self, pattern: str, action: Callable[[], None]) -> Iterator[None]:
        """Does something once, before a statement in which the pattern is found; what it raises, the statement does."""
        self._interruptions.append((re.compile(pattern, re.DOTALL), action))
        yield
        self._interruptions.clear()

    def _heard(self, event: Any) -> None:
        """Called by dbt with every EventMsg."""
        if event.info.level == "warn":
            self.warnings.append(event.info.msg)
        if event.info.level == "error":
            self.errors.append(event.info.msg)
        if event.info.name in ("PrintEvent", "JinjaLogInfo"):
            self.printed.append(event.info.msg)
        if event.info.name == "SQLQuery":
            self.statements.append(event.data.sql)
            for interruption in list(self._interruptions):
                if interruption[0].search(event.data.sql):
                    self._interruptions.remove(interruption)
                    interruption[1]()

    @property
    def lake_uri(self) -> str:
        """Where the lake is."""
        return str(self.lake)

    def address(self, file: Path) -> str:
        """Where a file of the lake's folder is."""
        return f"{self.lake_uri}/{file.relative_to(self.lake)}"

    def sync(self) -> None:
        """Called before a command, which is to find the lake's folder as it is then."""

    def environment(self) -> dict[str, str]:
        """What profiles.yml asks for."""
        return {"LAKE_URI": self.lake_uri, "DUCKDB_PATH": str(self.database)}

    def invoke(self, *arguments: str, **variables: Any) -> dbtRunnerResult:
        """Runs a dbt command with these vars and returns its result, failed or not."""
        self.sync()
        os.environ.update(self.environment())
        manifest = PARSED.get((self.root, self.target))
        command = [
            *arguments, "--target", self.target, "--project-dir", str(self.root), "--profiles-dir", str(self.root),
            "--target-path", str(self.folder / "target"), "--log-path", str(self.folder / "logs"),
            "--vars", yaml.safe_dump(variables), "--quiet", "--no-write-json", "--log-level-file", "none",
        ]  # fmt: skip
        with working_folder(self.root):
            try:
                if manifest is None:
                    # A manifest holds the name of the database, and serves all projects.
                    os.environ["DUCKDB_PATH"] = str(self.folder / "user_metrics.duckdb")
                    parsed = dbtRunner().invoke(["parse", *command[len(arguments) :]])
                    if not parsed.success:
                        return parsed
                    manifest = PARSED[self.root, self.target] = parsed.result
                    os.environ.update(self.environment())
                return dbtRunner(manifest=manifest, callbacks=[self._heard]).invoke(command)
            finally:
                DuckDBConnectionManager.close_all_connections()

    def manifest(self) -> Manifest:
        """What dbt has parsed, which all runs of this process share."""
        if (self.root, self.target) not in PARSED:
            self.run("parse")
        return PARSED[self.root, self.target]

    def command(self, *arguments: str) -> Result:
        """Runs the command user-metrics in this process, on the project as it was parsed."""
        self.sync()
        manifest = self.manifest()
        with (
            working_folder(self.root),
            mock.patch.object(
                dbt_command, "dbtRunner", lambda own=None, callbacks=(): dbtRunner(own or manifest, list(callbacks))
            ),
        ):
            try:
                return CliRunner(env=self._command_environment()).invoke(app, arguments)
            finally:
                DuckDBConnectionManager.close_all_connections()

    def installed_command(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        """Runs user-metrics as a shell does, which parses the project for itself: three seconds."""
        self.sync()
        return subprocess.run(
            [Path(sys.executable).with_name("user-metrics"), *arguments], cwd=self.root,
            env={**os.environ, **self._command_environment()}, timeout=120, stdin=subprocess.DEVNULL,
            capture_output=True, text=True, check=False,
        )  # fmt: skip

    def _command_environment(self) -> dict[str, str]:
        """With where the command writes what dbt writes."""
        written = {"DBT_TARGET_PATH": str(self.folder / "target"), "DBT_LOG_PATH": str(self.folder / "logs")}
        return {**self.environment(), **written, "COLUMNS": "200"}

    def run(self, *arguments: str, **variables: Any) -> dbtRunnerResult:
        """Runs a dbt command that must succeed."""
        result = self.invoke(*arguments, **variables)
        assert result.success, failure(result)
        return result

    def query(self, sql: str) -> list[tuple[Any, ...]]:
        """The rows of a query on the database."""
        with duckdb.connect(str(self.database), read_only=True) as connection:
            return connection.execute(sql).fetchall()

    def execute(self, sql: str) -> None:
        """Changes the database by hand."""
        with duckdb.connect(str(self.database)) as connection:
            connection.execute(sql)

    def tables(self) -> set[str]:
        """The models whose tables or views are there."""
        found = self.query("select table_name from information_schema.tables where table_schema = 'analytics'")
        return {name for (name,) in found}

    def metrics(self) -> list[tuple[Any, ...]]:
        """All of user_metrics, the columns of DESIGN.md's rule 9 in its order, by date and user."""
        return self.query(f"select {METRICS} from analytics.user_metrics order by date, user_id")

    def rows_that_differ(self, other: Project) -> int:
        """How many rows of user_metrics one project has and the other has not; for tables too large for lists."""
        mine, others = (f"select {METRICS} from {name}.analytics.user_metrics" for name in ("mine", "others"))
        with duckdb.connect() as connection:
            connection.execute(f"attach '{self.database}' as mine (read_only)")
            connection.execute(f"attach '{other.database}' as others (read_only)")
            counts = [f"(select count(*) from ({a} except all {b}))" for a, b in ((mine, others), (others, mine))]
            return int(connection.execute(f"select {' + '.join(counts)}").fetchall()[0][0])


@contextmanager
def working_folder(folder: Path) -> Iterator[None]:
    """Runs a block in another working folder."""
    before = Path.cwd()
    os.chdir(folder)
    try:
        yield
    finally:
        os.chdir(before)


def failure(result: dbtRunnerResult) -> str:
    """What went wrong in a dbt command, as text."""
    if result.exception:
        return str(result.exception)
    bad = (NodeStatus.Error, NodeStatus.Fail, NodeStatus.RuntimeErr)
    return "\n".join(f"{line.node.name}: {line.message}" for line in result.result if line.status in bad)


def unhappy_tests(result: dbtRunnerResult) -> set[str]:
    """The data tests that failed or warned."""
    return {line.node.name for line in result.result if line.status in (NodeStatus.Fail, NodeStatus.Warn)}


def refusal(project: Project, *arguments: str, **variables: object) -> str:
    """Why a build stopped; fails if it did not, or if it changed user_metrics."""
    before = project.metrics() if project.database.exists() and "user_metrics" in project.tables() else None
    result = project.invoke("run", *arguments, **variables)
    assert not result.success
    reason = failure(result)
    # The error of a hook holds on to its connection.
    del result
    gc.collect()
    if before is not None:
        assert project.metrics() == before
    return reason


def user(
    id: int | None, email: str | None, created_at: datetime | None, updated_at: datetime | None, _loaded_at: datetime
) -> Row:
    """A row of the lake's users."""
    return {"id": id, "email": email, "created_at": created_at, "updated_at": updated_at, "_loaded_at": _loaded_at}


def order(
    id: int | None,
    user_id: int | None,
    amount: Decimal | str | None,
    status: str | None,
    created_at: datetime | None,
    updated_at: datetime | None,
    _loaded_at: datetime,
) -> Row:
    """A row of the lake's orders."""
    return {
        "id": id,
        "user_id": user_id,
        "amount": amount if amount is None else Decimal(amount),
        "status": status,
        "created_at": created_at,
        "updated_at": updated_at,
        "_loaded_at": _loaded_at,
    }
