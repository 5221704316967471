"""Airflow with the project's DAG, in its own virtual environment, and a metadata database of SQLite."""

from __future__ import annotations

import os
import re
import signal
import socket
import sqlite3
import subprocess
import time
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass, field
from datetime import date
from pathlib import Path

from support.project import ROOT

AIRFLOW = ROOT / ".venv-airflow" / "bin" / "airflow"
DAG = "user_metrics_pipeline"


@dataclass
class Airflow:
    """An installation on this machine, whose runs are played by `airflow dags test`, or by a server."""

    home: Path
    environment: dict[str, str]
    dags: Path = ROOT / "dags"
    log: str = ""
    """What the last command said."""
    _settings: dict[str, str] = field(init=False)

    def __post_init__(self) -> None:
        self.home.mkdir(parents=True, exist_ok=True)
        self._settings = {
            "AIRFLOW_HOME": str(self.home),
            "AIRFLOW__CORE__DAGS_FOLDER": str(self.dags),
            "AIRFLOW__CORE__LOAD_EXAMPLES": "False",
            "AIRFLOW__LOGGING__COLORED_CONSOLE_LOG": "False",
            "DBT_TARGET_PATH": str(self.home / "target"),
            "DBT_LOG_PATH": str(self.home / "logs"),
        }
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

    def command_of_the_page(self, part: str, *days: date) -> None:
        """Runs the command of docs/pipeline.md that has this part, with these dates in place of those it has there."""
        page = (ROOT / "docs" / "pipeline.md").read_text().replace("\\\n", "")
        (command,) = re.findall(rf"^ +airflow (.*{part}.*)$", page, re.MULTILINE)
        dates = map(str, days)
        arguments = re.sub(r"\d{4}-\d\d-\d\d", lambda _: next(dates), command).split()
        assert self.command(*arguments) == 0, self.log

    @contextmanager
    def server(self, port: int = 0, **environment: str) -> Iterator[subprocess.Popen[bytes]]:
        """Scheduler, executor and API, on a free port if none is named, until the end of the block."""
        if not port:
            with socket.socket() as free:
                free.bind(("127.0.0.1", 0))
                port = free.getsockname()[1]
        self._settings |= {
            "PATH": f"{AIRFLOW.parent}{os.pathsep}{os.environ['PATH']}",
            "AIRFLOW__API__HOST": "127.0.0.1",
            "AIRFLOW__API__PORT": str(port),
            "AIRFLOW__API__WORKERS": "1",
            "AIRFLOW__CORE__PARALLELISM": "4",
            "AIRFLOW__CORE__DAGS_ARE_PAUSED_AT_CREATION": "False",
            "AIRFLOW__CORE__EXECUTION_API_SERVER_URL": f"http://127.0.0.1:{port}/execution/",
            "AIRFLOW__CORE__SIMPLE_AUTH_MANAGER_ALL_ADMINS": "True",
        }
        with (self.home / "server.log").open("w") as log:
            server = subprocess.Popen(
                [AIRFLOW, "standalone"], cwd=self.home, stdin=subprocess.DEVNULL, stdout=log, stderr=log,
                env={**os.environ, **self._settings, **self.environment, **environment}, start_new_session=True,
            )  # fmt: skip
            try:
                yield server
            finally:
                # As by Ctrl-C: by SIGTERM it would leave its scheduler behind.
                server.send_signal(signal.SIGINT)
                server.wait(timeout=60)

    def wait_for_runs(self, kind: str, count: int) -> None:
        """Waits until that many runs of a kind have ended; each must have succeeded."""
        self._wait(lambda: len(self._ended(kind)) == count)
        assert self._ended(kind) == ["success"] * count, (self.home / "server.log").read_text()[-10_000:]

    def _ended(self, kind: str) -> list[str]:
        """The states of the runs of a kind that are over."""
        with closing(sqlite3.connect(self.home / "airflow.db", timeout=30)) as database:
            found = database.execute("select state from dag_run where run_type = ?", [kind]).fetchall()
        return [state for (state,) in found if state in ("success", "failed")]

    def _wait(self, is_so: Callable[[], bool]) -> None:
        deadline = time.monotonic() + 300
        while not is_so():
            assert time.monotonic() < deadline, (self.home / "server.log").read_text()[-10_000:]
            time.sleep(2)

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

    def _tasks(self, day: date) -> list[tuple[str, str | None, int]]:
        with closing(sqlite3.connect(self.home / "airflow.db")) as database:
            return database.execute(
                """
                select task_id, state, try_number from task_instance where run_id = (
                    select run_id from dag_run where date(logical_date) = ? order by id desc limit 1
                )
                """,
                [str(day)],
            ).fetchall()
