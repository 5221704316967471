"""Loads of an application's PostgreSQL: what is in them, and what is not written where something is wrong."""

from __future__ import annotations

import hashlib
import importlib.util
import json
import os
import random
import re
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager, suppress
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

import duckdb
import pytest
from support.application import Application
from support.days import build
from support.postgres import PostgresServer
from support.project import ROOT, Project, working_folder
from support.s3 import BUCKET, S3
from typer.testing import CliRunner, Result

from user_metrics.cli import app
from user_metrics.extract import ExtractionError, verify
from user_metrics.lake import COLUMNS, declaration

DAY = date(2024, 1, 5)


def extract(lake: Path | str, table: str = "orders", *options: str, day: date = DAY) -> Result:
    """Runs the command."""
    return CliRunner().invoke(app, ["extract", "--table", table, "--date", str(day), "--lake", str(lake), *options])


def rows(partition: Path) -> list[tuple[Any, ...]]:
    """What a partition has, by id, without when it was loaded."""
    files = f"read_parquet('{partition}/*.parquet', hive_partitioning = false)"
    with duckdb.connect() as connection:
        return connection.execute(f"select * exclude (_loaded_at) from {files} order by id").fetchall()


def refusal(lake: Path, table: str = "orders", *options: str) -> str:
    """Why nothing was extracted; what lay in the lake is as it was."""
    before = {file: file.read_bytes() for file in lake.rglob("*") if file.is_file()}
    result = extract(lake, table, *options)
    assert result.exit_code == 1, result.output
    assert {file: file.read_bytes() for file in lake.rglob("*") if file.is_file()} == before
    assert "Traceback" not in result.output
    return result.output


def place(application: Application, id: int, updated_at: str, amount: str = "10.00", status: str = "completed") -> None:
    """An order of user 1."""
    application.sql(
        "insert into orders values (%s, 1, %s, %s, '2024-01-01 09:00+00', %s)", id, amount, status, updated_at
    )


def test_changes_of_a_day_and_shortly_before_are_extracted(application: Application, tmp_path: Path) -> None:
    for id, updated_at in enumerate(
        ["2024-01-04 22:59:59.999999", "2024-01-04 23:00", "2024-01-05 23:59:59.999999", "2024-01-06 00:00"], 1
    ):
        place(application, id, f"{updated_at}+00")
    begun = datetime.now(UTC).replace(tzinfo=None)
    result = extract(tmp_path)
    assert result.exit_code == 0, result.output
    placed = datetime(2024, 1, 1, 9)
    assert rows(tmp_path / "orders" / "date=2024-01-05") == [
        (2, 1, Decimal("10.00"), "completed", placed, datetime(2024, 1, 4, 23)),
        (3, 1, Decimal("10.00"), "completed", placed, datetime(2024, 1, 5, 23, 59, 59, 999999)),
    ]
    said = json.loads(result.stdout)
    file = tmp_path / "orders" / "date=2024-01-05" / "part_0.parquet"
    assert said == {
        "table": "orders", "date": "2024-01-05", "rows": 2, "bytes": file.stat().st_size,
        "newest_updated_at": "2024-01-05 23:59:59.999999", "file": str(file),
    }  # fmt: skip
    assert list(file.parent.iterdir()) == [file]
    with duckdb.connect() as connection:
        found = connection.execute(f"describe from read_parquet('{file}', hive_partitioning = false)").fetchall()
        ((first, last),) = connection.execute(f"select min(_loaded_at), max(_loaded_at) from '{file}'").fetchall()
    assert {name: type.lower().replace(",", ", ") for name, type, *_ in found} == COLUMNS["orders"]
    assert first == last
    assert begun <= first <= datetime.now(UTC).replace(tzinfo=None)


def test_the_whole_table_is_extracted_and_takes_the_place_of_what_was_there(
    application: Application, tmp_path: Path
) -> None:
    place(application, 1, "2020-01-01 00:00+00")
    place(application, 2, "2024-01-05 12:00+00")
    assert extract(tmp_path, "orders", "--whole").exit_code == 0
    assert [id for id, *_ in rows(tmp_path / "orders" / "date=2024-01-05")] == [1, 2]
    application.sql("delete from orders where id = 1")
    assert extract(tmp_path, "orders", "--whole").exit_code == 0
    assert [id for id, *_ in rows(tmp_path / "orders" / "date=2024-01-05")] == [2]


def test_a_day_without_changes_makes_a_load_without_rows(application: Application, tmp_path: Path) -> None:
    result = extract(tmp_path, "users")
    assert json.loads(result.stdout)["rows"] == 0
    assert rows(tmp_path / "users" / "date=2024-01-05") == []


def test_tables_columns_and_statuses_are_called_as_the_settings_say(
    application: Application, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    application.sql(
        """
        create schema shop;
        create table shop."Sales" (
            number text, buyer text, cents bigint, state int, placed timestamp, changed timestamp
        );
        insert into shop."Sales" values
            ('A-7', 'B-1', 1234, 1, '2024-01-05 10:00', '2024-01-05 11:00'),
            ('A-8', null, -500, 9, '2024-01-05 10:00', '2024-01-05 11:00')
        """
    )
    for name, value in {
        "DB_SCHEMA": "shop", "ORDERS__TABLE": "Sales", "ORDERS__ID": "substr(number, 3)",
        "ORDERS__USER_ID": "substr(buyer, 3)", "ORDERS__AMOUNT": "cents / 100", "ORDERS__STATUS": "STATE",
        "ORDERS__CREATED_AT": "placed", "ORDERS__UPDATED_AT": "Changed", "STATUSES": '{"1": "completed"}',
    }.items():  # fmt: skip
        monkeypatch.setenv(f"SOURCE_{name}", value)
    assert extract(tmp_path).exit_code == 0
    placed, changed = datetime(2024, 1, 5, 10), datetime(2024, 1, 5, 11)
    assert rows(tmp_path / "orders" / "date=2024-01-05") == [
        (7, 1, Decimal("12.34"), "completed", placed, changed),
        (8, None, Decimal("-5.00"), "9", placed, changed),
    ]


ORDER = {"id": "1", "user_id": "1", "amount": "10", "status": "'completed'"}


def sell(application: Application, monkeypatch: pytest.MonkeyPatch, number: int, column: str, value: str) -> None:
    """Makes a table of one order, of which a column is this expression, the source's orders."""
    columns = ", ".join(f"{expression} as {name}" for name, expression in {**ORDER, column: value}.items())
    times = "timestamptz '2024-01-05 12:00+00' as created_at, timestamptz '2024-01-05 12:00+00' as updated_at"
    application.sql(f"create table sales_{number} as select {columns}, {times}")
    monkeypatch.setenv("SOURCE_ORDERS__TABLE", f"sales_{number}")


TOO_LARGE = "9223372036854775808"
LOSSY = [
    *(("id", f"'1.5'::{type}", "1.5") for type in ("numeric", "numeric(10, 1)", "double precision", "real", "text")),
    ("user_id", "2.5::numeric", "2.5"),
    *(("user_id", f"'{text}'::text", re.escape(text)) for text in ("007", "+7", " 7", "7.0", "-0")),
    ("user_id", "2.5::double precision", "2.5"),
    ("id", "9007199254740993::double precision", "9007199254740992.0"),
    ("id", f"{TOO_LARGE}::numeric", TOO_LARGE),
    ("id", f"'{TOO_LARGE}'::text", TOO_LARGE),
    *(
        (column, f"'{value}'::{type}", said)
        for column in ("id", "amount")
        for value, said in (("NaN", "(?i:nan)"), ("Infinity", "(?i:inf(inity)?)"))
        for type in ("numeric", "double precision", "real", "text")
    ),
    ("amount", "'NaN'::numeric(18, 2)", "NaN"),
    ("amount", "10.0000000001::double precision", "10.0000000001"),
    *(("amount", f"'{value}'::real", value) for value in ("10.001", "50000.125", "200000.5")),
    ("amount", "'4194522.3200000001'::numeric(50, 10)", "4194522.3200000001"),
    *(("amount", f"'10.001'::{type}", "10.001") for type in ("numeric", "numeric(10, 3)", "text")),
    ("amount", "'1e-20'::numeric", "0.00000000000000000001"),
    ("amount", "'10000000000000000'::numeric(20, 0)", "10000000000000000"),
    ("amount", "'10000000000000000'::numeric", "10000000000000000"),
]


def test_a_number_that_would_lose_something_is_refused(
    application: Application, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for number, (column, value, said) in enumerate(LOSSY):
        sell(application, monkeypatch, number, column, value)
        loss = f"{column} is {said}, which .* cannot hold without loss[.]"
        assert re.search(f"A row of public.sales_{number} does not fit the lake: {loss}", refusal(tmp_path)), value


EXACT = [
    *(
        ("id", f"'9007199254740993'::{type}", 9007199254740993)
        for type in ("numeric", "numeric(20, 0)", "numeric(20, 2)", "numeric(50, 0)", "text", "int8")
    ),
    ("user_id", "9007199254740993::numeric", 9007199254740993),
    ("user_id", "7.000::numeric", 7),
    ("user_id", "42::double precision", 42),
    ("user_id", "null::numeric", None),
    ("amount", "4194522.32::double precision", Decimal("4194522.32")),
    ("amount", "0.1::double precision + 0.2::double precision", Decimal("0.30")),
    ("amount", "12.34::real", Decimal("12.34")),
    ("amount", "99999.99::real", Decimal("99999.99")),
    ("amount", "100.1::double precision - 100::double precision", Decimal("0.10")),
    ("amount", "0.3::double precision - (0.1::double precision + 0.2)", Decimal("0.00")),
    ("amount", "'-999999999999.99'::numeric", Decimal("-999999999999.99")),
    ("amount", "10.1000000000000000000000::numeric", Decimal("10.10")),
    ("amount", "'.5'::text", Decimal("0.50")),
    ("amount", "12::smallint", Decimal("12.00")),
]


def test_a_number_that_loses_nothing_is_taken_whatever_its_type(
    application: Application, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for number, (column, value, expected) in enumerate(EXACT):
        sell(application, monkeypatch, number, column, value)
        result = extract(tmp_path)
        assert result.exit_code == 0, result.output
        ((id, user_id, amount, *_),) = rows(tmp_path / "orders" / "date=2024-01-05")
        assert {"id": id, "user_id": user_id, "amount": amount}[column] == expected, value


def test_a_domain_is_the_number_that_it_is(application: Application, tmp_path: Path) -> None:
    application.sql("create domain price as numeric; create domain our_price as price")
    place(application, 1, "2024-01-05 12:00+00")
    application.sql("alter table orders alter column amount type our_price using 'NaN'::numeric::our_price")
    assert "amount is NaN, which decimal(18, 2) cannot hold without loss." in refusal(tmp_path)
    application.sql("update orders set amount = 10.5")
    assert extract(tmp_path).exit_code == 0
    assert [amount for _, _, amount, *_ in rows(tmp_path / "orders" / "date=2024-01-05")] == [Decimal("10.50")]


def test_no_more_columns_are_read_than_are_named(
    application: Application, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A reader may be granted these alone; mail is in email."""
    application.sql(
        """
        alter table users add column mail text;
        create role clerk login;
        grant select (id, email, created_at, updated_at) on users to clerk
        """
    )
    monkeypatch.setenv("SOURCE_POSTGRES_DSN", application.dsn.replace("user=postgres", "user=clerk"))
    monkeypatch.setenv("SOURCE_USERS__EMAIL", "lower(EMAIL)")
    try:
        result = extract(tmp_path, "users")
        assert result.exit_code == 0, result.output
    finally:
        application.sql("drop owned by clerk; drop role clerk")


def test_cents_that_are_divided_are_taken_to_the_cent(
    application: Application, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    chance = random.Random(4194522)
    cents = [chance.randrange(-(10**length), 10**length) for length in range(1, 14) for _ in range(300)]
    application.sql("create table sales as select * from orders limit 0; alter table sales alter amount type bigint")
    values = ", ".join(
        f"({id}, 1, {amount}, 'completed', '2024-01-05', '2024-01-05')" for id, amount in enumerate(cents)
    )
    application.sql(f"insert into sales values {values}")
    for name, value in (("TABLE", "sales"), ("AMOUNT", "amount / 100")):
        monkeypatch.setenv(f"SOURCE_ORDERS__{name}", value)
    assert extract(tmp_path).exit_code == 0
    found = [amount for _, _, amount, *_ in rows(tmp_path / "orders" / "date=2024-01-05")]
    assert found == [Decimal(amount).scaleb(-2) for amount in cents]


def test_rows_that_row_level_security_hides_are_not_left_out(
    application: Application, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    place(application, 1, "2024-01-05 12:00+00")
    place(application, 2, "2024-01-05 12:00+00")
    application.sql(
        """
        create role clerk login;
        grant select on orders to clerk;
        alter table orders enable row level security;
        create policy first on orders using (id = 1)
        """
    )
    monkeypatch.setenv("SOURCE_POSTGRES_DSN", application.dsn.replace("user=postgres", "user=clerk"))
    try:
        said = refusal(tmp_path, "orders", "--whole")
        assert "Row-level security hides rows of public.orders from the user of SOURCE_POSTGRES_DSN: give" in said
        said = refusal(tmp_path, "users", "--whole")
        assert "The user of SOURCE_POSTGRES_DSN may not read public.users: grant it select." in said
        application.sql("alter role clerk bypassrls")
        assert extract(tmp_path, "orders", "--whole").exit_code == 0
        assert [id for id, *_ in rows(tmp_path / "orders" / "date=2024-01-05")] == [1, 2]
    finally:
        application.sql("drop owned by clerk; drop role clerk")


def test_texts_are_utf_8_whatever_the_encoding_of_the_database(
    postgres: PostgresServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for encoding in ("LATIN1", "SQL_ASCII"):
        application = Application(postgres, encoding)
        monkeypatch.setenv("SOURCE_POSTGRES_DSN", application.dsn)
        # jürgen, of one byte each.
        address = "convert_from('\\x6afc7267656e', 'SQL_ASCII')" if encoding == "SQL_ASCII" else "'jürgen'"
        application.sql(f"insert into users values (1, {address}, '2024-01-05', '2024-01-05')")
        if encoding == "LATIN1":
            assert extract(tmp_path, "users").exit_code == 0
            assert [email for _, email, *_ in rows(tmp_path / "users" / "date=2024-01-05")] == ["jürgen"]
        else:
            assert "A text of public.users is no UTF-8: " in refusal(tmp_path, "users")


def test_what_was_written_is_read_again_and_its_texts_too(tmp_path: Path) -> None:
    file = tmp_path / "part_0.parquet"
    with duckdb.connect() as connection:
        connection.execute(f"create table load ({declaration('users')})")
        connection.execute("insert into load (id, email) values (1, 'jurgen@example.org')")
        connection.execute(f"copy load to '{file}' (format parquet, compression uncompressed)")
    assert verify(file, "users") == (1, None)
    file.write_bytes(file.read_bytes().replace(b"jurgen", b"j\xfcrgen"))
    with pytest.raises(ExtractionError, match=r"The file that was written cannot be read again: .*encoding"):
        verify(file, "users")


PASSING = {
    "too many connections": "alter role clerk connection limit 0",
    "conflict with recovery": """
        create function asked() returns boolean language plpgsql as $$ begin
            raise exception 'canceling statement due to conflict with recovery' using errcode = '40001';
        end $$;
        alter table orders rename to all_orders;
        create view orders as select * from all_orders where asked();
        grant select on orders to clerk
    """,
}
"""What PostgreSQL says for a while, and what has it say so."""


@pytest.mark.parametrize("trouble", PASSING)
def test_trouble_that_passes_is_tried_again(
    trouble: str, application: Application, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    place(application, 1, "2024-01-05 12:00+00")
    application.sql("create role clerk login")
    application.sql(PASSING[trouble])
    monkeypatch.setenv("SOURCE_ATTEMPTS", "2")
    monkeypatch.setenv("SOURCE_POSTGRES_DSN", application.dsn.replace("user=postgres", "user=clerk"))
    try:
        said = refusal(tmp_path)
        assert said.count("tries again") == 1
        assert trouble in said.splitlines()[-1]
        assert "does not fit" not in said
    finally:
        application.sql("drop owned by clerk; drop role clerk")


@contextmanager
def pooler(application: Application) -> Iterator[int]:
    """The port of a server that passes on to the application's what it is sent, and takes no `options` at the start."""
    with socket.create_server(("127.0.0.1", 0)) as listening, ThreadPoolExecutor() as pool, ExitStack() as opened:

        def pass_on(source: socket.socket, target: socket.socket) -> None:
            with suppress(OSError):
                while data := source.recv(65536):
                    target.sendall(data)
                target.shutdown(socket.SHUT_WR)

        def serve() -> None:
            with suppress(OSError):
                while True:
                    client = opened.enter_context(listening.accept()[0])
                    client.settimeout(20)
                    while (start := client.recv(65536))[4:8] in (b"\x04\xd2\x16/", b"\x04\xd2\x160"):
                        client.sendall(b"N")  # neither SSL nor GSS
                    if b"\0options\0" in start:
                        said = b"SFATAL\0C08P01\0Munsupported startup parameter: options\0\0"
                        client.sendall(b"E" + (len(said) + 4).to_bytes(4) + said)
                        client.close()
                        continue
                    server = opened.enter_context(socket.socket(socket.AF_UNIX))
                    server.settimeout(20)
                    server.connect(str(application.server.socket))
                    server.sendall(start)
                    pool.submit(pass_on, client, server)
                    pool.submit(pass_on, server, client)

        pool.submit(serve)
        try:
            yield listening.getsockname()[1]
        finally:
            listening.shutdown(socket.SHUT_RDWR)


def test_a_pooler_that_takes_no_options_is_read_through(
    application: Application, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    place(application, 1, "2024-01-05 12:00+00")
    with pooler(application) as port:
        dsn = f"host=127.0.0.1 port={port} dbname={application.name} user=postgres"
        monkeypatch.setenv("SOURCE_POSTGRES_DSN", f"{dsn} options='-c work_mem=4MB'")
        assert "unsupported startup parameter: options" in refusal(tmp_path)
        monkeypatch.setenv("SOURCE_POSTGRES_DSN", dsn)
        assert extract(tmp_path).exit_code == 0


@pytest.mark.wheels
@pytest.mark.parametrize(
    "dsn",
    [
        "host=127.0.0.1 port=9 password=my hunter2",
        "host=127.0.0.1 port=9 password='hunter2",
        "postgresql://me:hunter2%zz@127.0.0.1:9/shop",
        "postgresql://me:my@hunter2@127.0.0.1:9/shop",
        "postgresql://me:my/hunter2@127.0.0.1:9/shop",
        "postgresql://me:my:hunter2@127.0.0.1:9/shop",
        "postgresql://me:hunter2#1@127.0.0.1:9/shop",
        "postgresql://me:hunter2?1@127.0.0.1:9/shop",
        "postgresql://me:[hunter2@127.0.0.1:9/shop",
    ],
)
def test_a_password_in_an_address_that_is_none_is_not_shown(
    dsn: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SOURCE_POSTGRES_DSN", dsn)
    monkeypatch.setenv("SOURCE_ATTEMPTS", "1")
    said = refusal(tmp_path)
    assert "hunter2" not in said
    assert "SOURCE_POSTGRES_DSN " in said


def test_what_is_not_there_is_named(application: Application, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SOURCE_ORDERS__TABLE", "sales")
    assert "The source has no table public.sales: correct SOURCE_ORDERS__TABLE or SOURCE_DB_SCHEMA." in refusal(
        tmp_path
    )
    monkeypatch.setenv("SOURCE_ORDERS__TABLE", "orders")
    monkeypatch.setenv("SOURCE_ORDERS__AMOUNT", "price")
    said = refusal(tmp_path)
    assert "A column of public.orders is not there (" in said
    assert "price" in said


@pytest.mark.wheels
def test_a_server_that_is_not_there_is_tried_again_and_then_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SOURCE_POSTGRES_DSN", "host=127.0.0.1 port=9 user=me password=secret dbname=shop")
    monkeypatch.setenv("SOURCE_ATTEMPTS", "2")
    said = refusal(tmp_path)
    assert "SOURCE_POSTGRES_DSN names a server that cannot be signed in to: connection to server" in said
    assert "Connection refused" in said
    assert "secret" not in said


@pytest.mark.parametrize(
    ("name", "value", "said"),
    [
        ("SOURCE_POSTGRES_DSN", None, "SOURCE_POSTGRES_DSN is not set: docs/extraction.md says to what."),
        (
            "SOURCE_OVERLAP_MINUTES",
            "-1",
            "SOURCE_OVERLAP_MINUTES is wrong: input should be greater than or equal to 0.",
        ),
        ("SOURCE_ORDERS__ID", "", "SOURCE_ORDERS__ID is wrong: string should have at least 1 character."),
        (
            "SOURCE_STATUSES",
            "{paid: completed}",
            """SOURCE_STATUSES is no JSON: write it like '{"paid": "completed"}'.""",
        ),
        ("SOURCE_ORDERS__PRICE", "price", "SOURCE_ORDERS__PRICE is wrong: extra inputs are not permitted."),
    ],
)
def test_a_wrong_setting_is_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str, value: str | None, said: str
) -> None:
    monkeypatch.setenv("SOURCE_POSTGRES_DSN", "host=127.0.0.1 port=9")
    monkeypatch.setenv(name, value) if value is not None else monkeypatch.delenv(name)
    assert said in refusal(tmp_path)


def test_a_day_that_has_not_begun_is_refused(tmp_path: Path) -> None:
    today = datetime.now(UTC).date()
    result = extract(tmp_path, day=today + timedelta(days=1))
    assert result.exit_code == 1
    assert f"--date is {today + timedelta(days=1)}, which has not begun: today is {today} (UTC)." in result.output


@pytest.mark.parametrize(
    ("target", "said"),
    [("extract", "make extract TABLE=orders DATE=2024-01-05"), ("backfill", "make backfill FROM=2024-01-01")],
)
def test_make_says_what_it_needs(target: str, said: str) -> None:
    command = ["make", target, "-o", "setup", "-o", ".venv/extract", "TABLE=", "FROM="]
    result = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=60, check=False)
    assert result.returncode == 2
    assert said in result.stdout


def test_who_may_read_a_load_is_for_the_umask_to_say(application: Application, tmp_path: Path) -> None:
    before = os.umask(0o027)
    try:
        assert extract(tmp_path).exit_code == 0
    finally:
        os.umask(before)
    (file,) = tmp_path.rglob("part_0.parquet")
    assert oct(file.stat().st_mode)[-3:] == "640"


def test_texts_and_uuids_are_numbered_as_the_page_says(
    application: Application, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    page = (ROOT / "docs" / "extraction.md").read_text()
    of_text, of_uuid = re.findall(r"`(md5_number_lower.*?)`", page)
    uuid = "00000000-0000-4000-8000-000000000001"
    application.sql(
        f"""
        create table sales as
        select 'A-7' as number, '{uuid}'::uuid as id, 1 as amount, 'completed' as status,
            '2024-01-05 12:00'::timestamp as created_at, '2024-01-05 12:00'::timestamp as updated_at
        """
    )
    for name, value in (("TABLE", "sales"), ("ID", of_text), ("USER_ID", of_uuid)):
        monkeypatch.setenv(f"SOURCE_ORDERS__{name}", value)
    assert extract(tmp_path).exit_code == 0
    ((id, user_id, *_),) = rows(tmp_path / "orders" / "date=2024-01-05")
    numbers = [int.from_bytes(hashlib.md5(text.encode()).digest()[8:], "little") >> 1 for text in ("A-7", uuid)]
    assert [id, user_id] == numbers


def test_a_partition_with_files_of_others_is_left_alone(application: Application, tmp_path: Path) -> None:
    other = tmp_path / "orders" / "date=2024-01-05" / "export.parquet"
    other.parent.mkdir(parents=True)
    other.write_bytes(b"theirs")
    said = refusal(tmp_path)
    assert "where orders/date=2024-01-05 holds export.parquet, which was not written here: move it." in said


def test_a_lake_on_s3_gets_the_same_file(
    application: Application, tmp_path: Path, s3: S3, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, value in s3.environment.items():
        monkeypatch.setenv(name, value)
    place(application, 1, "2024-01-05 12:00+00")
    result = extract(f"s3://{BUCKET}/extracted")
    assert result.exit_code == 0, result.output
    assert json.loads(result.stdout)["file"] == f"s3://{BUCKET}/extracted/orders/date=2024-01-05/part_0.parquet"
    body = s3.client().get_object(Bucket=BUCKET, Key="extracted/orders/date=2024-01-05/part_0.parquet")["Body"].read()
    (tmp_path / "part_0.parquet").write_bytes(body)
    assert [id for id, *_ in rows(tmp_path)] == [1]


def test_user_metrics_is_built_of_what_was_extracted(application: Application, project: Project) -> None:
    application.sql("insert into users values (1, 'a@x.org', '2024-01-01 08:00+00', '2024-01-01 08:00+00')")
    place(application, 1, "2024-01-05 12:00+00", amount="12.50")
    assert extract(project.lake, "users", "--whole").exit_code == 0
    assert extract(project.lake).exit_code == 0
    with working_folder(project.root):
        build(project)
    found = project.query("select order_count, total_spent from analytics.user_metrics where date = '2024-01-05'")
    assert found == [(1, Decimal("12.50"))]


def test_a_row_without_a_time_is_in_the_whole_table_and_one_changed_since_in_none(
    application: Application, tmp_path: Path
) -> None:
    application.sql("insert into orders values (1, 1, 10, 'completed', '2024-01-01 09:00+00', null)")
    place(application, 2, "2024-01-06 00:00+00")
    place(application, 3, "2024-01-05 23:59+00")
    assert extract(tmp_path, "orders", "--whole").exit_code == 0
    assert [id for id, *_ in rows(tmp_path / "orders" / "date=2024-01-05")] == [1, 3]


def test_rows_that_change_meanwhile_are_those_of_one_moment(application: Application, tmp_path: Path) -> None:
    """Amounts are moved from order to order in transactions, while several sessions read: the sum stays."""
    application.sql(
        """
        insert into orders select id, 1, 10, 'completed', '2024-01-05 09:00+00', '2024-01-05 09:00+00'
        from generate_series(1, 400000) as ids(id)
        """
    )
    is_over = threading.Event()

    def move() -> int:
        moves = 0
        while not is_over.is_set():
            # From the first to the last, which another session reads.
            application.sql(
                "update orders set amount = amount + case when id <= 2000 then -1 else 1 end"
                " where id <= 2000 or id > 398000"
            )
            moves += 1
        return moves

    with ThreadPoolExecutor() as pool:
        moving = pool.submit(move)
        try:
            for day in (DAY, date(2024, 1, 6)):
                assert extract(tmp_path, "orders", "--whole", day=day).exit_code == 0
        finally:
            is_over.set()
        assert moving.result(timeout=60) > 2
    seen = set()
    for day in (DAY, date(2024, 1, 6)):
        with duckdb.connect() as connection:
            found = f"select sum(amount), min(amount) from '{tmp_path}/orders/date={day}/part_0.parquet'"
            ((total, least),) = connection.execute(found).fetchall()
        assert total == 4_000_000
        seen.add(least)
    assert len(seen) == 2, "nothing was moved between the extractions"


SLOW_ORDERS = """
    alter table orders rename to all_orders;
    create view orders as
        select id, user_id, case when id = 1 then amount + length(pg_sleep(20)::text) else amount end as amount, status,
            created_at, updated_at
        from all_orders
"""


def test_a_server_that_goes_away_meanwhile_is_tried_again(
    application: Application, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SOURCE_ATTEMPTS", "2")
    place(application, 1, "2024-01-05 12:00+00")
    application.sql(SLOW_ORDERS)
    with ThreadPoolExecutor() as pool:
        extracting = pool.submit(extract, tmp_path)
        deadline = time.monotonic() + 30
        while not end_sleeping(application):
            assert time.monotonic() < deadline
            time.sleep(0.05)
        # When it is tried again, it is fast.
        application.sql("drop view orders; alter table all_orders rename to orders")
        result = extracting.result(timeout=60)
    assert result.exit_code == 0, result.output
    (again,) = [json.loads(line) for line in result.stderr.splitlines() if "tries again" in line]
    assert again["reason"].startswith("The source went away while public.orders was read: ")
    assert [id for id, *_ in rows(tmp_path / "orders" / "date=2024-01-05")] == [1]


def end_sleeping(application: Application) -> bool:
    """Ends the session that reads the slow view, as a server does that fails over; says whether there was one."""
    ended = application.sql(
        "select pg_terminate_backend(pid) from pg_stat_activity"
        " where datname = current_database() and wait_event = 'PgSleep'"
    )
    return bool(ended)


def test_a_query_that_takes_too_long_is_ended_by_the_server(
    application: Application, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SOURCE_TIMEOUT_SECONDS", "1")
    place(application, 1, "2024-01-05 12:00+00")
    application.sql(SLOW_ORDERS)
    said = refusal(tmp_path)
    assert "statement timeout: set SOURCE_TIMEOUT_SECONDS to more." in said


def test_a_wrong_password_is_named_and_not_shown(
    application: Application, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SOURCE_ATTEMPTS", "3")
    with application.server.asks_for_passwords():
        monkeypatch.setenv("SOURCE_POSTGRES_DSN", f"{application.dsn} password=not_this_one")
        said = refusal(tmp_path)
    assert "SOURCE_POSTGRES_DSN names a server that cannot be signed in to: " in said
    assert 'password authentication failed for user "postgres"' in said
    assert "not_this_one" not in said
    assert "tries again" not in said


def test_a_clock_that_is_ahead_is_refused(
    application: Application, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    application.sql(
        """
        create schema clock;
        create function clock.clock_timestamp() returns timestamptz language sql
            as $$ select pg_catalog.clock_timestamp() + interval '10 minutes' $$
        """
    )
    monkeypatch.setenv("SOURCE_POSTGRES_DSN", f"{application.dsn} options='-c search_path=clock,pg_catalog,public'")
    assert re.search(r"The clock of the source is (599|600) seconds ahead of this machine's", refusal(tmp_path))


@pytest.mark.parametrize(("column", "type", "value"), [("id", "text", "A-7"), ("amount", "text", "ten")])
def test_a_type_that_does_not_fit_is_refused(
    application: Application, tmp_path: Path, column: str, type: str, value: str
) -> None:
    place(application, 1, "2024-01-05 12:00+00")
    application.sql(f"alter table orders alter column {column} type {type} using '{value}'")
    said = refusal(tmp_path, "orders", "--whole")
    assert "A row of public.orders does not fit the lake: " in said
    assert value in said


def test_a_time_that_is_text_is_not_compared_as_such(application: Application, tmp_path: Path) -> None:
    place(application, 1, "2024-01-05 12:00+00")
    application.sql("alter table orders alter column updated_at type text using '5 Jan 2024'")
    said = refusal(tmp_path)
    assert "SOURCE_ORDERS__UPDATED_AT is a text, which has no order: cast it, as updated_at::timestamp." in said


def test_with_the_trigger_of_the_page_a_change_is_never_older_than_the_one_before(application: Application) -> None:
    page = (ROOT / "docs" / "extraction.md").read_text()
    (trigger,) = re.findall(r"^    create function touch.*?touch\(\);$", page, re.DOTALL | re.MULTILINE)
    application.sql(trigger)
    before = "2124-01-05 12:00:00+00"  # by a server whose clock is ahead
    place(application, 1, before)
    application.sql("update orders set amount = 11")
    assert application.sql("select updated_at - %s from orders", before) == [(timedelta(microseconds=1),)]
    place(application, 2, "2024-01-05 12:00+00")
    application.sql("update orders set updated_at = '2023-01-01' where id = 2")
    assert application.sql("select now() - updated_at < interval '1 minute' from orders where id = 2") == [(True,)]


def test_a_terminal_gets_bars_and_standard_output_the_result(application: Application, tmp_path: Path) -> None:
    place(application, 1, "2024-01-05 12:00+00")
    shown, terminal = os.openpty()
    command = ["extract", "--table", "orders", "--date", "2024-01-05", "--lake", str(tmp_path)]
    result = subprocess.run(
        [sys.executable, "-m", "user_metrics", *command], stderr=terminal, stdout=subprocess.PIPE, text=True,
        stdin=subprocess.DEVNULL, timeout=60, check=True, env={**os.environ, "TERM": "xterm"},
    )  # fmt: skip
    os.close(terminal)
    said = os.read(shown, 100_000).decode()
    os.close(shown)
    assert "orders 2024-01-05" in said
    assert "\u2501" in said, "no bar"
    assert '"event"' not in said
    assert json.loads(result.stdout)["rows"] == 1


def test_without_what_it_needs_it_says_what_to_install(
    application: Application, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    assert "Extraction needs pydantic_settings: run make .venv/extract." in refusal(tmp_path)
