"""The dbt project on a stand-in for Redshift: loads come from S3 by the loader, and dbt builds the target prod."""

from __future__ import annotations

import contextlib
import os
import time
from collections.abc import Callable, Iterator, Sequence
from datetime import date
from functools import cached_property
from pathlib import Path
from typing import Any

import redshift_connector
from support.project import ROOT, Project, failure
from support.redshift.standin import RedshiftStandIn
from support.s3 import Mirror

from user_metrics.lake import COLUMNS, Row
from user_metrics.load import difference, load
from user_metrics.s3_lake import S3Lake

# The driver names whoever connects after the module that calls it, for which it reads the source of the whole stack: a
# tenth of the time of a run, more where frames have no file, as those of Jinja and of pytest-xdist.
_connect = redshift_connector.Connection.__init__
redshift_connector.Connection.__init__ = (  # type: ignore[method-assign]
    lambda self, *arguments, **options: _connect(self, *arguments, **{**options, "application_name": "tests"})
)

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
        self.on_s3 = Mirror(server.s3, self.lake)
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
            "REDSHIFT_READERS": READER, "LAKE_URI": self.on_s3.uri, **server.s3.environment,
        }  # fmt: skip

    def connect(self) -> redshift_connector.core.Connection:
        """A session of its own. Commit or roll back and close it: reading alone holds a lock that dbt waits for."""
        server = self.server
        return redshift_connector.connect(
            host=server.host, port=server.port, user=server.user, password=server.password,
            database=server.database, ssl=False,
        )  # fmt: skip

    def deliver(self, table: str, load_date: date, rows: Sequence[Row]) -> None:
        """Overwrites the partition of a table with these rows, in the lake alone."""
        super().write_load(table, load_date, rows)
        self.on_s3.update()

    def load(self, until: date = date.max) -> None:
        """Takes in whatever has changed in the lake, up to a date, as `user-metrics load --changed` does."""
        self.on_s3.update()
        os.environ.update(self.environment())
        with contextlib.closing(self.connect()) as session:
            for table, load_date in difference(session, "raw", self._s3_lake, list(COLUMNS))[0]:
                if load_date <= until:
                    load(session, "raw", self._s3_lake, table, load_date)

    @cached_property
    def _s3_lake(self) -> S3Lake:
        return S3Lake(self.on_s3.uri)

    def write_load(self, table: str, load_date: date, rows: Sequence[Row]) -> None:
        """Delivers a load and takes it in."""
        super().write_load(table, load_date, rows)
        self.load()

    def remove_load(self, table: str, load_date: date) -> None:
        """Takes a load out of the lake and of raw, as docs/redshift.md says it is done by hand."""
        super().remove_load(table, load_date)
        self.on_s3.update()
        self.execute(f"delete from raw.{table} where date = '{load_date}'")
        self.execute(f"delete from raw.loads where table_name = '{table}' and date = '{load_date}'")

    def bring_back_load(self, table: str, load_date: date, rows: Sequence[Row]) -> None:
        """Delivers a load that was taken out."""
        super().bring_back_load(table, load_date, rows)
        self.load()

    @contextlib.contextmanager
    def before_the_statement_of(self, model: str, action: Callable[[], None]) -> Iterator[None]:
        """Does something once, after a model was compiled and before its statement begins."""
        self.server.before(rf"create\s+(temporary\s+)?table\s+\S*{model}(__dbt_tmp|\b)", action)
        yield
        self.server.faults.clear()

    def query(self, sql: str) -> list[tuple[Any, ...]]:
        """The rows of a query on the database, of somebody who may read all."""
        return self.server.sql(sql, user="postgres")

    def execute(self, sql: str) -> None:
        """Changes the database by hand."""
        self.server.sql(sql)
