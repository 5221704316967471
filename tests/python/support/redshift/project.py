"""The dbt project on a stand-in for Redshift: loads come by COPY, as in production, and dbt builds the target prod."""

from __future__ import annotations

import contextlib
import hashlib
import re
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any

import redshift_connector
from support.project import ROOT, Project, failure
from support.redshift.standin import RedshiftStandIn

from user_metrics.lake import COLUMNS, Row

NAMES = {table: ", ".join(re.findall(r"(?:^|, )([a-z_]+) ", columns)) for table, columns in COLUMNS.items()}

READER = "reporting"
"""A user of the database who may read what consumers read."""


class ElsewhereProject(Project):
    """The project in another process than its stand-in."""

    target = "prod"

    def __init__(self, folder: Path, environment: dict[str, str]) -> None:
        super().__init__(folder)
        self._environment = environment

    def environment(self) -> dict[str, str]:
        """What the target prod of profiles.yml asks for."""
        return self._environment


def run_elsewhere(folder: Path, environment: dict[str, str], delay: float) -> tuple[str, float, float]:
    """Runs the models after some seconds, in a process of a pool.

    Returns why they failed, or nothing, and when the run began and ended, by the machine's clock.
    """
    time.sleep(delay)
    begun = time.monotonic()
    result = ElsewhereProject(folder, environment).invoke("run")
    return "" if result.success else failure(result), begun, time.monotonic()


class RedshiftProject(Project):
    """A project whose database is a stand-in that is running; it is emptied, and has the raw tables."""

    target = "prod"

    def __init__(self, folder: Path, server: RedshiftStandIn, lake: Path | None = None, root: Path = ROOT) -> None:
        super().__init__(folder, lake, root)
        self.server = server
        server.faults.clear()
        server.statements.clear()
        if "raw_tables" in server.saved:
            server.bring_back("raw_tables")
        else:
            self.run("run-operation", "create_raw_tables")
            server.save("raw_tables")

    def start_afresh(self) -> None:
        """The seed and the views are there, and no table yet."""
        if "views" in self.server.saved:
            self.server.bring_back("views")
        else:
            views = ("order_statuses", "staging", "intermediate", "loads")
            self.run("build", "--select", *views, "--exclude-resource-type", "test", "unit_test")
            self.server.save("views")

    def environment(self) -> dict[str, str]:
        """What the target prod of profiles.yml asks for."""
        server = self.server
        return {
            "REDSHIFT_HOST": server.host, "REDSHIFT_PORT": str(server.port), "REDSHIFT_USER": server.user,
            "REDSHIFT_PASSWORD": server.password, "REDSHIFT_DATABASE": server.database, "REDSHIFT_SSLMODE": "disable",
            "REDSHIFT_READERS": READER,
        }  # fmt: skip

    def connect(self) -> redshift_connector.core.Connection:
        """A session of its own. Commit or roll back and close it: reading alone holds a lock that dbt waits for."""
        server = self.server
        return redshift_connector.connect(
            host=server.host, port=server.port, user=server.user, password=server.password,
            database=server.database, ssl=False,
        )  # fmt: skip

    def write_load(self, table: str, load_date: date, rows: Sequence[Row]) -> None:
        """Overwrites the partition of a table with these rows, in the lake and in raw."""
        super().write_load(table, load_date, rows)
        self._copy(self.lake.glob(f"{table}/date={load_date}/*.parquet"))

    def copy_loads(self, load_date: date | str = "*") -> None:
        """Copies the loads of a date, of every date when none is named, over what raw has of them."""
        self._copy(self.lake.glob(f"*/date={load_date}/*.parquet"))

    def _copy(self, files: Iterable[Path]) -> None:
        with contextlib.closing(self.connect()) as connection, connection.cursor() as cursor:
            for file in sorted(files):
                table, load_date = file.parts[-3], file.parts[-2].removeprefix("date=")
                names = NAMES[table]
                cursor.execute(f"create temp table loaded ({COLUMNS[table]})")
                cursor.execute(f"copy loaded from '{file}' iam_role default format as parquet")
                cursor.execute(f"delete from raw.{table} where date = '{load_date}'")
                cursor.execute(f"insert into raw.{table} ({names}, date) select {names}, '{load_date}' from loaded")
                cursor.execute("drop table loaded")
                cursor.execute(f"delete from raw.loads where table_name = '{table}' and date = '{load_date}'")
                size, written = file.stat().st_size, datetime.fromtimestamp(file.stat().st_mtime, UTC)
                cursor.execute(
                    f"insert into raw.loads values ('{table}', '{load_date}', {size}, "
                    f"'{hashlib.md5(file.read_bytes()).hexdigest()}', '{written:%Y-%m-%d %H:%M:%S}')"
                )
                connection.commit()

    def remove_load(self, table: str, load_date: date) -> None:
        """Takes a load out of raw."""
        super().remove_load(table, load_date)
        self.execute(f"delete from raw.{table} where date = '{load_date}'")
        self.execute(f"delete from raw.loads where table_name = '{table}' and date = '{load_date}'")

    def bring_back_load(self, table: str, load_date: date, rows: Sequence[Row]) -> None:
        """Copies a load that was taken out."""
        super().bring_back_load(table, load_date, rows)
        self._copy(self.lake.glob(f"{table}/date={load_date}/*.parquet"))

    @contextlib.contextmanager
    def before_the_statement_of(self, model: str, action: Callable[[], None]) -> Iterator[None]:
        """Does something once, after a model was compiled and before its statement begins."""
        self.server.before(rf"create\s+(temporary\s+)?table\s+\S*{model}(__dbt_tmp|\b)", action)
        yield
        self.server.faults.clear()

    def query(self, sql: str) -> list[tuple[Any, ...]]:
        """The rows of a query on the database."""
        return self.server.sql(sql)

    def execute(self, sql: str) -> None:
        """Changes the database by hand."""
        self.server.sql(sql)
