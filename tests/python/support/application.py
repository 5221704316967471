"""An application's database, from which users and orders are extracted."""

from __future__ import annotations

import itertools
from typing import Any

from support.postgres import PostgresServer

TABLES = """
    create table users (id int primary key, email text, created_at timestamptz, updated_at timestamptz);
    create table orders (
        id int primary key, user_id int, amount numeric, status text, created_at timestamptz, updated_at timestamptz
    )
"""
"""Users and orders, as an application has them."""

_numbers = itertools.count()


class Application:
    """A database with users and orders, as an application has them."""

    def __init__(self, server: PostgresServer, encoding: str = "UTF8") -> None:
        self.server, self.name = server, f"application_{next(_numbers)}"
        as_it_is = f"template template0 encoding '{encoding}' locale 'C'"
        server.sql(f"create database {self.name} {as_it_is}", user="postgres", database="postgres")
        self.sql(TABLES)

    @property
    def dsn(self) -> str:
        """How to reach it."""
        return f"host={self.server.socket.parent} dbname={self.name} user=postgres connect_timeout=5"

    def sql(self, statement: str, *values: Any) -> list[tuple[Any, ...]]:
        """Runs SQL in a transaction of its own."""
        return self.server.sql(statement, *values, user="postgres", database=self.name)
