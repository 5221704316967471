"""Airflow with the project's DAG, in its own virtual environment."""

from __future__ import annotations

import json
import os
import re
import socket
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import date
from pathlib import Path
from typing import Any

from support.postgres import PostgresServer
from support.project import ROOT

AIRFLOW = ROOT / ".venv-airflow" / "bin" / "airflow"
DAG = "user_metrics_pipeline"

IMPORTED_ONCE = """
import sys

if "scheduler" in sys.argv:
    import cosmos.operators.watcher
"""


@dataclass
class Airflow:
    """An installation on this machine, whose runs are played by `airflow dags test`, or by a server.

    Its metadata are in PostgreSQL: beside a scheduler, a command finds SQLite's file locked now and then.
    """

    home: Path
    postgres: PostgresServer
    database: str
    environment: dict[str, str]
    dags: Path = ROOT / "dags"
    log: str = ""
    """What the last command said."""
    _settings: dict[str, str] = field(init=False)

    def __post_init__(self) -> None:
        self.home.mkdir(parents=True, exist_ok=True)
        address = f"postgres@/{self.database}?host={self.postgres.socket.parent}"
        self._settings = {
            "AIRFLOW_HOME": str(self.home),
            "AIRFLOW__DATABASE__SQL_ALCHEMY_CONN": f"postgresql+psycopg2://{address}",
            "AIRFLOW__DATABASE__SQL_ALCHEMY_CONN_ASYNC": f"postgresql+asyncpg://{address}",
            "AIRFLOW__CORE__DAGS_FOLDER": str(self.dags),
            "AIRFLOW__CORE__LOAD_EXAMPLES": "False",
            "AIRFLOW__LOGGING__COLORED_CONSOLE_LOG": "False",
            "DBT_TARGET_PATH": str(self.home / "target"),
            "DBT_LOG_PATH": str(self.home / "logs"),
        }
        if not self._query("select 1 from pg_database where datname = %s", self.database, database="postgres"):
            self._query(f"create database {self.database}", database="postgres")
        assert self.command("db", "migrate") == 0, self.log

    def command(self, *arguments: str, **environment: str) -> int:
        """Runs `airflow …`; returns its exit code."""
        with (self.home / "said").open("w+") as said:
            result = subprocess.run(
                [AIRFLOW, *arguments], cwd=self.home, stdin=subprocess.DEVNULL, stdout=said, stderr=subprocess.STDOUT,
                env={**os.environ, **self._settings, **self.environment, **environment}, timeout=300, check=False,
                start_new_session=True,
            )  # fmt: skip
            said.seek(0)
            self.log = said.read()
        return result.returncode

    def connect(self, name: str, address: str) -> None:
        """Has Airflow keep a connection, in place of one of that name."""
        file = self.home / "connections.json"
        file.write_text(json.dumps({name: address}))
        assert self.command("connections", "import", str(file), "--overwrite") == 0, self.log

    def command_of_the_page(self, part: str, *days: date) -> None:
        """Runs the command of docs/pipeline.md that has this part, with these dates in place of those it has there."""
        page = (ROOT / "docs" / "pipeline.md").read_text().replace("\\\n", "")
        (command,) = re.findall(rf"^ +airflow (.*{part}.*)$", page, re.MULTILINE)
        dates = map(str, days)
        arguments = re.sub(r"\d{4}-\d\d-\d\d", lambda _: next(dates), command).split()
        assert self.command(*arguments) == 0, self.log

    @contextmanager
    def server(self, port: int = 0, **environment: str) -> Iterator[subprocess.Popen[bytes]]:
        """All that runs DAGs, until the end of the block, with an API on a free port if none is named.

        Not `airflow standalone`, which serves logs to everybody on two ports more.
        """
        if not port:
            with socket.socket() as free:
                free.bind(("127.0.0.1", 0))
                port = free.getsockname()[1]
        self._settings |= {
            "AIRFLOW__API__HOST": "127.0.0.1",
            "AIRFLOW__API__PORT": str(port),
            "AIRFLOW__API__WORKERS": "1",
            "AIRFLOW__CORE__PARALLELISM": "4",
            # The scheduler loads plugins once; else each task does, for longer than it runs.
            "AIRFLOW__CORE__LAZY_LOAD_PLUGINS": "False",
            "AIRFLOW__CORE__DAGS_ARE_PAUSED_AT_CREATION": "False",
            "AIRFLOW__CORE__EXECUTION_API_SERVER_URL": f"http://127.0.0.1:{port}/execution/",
            "AIRFLOW__CORE__SIMPLE_AUTH_MANAGER_ALL_ADMINS": "True",
        }
        # The scheduler imports what the DAG does, once for all tasks, which are forks of it.
        (self.home / "config").mkdir(exist_ok=True)
        (self.home / "config" / "airflow_local_settings.py").write_text(IMPORTED_ONCE)
        started: list[subprocess.Popen[bytes]] = []
        try:
            for command in (["scheduler", "--skip-serve-logs"], ["dag-processor"], ["api-server"]):
                started.append(self._start(command, environment))
            yield started[-1]
        finally:
            for process in started:
                process.terminate()
            for process in started:
                try:
                    process.wait(timeout=60)
                except subprocess.TimeoutExpired:
                    process.kill()

    def _start(self, command: list[str], environment: dict[str, str]) -> subprocess.Popen[bytes]:
        with (self.home / f"{command[0]}.log").open("w") as log:
            return subprocess.Popen(
                [AIRFLOW, *command], cwd=self.home, stdin=subprocess.DEVNULL, stdout=log, stderr=log,
                env={**os.environ, **self._settings, **self.environment, **environment}, start_new_session=True,
            )  # fmt: skip

    def wait_for_runs(self, kind: str, *states: str) -> None:
        """Waits until as many runs of a kind have ended, which must be in these states."""
        deadline = time.monotonic() + 400
        while len(ended := self.ended(kind)) < len(states) and time.monotonic() < deadline:
            time.sleep(1)
        assert ended == [*states], (self.home / "scheduler.log").read_text()[-10_000:]

    def ended(self, kind: str) -> list[str]:
        """The states of the runs of a kind that are over."""
        ended = "select state from dag_run where run_type = %s and state in ('success', 'failed')"
        return [state for (state,) in self._query(ended, kind)]

    def logs(self) -> str:
        """All that tasks and callbacks have said to a server."""
        files = filter(Path.is_file, (self.home / "logs").rglob("*"))
        return "\n".join(file.read_text() for file in files)

    def run(self, day: date, *options: str, **environment: str) -> dict[str, str | None]:
        """Plays the run of a date, anew where there was one; returns the state of each task.

        The exit code says nothing: of a run that has succeeded and has a deadline, Airflow 3.3 fails to delete that
        (apache/airflow#73428).
        """
        self.command("dags", "test", DAG, str(day), *options, **environment)
        return self.states(day)

    def states(self, day: date) -> dict[str, str | None]:
        """The state of each task in the last run of a date; none where it was not begun, or was cleared."""
        return {task: state for task, state, _ in self._tasks(day)}

    def tries(self, day: date) -> dict[str, int]:
        """How often each task was tried in the last run of a date."""
        return {task: tries for task, _, tries in self._tasks(day)}

    def _tasks(self, day: date) -> list[tuple[Any, ...]]:
        return self._query(
            """
            select task_id, state, try_number from task_instance where run_id = (
                select run_id from dag_run where (logical_date at time zone 'UTC')::date = %s order by id desc limit 1
            )
            """,
            day,
        )

    def _query(self, sql: str, *values: Any, database: str | None = None) -> list[tuple[Any, ...]]:
        return self.postgres.sql(sql, *values, user="postgres", database=database or self.database)
