"""The stand-in itself: what it refuses, what it copies, the faults that it plays, and that nothing waits for ever."""

from __future__ import annotations

import contextlib
import json
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import duckdb
import pytest
import redshift_connector
from support.project import ROOT
from support.redshift.standin import RedshiftStandIn
from support.s3 import BUCKET, S3

pytestmark = pytest.mark.redshift

Cursor = redshift_connector.core.Cursor

TABLE = "id bigint, amount decimal(18, 2), name varchar(32), at timestamp"
GOOD = "1::bigint as id, 2::decimal(18, 2) as amount, 'x' as name, timestamp '2024-01-01' as at"


@pytest.fixture
def connection(redshift: RedshiftStandIn) -> Iterator[redshift_connector.core.Connection]:
    """A session that sees a table `target` without rows."""
    redshift.faults.clear()
    redshift.sql(f"drop table if exists target; create table target ({TABLE})")
    with contextlib.closing(connect(redshift)) as connection:
        yield connection
    redshift.faults.clear()
    redshift.sql("drop table target")


@pytest.fixture
def cursor(connection: redshift_connector.core.Connection) -> Cursor:
    return connection.cursor()


def connect(server: RedshiftStandIn) -> redshift_connector.core.Connection:
    return redshift_connector.connect(
        host=server.host, port=server.port, user=server.user, password="", database=server.database, ssl=False
    )


def write(path: Path, columns: str = GOOD) -> Path:
    """A parquet file of one row."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with duckdb.connect() as database:
        database.execute(f"copy (select {columns}) to '{path}' (format parquet)")
    return path


def test_it_says_that_it_is_redshift_and_keeps_the_session(cursor: Cursor, redshift: RedshiftStandIn) -> None:
    cursor.execute("set query_group to 'nightly'")
    cursor.execute("select current_setting('redshift.query_group'), getdate() < dateadd(day, 1, getdate())")
    assert cursor.fetchall() == (["nightly", True],)
    assert redshift.statements[-1].sql.startswith("select current_setting")


def test_what_redshift_refuses_is_refused_and_ends_the_transaction(cursor: Cursor) -> None:
    with pytest.raises(redshift_connector.ProgrammingError, match=r"Redshift refuses this: aggregate with filter"):
        cursor.execute("select count(*) filter (where id > 1) from target")
    with pytest.raises(redshift_connector.ProgrammingError, match="current transaction is aborted"):
        cursor.execute("select 1")


def test_keys_are_taken_and_not_enforced(cursor: Cursor) -> None:
    cursor.execute("create temp table keyed (id bigint not null, primary key (id)) distkey (id) compound sortkey (id)")
    cursor.execute("insert into keyed select 1 union all select 1")
    cursor.execute("select count(*) from keyed")
    assert cursor.fetchall() == ([2],)
    with pytest.raises(redshift_connector.ProgrammingError, match="not-null"):
        cursor.execute("insert into keyed select null")


def test_a_late_binding_view_outlives_its_table(redshift: RedshiftStandIn, cursor: Cursor) -> None:
    cursor.execute("drop view if exists seen")
    cursor.execute("create view seen as (select id, name from target) with no schema binding")
    cursor.execute("alter table target rename to old_target")
    cursor.execute(f"create table target ({TABLE})")
    cursor.execute("insert into target (id, name) values (7, 'new')")
    cursor.execute("drop table old_target cascade")
    cursor.execute("select * from seen")
    assert cursor.fetchall() == ([7, "new"],)
    cursor.execute("rollback")


def test_copy_loads_by_position_and_can_be_rolled_back(cursor: Cursor, tmp_path: Path) -> None:
    file = write(tmp_path / "date=2024-01-01" / "part_0.parquet")
    cursor.execute(f"copy target from '{file}' iam_role default format as parquet")
    two_columns = write(tmp_path / "two.parquet", "5::bigint as b, null::timestamp as a")
    cursor.execute(f"copy target (id, at) from '{two_columns}' format parquet")
    cursor.execute("select id, amount, name from target order by id")
    assert [list(map(str, row)) for row in cursor.fetchall()] == [["1", "2.00", "x"], ["5", "None", "None"]]
    cursor.execute("rollback")
    cursor.execute("select count(*) from target")
    assert cursor.fetchall() == ([0],)


@pytest.mark.parametrize(
    ("columns", "message"),
    [
        (GOOD.replace("1::bigint", "1::integer"), "column id: declared bigint, in the file integer"),
        (GOOD.replace("1::bigint", "1::ubigint"), "column id: declared bigint, in the file UBIGINT, which COPY"),
        (GOOD.replace("1::bigint", "1::hugeint"), "column id: declared bigint, in the file double precision"),
        (GOOD.replace("(18, 2)", "(10, 2)"), r"column amount: declared numeric\(18,2\), in the file numeric\(10,2\)"),
        (GOOD.replace("(18, 2)", "(18, 4)"), r"column amount: declared numeric\(18,2\), in the file numeric\(18,4\)"),
        (GOOD.replace("'x'", "1::bigint"), r"column name: declared character varying\(32\), in the file bigint"),
        (GOOD.replace("timestamp '", "timestamptz '"), "column at: .* without time zone, in the file TIMESTAMP WITH"),
        (GOOD.replace("timestamp '", "timestamp_ns '"), "column at: .* without time zone, in the file TIMESTAMP_NS"),
        (GOOD + ", 1 as more", "has 5 columns, but 4 are to be loaded"),
        (GOOD.split(", timestamp")[0], "has 3 columns, but 4 are to be loaded"),
        (
            "2::decimal(18, 2), 1::bigint, 'x', timestamp '2024-01-01'",
            "column id: declared bigint, in the file numeric",
        ),
    ],
)
def test_copy_refuses_what_redshift_refuses(columns: str, message: str, cursor: Cursor, tmp_path: Path) -> None:
    file = write(tmp_path / "wrong.parquet", columns)
    with pytest.raises(redshift_connector.ProgrammingError, match=message):
        cursor.execute(f"copy target from '{file}' iam_role default format as parquet")
    cursor.execute("rollback")
    cursor.execute("select count(*) from target")
    assert cursor.fetchall() == ([0],)


def test_copy_of_a_manifest_takes_its_files_and_misses_none(cursor: Cursor, s3: S3, tmp_path: Path) -> None:
    folder = f"standin/{tmp_path.name}"
    for number in range(3):
        s3.client().upload_file(str(write(tmp_path / f"{number}.parquet")), BUCKET, f"{folder}/{number}.parquet")
    urls = [f"s3://{BUCKET}/{folder}/{number}.parquet" for number in range(3)]

    def say(urls: list[str], meta: dict[str, int]) -> None:
        manifest = {"entries": [{"url": url, "mandatory": True, "meta": meta} for url in urls]}
        s3.client().put_object(Bucket=BUCKET, Key=f"{folder}/manifest", Body=json.dumps(manifest))

    copy = f"copy target from 's3://{BUCKET}/{folder}/manifest' iam_role default format as parquet manifest"
    say(urls[:2], {"content_length": 1})
    cursor.execute(copy)
    cursor.execute("select count(*) from target")
    assert cursor.fetchall() == ([2],)
    for missing, meta, message in (
        ([*urls, urls[0] + "x"], {"content_length": 1}, "The specified key does not exist: .*0.parquetx"),
        (urls, {}, "has no content_length"),
    ):
        say(missing, meta)
        with pytest.raises(redshift_connector.ProgrammingError, match=message):
            cursor.execute(copy)
        cursor.execute("rollback")
    with pytest.raises(redshift_connector.ProgrammingError, match="The specified key does not exist"):
        cursor.execute(f"copy target from 's3://{BUCKET}/nothing' iam_role default format as parquet")


def test_a_file_that_is_no_parquet_is_an_error(cursor: Cursor, tmp_path: Path) -> None:
    file = tmp_path / "text.parquet"
    file.write_text("no parquet")
    with pytest.raises(redshift_connector.ProgrammingError, match="COPY: "):
        cursor.execute(f"copy target from '{file}' format parquet")
    with pytest.raises(redshift_connector.ProgrammingError, match="current transaction is aborted"):
        cursor.execute("select 1")


def test_a_cut_ends_the_session_and_its_transaction(redshift: RedshiftStandIn, cursor: Cursor) -> None:
    cursor.execute("insert into target (id) values (1)")
    redshift.cut(r"insert into target .* values \(3\)")
    cursor.execute("insert into target (id) values (2)")
    with pytest.raises((OSError, redshift_connector.Error)):
        cursor.execute("insert into target (id) values (3)")
    assert redshift.sql("select count(*) from target") == [(0,)]


def test_something_is_done_before_the_nth_statement(redshift: RedshiftStandIn, cursor: Cursor) -> None:
    seen = []
    redshift.before("^select 'now'", lambda: seen.append(redshift.sql("select count(*) from target")[0][0]), nth=2)
    for number in (1, 2, 3):
        cursor.execute("select 'now'")
        cursor.execute(f"insert into target (id) values ({number})")
        cursor.execute("commit")
    assert seen == [1]


def test_a_restart_keeps_what_was_committed_and_nothing_else(redshift: RedshiftStandIn, cursor: Cursor) -> None:
    cursor.execute("insert into target (id) values (1)")
    cursor.execute("commit")
    cursor.execute("insert into target (id) values (2)")
    redshift.restart()
    with pytest.raises((OSError, redshift_connector.Error)):
        cursor.execute("commit")
    assert redshift.sql("select id from target") == [(1,)]


def test_a_saved_database_comes_back(redshift: RedshiftStandIn) -> None:
    redshift.sql("drop table if exists kept; create table kept as select 1 as id")
    redshift.save("saved")
    redshift.sql("drop table kept")
    redshift.bring_back("saved")
    assert redshift.sql("select id from kept") == [(1,)]
    redshift.sql("drop table kept")
    redshift.forget("saved")


def test_a_statement_does_not_run_for_ever(cursor: Cursor) -> None:
    cursor.execute("set statement_timeout to 300")
    with pytest.raises(redshift_connector.ProgrammingError, match="statement timeout"):
        cursor.execute("select pg_sleep(30)")


def test_a_lock_is_not_waited_for_for_ever(redshift: RedshiftStandIn, cursor: Cursor) -> None:
    cursor.execute("select count(*) from target")
    with contextlib.closing(connect(redshift)) as other:
        waiting = other.cursor()
        waiting.execute("set lock_timeout to 300")
        with pytest.raises(redshift_connector.ProgrammingError, match="lock timeout"):
            waiting.execute("alter table target rename to away")


def test_a_transaction_is_not_left_idle_for_ever(redshift: RedshiftStandIn, cursor: Cursor) -> None:
    cursor.execute("set idle_in_transaction_session_timeout to 300")
    cursor.execute("select count(*) from target")
    assert redshift.sessions() == []
    with pytest.raises(redshift_connector.Error, match="server socket closed"):
        cursor.execute("select 1")


def test_its_time_outs_hold_for_every_session(redshift: RedshiftStandIn) -> None:
    names = ("lock_timeout", "statement_timeout", "idle_in_transaction_session_timeout")
    assert [redshift.sql(f"show {name}")[0][0] for name in names] == ["20s", "2min", "1min"]


def test_its_own_errors_are_raised_at_the_end(server_folder: Path, s3: S3) -> None:
    def broken(_: str) -> list[str]:
        raise LookupError("a bug in the stand-in")

    with (
        pytest.raises(ExceptionGroup, match="the stand-in itself failed") as raised,
        RedshiftStandIn(server_folder, s3, broken) as server,
        pytest.raises((OSError, redshift_connector.Error)),
    ):
        connect(server).cursor().execute("select 1")
    assert isinstance(raised.value.exceptions[0], LookupError)


def test_postgres_ends_with_a_process_that_is_killed(server_folder: Path) -> None:
    """pytest-timeout ends a process in which a test hangs, and no `with` block gets to its end."""
    program = (
        "import os, signal, sys; from pathlib import Path\n"
        "from support.s3 import S3\n"
        "from support.redshift.standin import RedshiftStandIn\n"
        "with RedshiftStandIn(Path(sys.argv[1]), S3('')): os.kill(os.getpid(), signal.SIGKILL)"
    )
    died = subprocess.run(
        [sys.executable, "-c", program, server_folder],
        cwd=ROOT / "tests/python",
        timeout=60,
        check=False,
        stdin=subprocess.DEVNULL,
    )
    assert died.returncode == -signal.SIGKILL
    assert (server_folder / "postgres" / "PG_VERSION").exists(), "PostgreSQL never ran"
    deadline = time.monotonic() + 30
    while (server_folder / "postgres" / "postmaster.pid").exists():
        assert time.monotonic() < deadline, "PostgreSQL still runs"
        time.sleep(0.05)
