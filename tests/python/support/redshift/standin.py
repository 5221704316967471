"""A stand-in for Redshift on this machine: PostgreSQL behind a proxy that speaks what dbt-redshift expects.

    with s3_server() as s3, RedshiftStandIn(folder, s3) as server:
        redshift_connector.connect(host=server.host, port=server.port, ssl=False, …)

It is a test of the protocol, the adapter, COPY and transactions, not of Redshift: docs/redshift.md says what it cannot
show.
"""

from __future__ import annotations

import asyncio
import contextlib
import functools
import re
import socket
import struct
import threading
import time
from collections.abc import AsyncIterator, Callable, Coroutine
from dataclasses import dataclass, field
from pathlib import Path
from types import TracebackType
from typing import Any

import duckdb
from support.postgres import PostgresServer
from support.redshift.dialect import SHIM, failure, translate
from support.redshift.parquet_copy import Copy, parse_copy, rows_of
from support.s3 import S3

DATABASE, USER = "dev", "dbt"
HUNG_UP = (OSError, EOFError)
UNREADABLE = (OSError, ValueError, duckdb.Error)
KNOWN_PARAMETERS = {b"user", b"database", b"application_name", b"options", b"client_encoding"}
SSL_REQUEST, GSS_REQUEST, CANCEL_REQUEST = 80877103, 80877104, 80877102

# Nothing may wait for ever: a lock, a statement, or a session that holds locks and does nothing becomes an error.
SETTINGS = {
    "lock_timeout": "20s",
    "statement_timeout": "120s",
    "idle_in_transaction_session_timeout": "60s",
    "client_connection_check_interval": "200ms",
    "timezone": "UTC",
    # As Redshift's default, snapshot isolation.
    "default_transaction_isolation": "repeatable read",
    # Its data must outlive a crash of the server, but not one of the machine.
    "fsync": "off",
    "full_page_writes": "off",
}


@dataclass(frozen=True)
class Statement:
    """A statement that a client had executed."""

    session: int
    sql: str


@dataclass
class Fault:
    """What happens when the n-th statement that a pattern is found in arrives; without an action, a cut."""

    pattern: re.Pattern[str]
    countdown: int
    action: Callable[[], object] | None = None
    after: re.Pattern[str] | None = None
    """Statements count only in a session that has had one in which this is found."""
    sessions: set[int] = field(default_factory=set)

    def strikes(self, statement: Statement) -> bool:
        """Whether it happens at this statement."""
        found = bool(self.pattern.search(statement.sql)) and (not self.after or statement.session in self.sessions)
        if self.after and self.after.search(statement.sql):
            self.sessions.add(statement.session)
        self.countdown -= found
        return found and self.countdown == 0


@dataclass
class Session:
    """One client: its streams, and what it has prepared."""

    number: int
    reader: asyncio.StreamReader
    writer: asyncio.StreamWriter
    server_reader: asyncio.StreamReader
    server_writer: asyncio.StreamWriter
    prepared: dict[bytes, tuple[str, Copy | None]] = field(default_factory=dict)
    bound: bytes = b""
    checks: int = 0
    kept_back: list[bytes] = field(default_factory=list)
    """Kinds of the answers to the proxy's own statements, which come next and are not the client's."""


class RedshiftStandIn:
    """A server with an empty database, from `with` to its end; its files are in `folder`."""

    host, user, password, database = "127.0.0.1", USER, "none", DATABASE
    port: int

    def __init__(
        self, folder: Path, s3: S3, refuse: Callable[[str], list[str]] = lambda _: [], **settings: str
    ) -> None:
        """s3: for COPY; refuse: why Redshift would refuse a statement; settings: of PostgreSQL, over SETTINGS."""
        self.s3 = s3
        self.refuse = functools.lru_cache(maxsize=10_000)(refuse)
        self.settings = {**SETTINGS, **settings}
        self.statements: list[Statement] = []
        self.faults: list[Fault] = []
        self.errors: list[Exception] = []
        """Errors of the stand-in itself, not of statements; raised at the end."""
        self.saved: set[str] = set()
        self._folder = folder
        self._open: dict[asyncio.Task[None] | None, asyncio.StreamWriter] = {}
        self._sessions = 0
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, name="redshift stand-in", daemon=True)

    # From the outside

    def __enter__(self) -> RedshiftStandIn:
        with contextlib.ExitStack() as stack:
            self._postgres = stack.enter_context(PostgresServer(self._folder / "postgres"))
            self._prepare()
            self._open_until_the_end = stack.pop_all()
        self._thread.start()
        self._listener = self._run(asyncio.start_server(self._serve, self.host, 0))
        self.port = self._listener.sockets[0].getsockname()[1]
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._run(self._close())
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join(timeout=10)
        self._loop.close()
        self._open_until_the_end.close()
        if self.errors and not error:
            raise ExceptionGroup("the stand-in itself failed", self.errors)

    def sql(self, statement: str, *values: Any, user: str = USER, database: str = DATABASE) -> list[tuple[Any, ...]]:
        """Runs SQL of PostgreSQL past the proxy, in a transaction of its own; returns the last statement's rows."""
        return self._postgres.sql(statement, *values, user=user, database=database)

    def cut(self, pattern: str, nth: int = 1, after: str | None = None) -> None:
        """Cuts a client off, once, when the n-th statement from now on that the pattern is found in arrives.

        after: counts only what follows, in the same session, a statement that this pattern is found in.
        """
        self.faults.append(Fault(_pattern(pattern), nth, after=_pattern(after) if after else None))

    def before(self, pattern: str, action: Callable[[], object], nth: int = 1) -> None:
        """Does something, once, before the n-th statement from now on that the pattern is found in is executed."""
        self.faults.append(Fault(_pattern(pattern), nth, action))

    def restart(self) -> None:
        """Stops PostgreSQL as a failing node would, with all its sessions, and starts it again."""
        self._postgres.restart()

    def save(self, name: str) -> None:
        """Keeps a copy of the database as it is, to be brought back."""
        self.forget(name)
        self._admin(f"create database {name} template {DATABASE} owner {USER}")
        self.saved.add(name)

    def bring_back(self, name: str) -> None:
        """Makes the database what it was when it was saved."""
        self.forget(DATABASE)
        self._admin(f"create database {DATABASE} template {name} owner {USER}")

    def forget(self, name: str) -> None:
        """Drops a database, sessions and all."""
        self._admin(f"drop database if exists {name} with (force)")
        self.saved.discard(name)

    def sessions(self) -> list[tuple[Any, ...]]:
        """(pid, state, last statement) of every session that stays open; one that is closed ends in a moment."""
        deadline = time.monotonic() + 5
        while True:
            found = self.sql("""
                select pid, state, query from pg_stat_activity
                where backend_type = 'client backend' and pid <> pg_backend_pid()
            """)
            if not found or time.monotonic() > deadline:
                return found
            time.sleep(0.05)

    def locks(self) -> list[tuple[Any, ...]]:
        """(pid, state, waits for pids, table, mode, granted, last statement) of every lock on a table."""
        return self.sql("""
            select activity.pid, activity.state, pg_blocking_pids(activity.pid), locks.relation::regclass::text,
                locks.mode, locks.granted, left(activity.query, 200)
            from pg_locks as locks
            inner join pg_stat_activity as activity on locks.pid = activity.pid
            inner join pg_class on locks.relation = pg_class.oid
            inner join pg_namespace on pg_class.relnamespace = pg_namespace.oid
            where pg_namespace.nspname !~ '^(pg_|information_schema)' and activity.pid <> pg_backend_pid()
            order by 1, 4
        """)

    # PostgreSQL

    def _prepare(self) -> None:
        for name, value in self.settings.items():
            self._admin(f"alter system set {name} = %s", value)
        for statement in (
            "select pg_reload_conf()",
            f"create role {USER} login",
            f"create database {DATABASE} owner {USER}",
        ):
            self._admin(statement)
        self.sql(SHIM, user="postgres")

    def _admin(self, statement: str, *values: Any) -> None:
        self.sql(statement, *values, user="postgres", database="postgres")

    # The proxy

    def _run(self, work: Coroutine[Any, Any, Any]) -> Any:
        return asyncio.run_coroutine_threadsafe(work, self._loop).result(timeout=30)

    async def _close(self) -> None:
        self._listener.close()
        for writer in self._open.values():
            writer.close()
        await asyncio.wait_for(asyncio.gather(*filter(None, self._open)), timeout=20)

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._sessions = number = self._sessions + 1
        self._open[asyncio.current_task()] = writer
        writers = [writer]
        try:
            start = await _start_packet(reader, writer)
            server_reader, server_writer = await asyncio.open_unix_connection(str(self._postgres.socket))
            writers.append(server_writer)
            server_writer.write(start)
            session = Session(number, reader, writer, server_reader, server_writer)
            pumps = [asyncio.create_task(self._to_server(session)), asyncio.create_task(self._to_client(session))]
            try:
                await asyncio.wait(pumps, return_when=asyncio.FIRST_COMPLETED)
            finally:
                for pump in pumps:
                    pump.cancel()
                ends = await asyncio.gather(*pumps, return_exceptions=True)
                self.errors += [end for end in ends if isinstance(end, Exception) and not isinstance(end, HUNG_UP)]
        except HUNG_UP:
            pass
        finally:
            for stream in writers:
                stream.close()
            del self._open[asyncio.current_task()]

    async def _to_client(self, session: Session) -> None:
        client = session.writer.get_extra_info("socket")
        async for kind, body in _messages(session.server_reader):
            if kind == b"G":  # CopyInResponse: _to_server sends the rows, the client knows nothing of them
                continue
            if kind == b"E":
                session.kept_back.clear()
            elif session.kept_back and kind == session.kept_back[0]:
                del session.kept_back[0]
                continue
            if kind == b"S" and body.startswith(b"server_version\0"):
                body = b"server_version\0" + b"8.0.2\0"
            session.writer.write(_message(kind, body))
            await session.writer.drain()
            if kind == b"Z" and hasattr(socket, "TCP_QUICKACK"):
                # redshift_connector leaves Nagle's algorithm on: statements of 8 kB and more would take 44 ms each.
                client.setsockopt(socket.IPPROTO_TCP, socket.TCP_QUICKACK, 1)

    async def _to_server(self, session: Session) -> None:
        async for kind, body in _messages(session.reader):
            before = after = b""
            if kind == b"P":
                name, sql, types = body.split(b"\0", 2)
                copy, translated = self._translate(sql.decode())
                session.prepared[name] = sql.decode(), copy
                body = b"\0".join([name, translated.encode(), types])
            elif kind == b"B":
                session.bound = body.split(b"\0", 2)[1]
            elif kind == b"E":
                text, copy = session.prepared[session.bound]
                statement = Statement(session.number, text)
                self.statements.append(statement)
                for fault in [fault for fault in self.faults if fault.strikes(statement)]:
                    if not fault.action:
                        return
                    await asyncio.to_thread(fault.action)
                if copy:
                    check, after = await asyncio.to_thread(_read, copy)
                    before = _check_messages(session, check)
            session.server_writer.write(before + _message(kind, body) + after)
            await session.server_writer.drain()

    def _translate(self, sql: str) -> tuple[Copy | None, str]:
        """The COPY that a statement is, if it is one, and what PostgreSQL is told."""
        try:
            copy = parse_copy(sql, self.s3, self._folder / "downloads")
        except ValueError as error:
            return None, failure(f"COPY: {error}")
        return copy, copy.statement if copy else translate(sql, self.refuse)


def _pattern(text: str) -> re.Pattern[str]:
    return re.compile(text, re.IGNORECASE | re.DOTALL)


async def _start_packet(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> bytes:
    """The first packet of a client, without the parameters that PostgreSQL does not know; SSL is declined."""
    while True:
        (length,) = struct.unpack("!I", await reader.readexactly(4))
        body = await reader.readexactly(length - 4)
        (code,) = struct.unpack("!I", body[:4])
        if code not in (SSL_REQUEST, GSS_REQUEST):
            break
        writer.write(b"N")
    if code != CANCEL_REQUEST:
        texts = body[4:].split(b"\0")
        known = [
            (name, value) for name, value in zip(texts[::2], texts[1::2], strict=False) if name in KNOWN_PARAMETERS
        ]
        body = body[:4] + b"".join(name + b"\0" + value + b"\0" for name, value in known) + b"\0"
    return struct.pack("!I", len(body) + 4) + body


async def _messages(reader: asyncio.StreamReader) -> AsyncIterator[tuple[bytes, bytes]]:
    """(kind, body) of every message until the other side closes."""
    while head := await reader.read(1):
        (length,) = struct.unpack("!I", await reader.readexactly(4))
        yield head, await reader.readexactly(length - 4)


def _message(kind: bytes, body: bytes = b"") -> bytes:
    return kind + struct.pack("!I", len(body) + 4) + body


def _read(copy: Copy) -> tuple[str, bytes]:
    """A statement that fails unless Redshift would load the files, and the messages of their rows."""
    try:
        files = copy.files()
        return copy.check(files), _message(b"d", rows_of(files)) + _message(b"c")
    except UNREADABLE as error:
        return failure(f"COPY: {error}"), b""


def _check_messages(session: Session, statement: str) -> bytes:
    """Parse, Bind and Execute of a statement of the proxy's own, whose answers are kept back from the client."""
    session.checks += 1
    name = b"check_%d\0" % session.checks
    session.kept_back = [b"1", b"2", b"C"]
    return (
        _message(b"P", name + statement.encode() + b"\0\0\0")
        + _message(b"B", name + name + bytes(6))
        + _message(b"E", name + bytes(4))
    )
