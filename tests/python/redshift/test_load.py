"""`user-metrics load`: loads of a lake on S3 arrive in raw as a whole, or are as they were before."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections.abc import Iterator
from datetime import date
from decimal import Decimal
from pathlib import Path
from typing import Any

import boto3
import duckdb
import pytest
from moto.server import ThreadedMotoServer
from support.days import DAY, at, loaded
from support.expectation import expected_metrics
from support.histories import STATUSES
from support.project import ROOT, Project, order, user, working_folder
from support.redshift.project import RedshiftProject
from typer.testing import CliRunner, Result

from user_metrics.cli import app
from user_metrics.lake import Row

pytestmark = pytest.mark.redshift

BUCKET = "shop"


@pytest.fixture(scope="session")
def s3() -> Iterator[str]:
    """The address of a server of S3."""
    server = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    server.start()
    host, port = server.get_host_and_port()
    yield f"http://{host}:{port}"
    server.stop()


class Shop:
    """A lake on S3, written as a folder, and the warehouse that it is loaded into."""

    uri = f"s3://{BUCKET}/lake"

    def __init__(self, warehouse: RedshiftProject, client: Any, folder: Path) -> None:
        self.warehouse, self._client = warehouse, client
        self._writer = Project(folder)
        self.lake: dict[str, dict[date, list[Row]]] = {"users": {}, "orders": {}}

    def write(self, table: str, day: date, rows: list[Row]) -> None:
        """Writes a partition."""
        self.lake[table][day] = rows
        self._writer.write_load(table, day, rows)
        self.upload(self._writer.lake / table / f"date={day}" / "part_0.parquet", table, day)

    def upload(self, file: Path, table: str, day: date) -> None:
        """Puts a file into a partition."""
        self._client.upload_file(str(file), BUCKET, f"lake/{table}/date={day}/{file.name}")

    def load(self, *options: str) -> Result:
        """Runs the command."""
        with working_folder(ROOT):
            return CliRunner(env=self.warehouse.environment()).invoke(app, ["load", "--lake", self.uri, *options])

    def raw(self) -> tuple[list[Any], list[Any]]:
        """What the raw tables hold, and the table of loads without its times."""
        rows = self.warehouse.query("select id, amount, date from raw.orders order by id, date")
        rows += self.warehouse.query("select id, email, date from raw.users order by id, date")
        return rows, self.warehouse.query("select table_name, date, bytes, checksum from raw.loads order by 1, 2")


@pytest.fixture
def shop(warehouse: RedshiftProject, s3: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Shop]:
    """An empty lake in a bucket of its own."""
    monkeypatch.setenv("S3_ENDPOINT", s3)
    monkeypatch.setenv("AWS_DEFAULT_REGION", "us-east-1")
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        monkeypatch.setenv(name, "any")
    client = boto3.client("s3", endpoint_url=s3)
    client.create_bucket(Bucket=BUCKET)
    warehouse.server.s3_endpoint = s3
    yield Shop(warehouse, client, tmp_path / "writer")
    warehouse.server.s3_endpoint = None
    for entry in client.list_objects_v2(Bucket=BUCKET).get("Contents", []):
        client.delete_object(Bucket=BUCKET, Key=entry["Key"])
    client.delete_bucket(Bucket=BUCKET)


def an_order(id: int, day: int, amount: str = "10.00", placed: int | None = None) -> Row:
    moment = at(DAY[day if placed is None else placed])
    return order(id, 1, amount, "completed", moment, at(DAY[day]), loaded(DAY[day]))


@pytest.fixture
def three_days(shop: Shop) -> Shop:
    """Three days that are loaded."""
    for day in range(3):
        shop.write("users", DAY[day], [user(1, "1@x.org", at(DAY[0]), at(DAY[0]), loaded(DAY[0]))] if not day else [])
        shop.write("orders", DAY[day], [an_order(day, day)])
    result = shop.load("--changed")
    assert result.exit_code == 0, result.output
    return shop


def test_what_has_changed_arrives_in_order_of_dates_and_once(three_days: Shop) -> None:
    rows, loads = three_days.raw()
    assert rows == [(id, Decimal("10.00"), DAY[id]) for id in range(3)] + [(1, "1@x.org", DAY[0])]
    assert [(table, day) for table, day, *_ in loads] == [(t, day) for t in ("orders", "users") for day in DAY[:3]]
    again = three_days.load("--changed")
    assert again.output.strip() == "Every load of the lake is there already."
    three_days.write("orders", DAY[4], [])
    three_days.write("orders", DAY[0], [an_order(0, 0, "11.00"), an_order(7, 0)])
    assert three_days.load("--changed").output.split("\n")[:2] == [
        "orders 2024-01-01: 2 rows",
        "orders 2024-01-05: 0 rows",
    ]
    assert three_days.raw()[0][:2] == [(0, Decimal("11.00"), DAY[0]), (1, Decimal("10.00"), DAY[1])]
    assert three_days.warehouse.query(f"select bytes > 0 from raw.loads where date = '{DAY[4]}'") == [(True,)]


def test_one_load_is_taken_in_once_unless_it_is_forced(three_days: Shop) -> None:
    before = three_days.raw()
    one = ("--table", "orders", "--date", str(DAY[1]))
    three_days.warehouse.server.statements.clear()
    assert three_days.load(*one).output.strip() == "orders 2024-01-02: is there already"
    assert not [statement for statement in three_days.warehouse.server.statements if "copy" in statement.sql]
    assert three_days.load(*one, "--force").output.strip() == "orders 2024-01-02: 1 rows"
    assert three_days.raw() == before


def test_dbt_reads_what_was_loaded_however_old(three_days: Shop) -> None:
    def build() -> None:
        three_days.warehouse.run("build", "--exclude-resource-type", "test", "unit_test", "snapshot")
        newest = max(max(loads) for loads in three_days.lake.values())
        expected = expected_metrics(three_days.lake["users"], three_days.lake["orders"], STATUSES, newest)
        assert list(map(tuple, three_days.warehouse.metrics())) == expected

    build()
    three_days.write("orders", DAY[0], [an_order(0, 0, "99.00"), an_order(8, 0)])
    three_days.write("orders", DAY[5], [])
    assert three_days.load("--changed").exit_code == 0
    build()


STATEMENTS = ["lock table", "create temporary table loaded", "copy loaded", "select count", "delete from raw.orders",
              "insert into raw.orders", "delete from raw.loads", "insert into raw.loads", "^COMMIT"]  # fmt: skip


@pytest.mark.parametrize("statement", STATEMENTS)
def test_a_connection_that_is_cut_leaves_what_was_there(three_days: Shop, statement: str) -> None:
    before = three_days.raw()
    three_days.write("orders", DAY[1], [an_order(1, 1, "5.00")])
    three_days.warehouse.server.cut(statement)
    assert "Redshift did not take the load of orders for 2024-01-02: " in three_days.load("--changed").output
    assert three_days.raw() == before
    assert three_days.load("--changed").output.strip() == "orders 2024-01-02: 1 rows"


def test_of_two_loaders_at_once_the_second_waits_and_takes_what_is_there_then(three_days: Shop) -> None:
    three_days.write("orders", DAY[1], [an_order(1, 1, "5.00")])
    one = ("--table", "orders", "--date", str(DAY[1]))
    command = [str(Path(sys.executable).with_name("user-metrics")), "load", "--lake", three_days.uri, *one]
    environment = {**os.environ, **three_days.warehouse.environment()}
    others: list[subprocess.Popen[str]] = []

    def another_comes() -> None:
        others.append(subprocess.Popen(command, cwd=ROOT, env=environment, stdout=subprocess.PIPE, text=True))
        deadline = time.monotonic() + 30
        while "lock table raw.loads_lock" not in [s.sql for s in three_days.warehouse.server.statements][-1]:
            assert time.monotonic() < deadline, "the second loader never came"
            time.sleep(0.05)
        three_days.write("orders", DAY[1], [an_order(1, 1, "6.00")])

    three_days.warehouse.server.before("delete from raw.orders", another_comes)
    assert three_days.load(*one).output.strip() == "orders 2024-01-02: 1 rows"
    assert others[0].communicate(timeout=60)[0].strip() == "orders 2024-01-02: 1 rows"
    assert three_days.raw()[0][1] == (1, Decimal("6.00"), DAY[1])
    assert three_days.load("--changed").output.strip() == "Every load of the lake is there already."


def test_files_that_change_meanwhile_are_noticed(three_days: Shop) -> None:
    before = three_days.raw()
    three_days.write("orders", DAY[1], [an_order(1, 1, "5.00")])
    now = [an_order(1, 1, "6.00"), an_order(9, 1)]
    three_days.warehouse.server.before("copy loaded", lambda: three_days.write("orders", DAY[1], now))
    result = three_days.load("--changed")
    assert "COPY took 2 rows of the load of orders for 2024-01-02, whose files had 1 just before" in result.output
    assert three_days.raw() == before
    assert three_days.load("--changed").output.strip() == "orders 2024-01-02: 2 rows"


def test_what_cannot_be_loaded_is_a_sentence_and_changes_nothing(three_days: Shop, tmp_path: Path) -> None:
    before = three_days.raw()
    assert (
        "which has no load of users for 2024-03-01."
        in three_days.load("--table", "users", "--date", "2024-03-01").output
    )
    assert "Say which load, by --table and --date, or --changed" in three_days.load().output
    file = tmp_path / "part_1.parquet"
    with duckdb.connect() as connection:
        connection.execute(f"copy (select 1 as id, 2.5 as amount) to '{file}' (format parquet)")
    three_days.upload(file, "orders", DAY[1])
    said = three_days.load("--changed").output
    wrong = f"{three_days.uri}/orders/date=2024-01-02/part_1.parquet"
    assert f"The file {wrong} has the columns id INTEGER, amount DECIMAL(2,1)" in said
    assert three_days.raw() == before
    three_days.uri = "s3://nobodys/lake"
    assert "LAKE_URI is 's3://nobodys/lake', which S3 refuses: " in three_days.load("--changed").output
    three_days.uri = "data/lake"
    assert "LAKE_URI is 'data/lake', but Redshift loads from S3 alone" in three_days.load("--changed").output


def test_raw_tables_that_are_missing_are_named(shop: Shop) -> None:
    shop.write("orders", DAY[0], [])
    shop.warehouse.execute("drop table raw.orders")
    said = shop.load("--table", "orders", "--date", str(DAY[0])).output
    assert "make the raw tables with 'dbt run-operation create_raw_tables --target prod'" in said
