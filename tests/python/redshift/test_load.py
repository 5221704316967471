"""`user-metrics load`: loads of a lake on S3 arrive in raw as a whole, or are as they were before."""

from __future__ import annotations

import json
import math
import os
import re
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from datetime import date
from decimal import Decimal
from pathlib import Path
from typing import Any
from urllib.request import Request, urlopen

import boto3
import duckdb
import pytest
from support.days import DAY, at, loaded
from support.expectation import expected_metrics
from support.histories import STATUSES
from support.project import ROOT, order, user, working_folder
from support.redshift.project import RedshiftProject
from support.s3 import BUCKET
from typer.testing import CliRunner, Result

from user_metrics.cli import app
from user_metrics.lake import Row

pytestmark = pytest.mark.redshift


class Shop:
    """A lake on S3, written as a folder, and the warehouse that it is loaded into."""

    def __init__(self, warehouse: RedshiftProject) -> None:
        self.warehouse = warehouse
        self.uri = warehouse.on_s3.uri
        self.lake: dict[str, dict[date, list[Row]]] = {"users": {}, "orders": {}}

    def write(self, table: str, day: date, rows: list[Row]) -> None:
        """Writes a partition."""
        self.lake[table][day] = rows
        self.warehouse.deliver(table, day, rows)

    def load(self, *options: str, **environment: str) -> Result:
        """Runs the command."""
        with working_folder(ROOT):
            runner = CliRunner(env={**self.warehouse.environment(), **environment})
            return runner.invoke(app, ["load", "--lake", self.uri, *options])

    def raw(self) -> tuple[list[Any], list[Any]]:
        """What the raw tables hold, and the table of loads without its times."""
        rows = self.warehouse.query("select id, amount, date from raw.orders order by id, date")
        rows += self.warehouse.query("select id, email, date from raw.users order by id, date")
        loads = "select table_name, date, row_count, bytes, checksum from raw.loads order by 1, 2"
        return rows, self.warehouse.query(loads)


@pytest.fixture
def shop(warehouse: RedshiftProject) -> Shop:
    """An empty lake."""
    return Shop(warehouse)


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


def test_what_cannot_be_loaded_is_a_sentence_and_changes_nothing(three_days: Shop) -> None:
    before = three_days.raw()
    assert (
        "which has no load of users for 2024-03-01."
        in three_days.load("--table", "users", "--date", "2024-03-01").output
    )
    assert "Say which loads: by --date, or by --from and --to" in three_days.load().output
    file = three_days.warehouse.lake / "orders" / f"date={DAY[1]}" / "part_1.parquet"
    with duckdb.connect() as connection:
        connection.execute(f"copy (select 1 as id, 2.5 as amount) to '{file}' (format parquet)")
    three_days.warehouse.on_s3.update()
    said = three_days.load("--changed").output
    wrong = f"{three_days.uri}/orders/date=2024-01-02/part_1.parquet"
    assert f"The file {wrong} has the columns id INTEGER, amount DECIMAL(2,1)" in said
    assert three_days.raw() == before
    three_days.uri = "s3://nobodys/lake"
    assert "LAKE_URI is 's3://nobodys/lake', which S3 refuses: " in three_days.load("--changed").output
    three_days.uri = "data/lake"
    assert "LAKE_URI is 'data/lake', but Redshift loads from S3 alone" in three_days.load("--changed").output


def test_a_range_of_dates_is_loaded_from_what_there_is(three_days: Shop) -> None:
    for day in (4, 6):
        three_days.write("orders", DAY[day], [an_order(day, day)])
    three_days.write("users", DAY[5], [])
    days = ("--from", str(DAY[2]), "--to", str(DAY[5]))
    assert three_days.load(*days, "--table", "orders").output.split("\n")[:2] == [
        "orders 2024-01-03: is there already",
        "orders 2024-01-05: 1 rows",
    ]
    assert three_days.load(*days).output.split("\n")[-2] == "users 2024-01-06: 0 rows"
    assert "has no load of users or orders from 2024-02-01 to 2024-03-01." in (
        three_days.load("--from", "2024-02-01", "--to", "2024-03-01").output
    )
    wrong: list[tuple[str, ...]] = [
        ("--from", "2024-02-01"), ("--table", "users"), ("--table", "returns", "--date", "2024-01-01"),
        ("--changed", *days), ("--date", "2024-01-01", *days), (),
    ]  # fmt: skip
    for options in wrong:
        assert "Say which loads: by --date, or by --from and --to" in three_days.load(*options).output, options


def test_a_load_that_has_left_the_lake_stays_and_is_told(three_days: Shop) -> None:
    before = three_days.raw()
    for table in ("users", "orders"):
        (three_days.warehouse.lake / table / f"date={DAY[0]}" / "part_0.parquet").unlink()
    three_days.warehouse.on_s3.update()
    assert three_days.load("--changed").output.split("\n")[1] == (
        "Loads that stay though the lake no longer has them: 2, up to 2024-01-01."
    )
    assert three_days.raw() == before


@pytest.fixture
def permission(shop: Shop) -> Iterator[Callable[..., dict[str, str]]]:
    """Makes a user of AWS who may do some things, and returns what signs in as it; others may do nothing then."""
    s3 = shop.warehouse.server.s3
    iam = boto3.client("iam", **{**s3.keys, "endpoint_url": s3.endpoint})

    def enforce(after: float) -> None:
        body, kind = str(after).encode(), {"Content-Type": "text/plain"}
        urlopen(Request(f"{s3.endpoint}/moto-api/reset-auth", body, kind), timeout=10).close()

    def user_who_may(*statements: dict[str, Any]) -> dict[str, str]:
        iam.create_user(UserName="loader")
        policy = json.dumps({"Version": "2012-10-17", "Statement": statements})
        iam.put_user_policy(UserName="loader", PolicyName="lake", PolicyDocument=policy)
        key = iam.create_access_key(UserName="loader")["AccessKey"]
        enforce(0)
        return {"AWS_ACCESS_KEY_ID": key["AccessKeyId"], "AWS_SECRET_ACCESS_KEY": key["SecretAccessKey"]}

    yield user_who_may
    enforce(math.inf)
    for key in iam.list_access_keys(UserName="loader")["AccessKeyMetadata"]:
        iam.delete_access_key(UserName="loader", AccessKeyId=key["AccessKeyId"])
    iam.delete_user_policy(UserName="loader", PolicyName="lake")
    iam.delete_user(UserName="loader")


def policy_of_the_page(uri: str) -> list[dict[str, Any]]:
    """The statements that docs/redshift.md grants the loader, for this lake."""
    (policy,) = re.findall(r"```json\n(.*?)```", (ROOT / "docs" / "redshift.md").read_text(), re.DOTALL)
    return list(
        json.loads(policy.replace("bucket/prefix", uri.removeprefix("s3://")).replace("bucket", BUCKET))["Statement"]
    )


def test_what_the_page_grants_is_enough(shop: Shop, permission: Callable[..., dict[str, str]]) -> None:
    shop.write("orders", DAY[0], [an_order(0, 0)])
    keys = permission(*policy_of_the_page(shop.uri))
    assert shop.load("--changed", **keys).output.strip() == "orders 2024-01-01: 1 rows"


@pytest.mark.parametrize(("number", "action"), [(0, "ListObjectsV2"), (1, "HTTP 403"), (2, "PutObject")])
def test_without_one_of_them_s3_refuses_and_nothing_changes(
    number: int, action: str, shop: Shop, permission: Callable[..., dict[str, str]]
) -> None:
    shop.write("orders", DAY[0], [an_order(0, 0)])
    granted = policy_of_the_page(shop.uri)
    del granted[number]
    said = shop.load("--changed", **permission(*granted)).output
    assert f"LAKE_URI is '{shop.uri}', which S3 refuses: " in said
    assert action in said
    assert shop.raw() == ([], [])


def test_a_role_that_may_not_read_the_lake_is_told(shop: Shop, permission: Callable[..., dict[str, str]]) -> None:
    shop.write("orders", DAY[0], [an_order(0, 0)])
    keys = permission(*policy_of_the_page(shop.uri))
    said = shop.load("--changed", **keys, REDSHIFT_COPY_ROLE="arn:aws:iam::123456789012:role/other").output
    assert "S3ServiceException:Access Denied" in said
    assert "Let REDSHIFT_COPY_ROLE, or the AWS credentials, read the lake and its _manifests." in said
    assert shop.raw() == ([], [])


def test_raw_tables_that_are_missing_are_named_and_made(shop: Shop) -> None:
    shop.write("orders", DAY[0], [an_order(0, 0)])
    shop.warehouse.execute("drop schema raw cascade")
    one = ("--table", "orders", "--date", str(DAY[0]))
    said = shop.load(*one).output
    assert 'schema "raw" does not exist. Nothing was changed. Make the raw tables by --create' in said
    shop.warehouse.server.statements.clear()
    assert shop.load(*one, "--create").output.strip() == "orders 2024-01-01: 1 rows"
    made = [found.sql for found in shop.warehouse.server.statements if "create table" in found.sql]
    assert any("distkey (id) sortkey (date)" in sql and "amount decimal(18, 2)" in sql for sql in made)
    assert shop.load("--changed", "--create").output.strip() == "Every load of the lake is there already."
    shop.warehouse.execute("drop table raw.orders")
    said = shop.load(*one, "--force").output
    assert 'relation "raw.orders" does not exist. Nothing was changed. Make the raw tables by --create' in said


def test_a_user_of_the_database_who_may_not_write_is_told(three_days: Shop) -> None:
    before = three_days.raw()
    three_days.write("orders", DAY[1], [an_order(1, 1, "5.00")])
    three_days.warehouse.execute("grant usage on schema raw to reporting; grant select on raw.loads to reporting")
    said = three_days.load("--changed", REDSHIFT_USER="reporting").output
    assert "permission denied for table loads_lock. Nothing was changed. Grant the user of the loader" in said
    assert three_days.raw() == before


def test_a_warehouse_that_cannot_be_reached_is_named(shop: Shop) -> None:
    said = shop.load("--changed", REDSHIFT_PORT="1").output
    assert "REDSHIFT_HOST is '127.0.0.1', which cannot be signed in to: " in said
    assert "Traceback" not in said
    assert "Env var required but not provided: 'REDSHIFT_DATABASE (it is empty)'" in (
        shop.load("--changed", REDSHIFT_DATABASE="").output
    )
