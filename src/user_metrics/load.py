"""Takes loads of a lake on S3 into the raw tables of Redshift: each is there as a whole, or as it was before."""

from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager, suppress
from datetime import date

import redshift_connector

from user_metrics.lake import COLUMNS, LakeError, declaration
from user_metrics.s3_lake import Load, S3Lake, in_order
from user_metrics.sql import literal

COPY_TYPES = {"bigint": "BIGINT", "varchar": "VARCHAR", "timestamp": "TIMESTAMP", "decimal(18, 2)": "DECIMAL(18,2)"}
"""The one type of parquet, by DuckDB's name, that COPY takes for a declared one."""


class LoadError(Exception):
    """A load could not be taken in, and nothing was changed; the message is a sentence."""


def load(
    session: redshift_connector.Connection, schema: str, lake: S3Lake, table: str, day: date, force: bool = False
) -> int | None:
    """Takes in one load, in one transaction, and returns its rows; none when it is there already, as it is now.

    Raises LoadError or LakeError. What was loaded before stays then, with its row in the table of loads.
    """
    with _transaction(session, f"the load of {table} for {day}") as cursor:
        # A second loader waits here. Only afterwards it looks at what is there, and at what the lake has now.
        cursor.execute(f"lock table {schema}.loads_lock")
        wanted = lake.load(table, day)
        if not force and loaded(cursor, schema, f"table_name = '{table}' and date = '{day}'") == {
            (table, day): wanted.checksum
        }:
            return None
        rows = copy(cursor, lake, wanted)
        for statement in replacing(schema, wanted, rows):
            cursor.execute(statement)
        session.commit()
    return rows


def copy(cursor: redshift_connector.Cursor, lake: S3Lake, wanted: Load) -> int:
    """Copies a load into the temporary table `loaded` and returns its rows."""
    order = ", ".join(order_of_columns(lake, wanted))
    rows, manifest, sign_in = lake.rows(wanted), lake.write_manifest(wanted), lake.credentials()
    cursor.execute(f"create temporary table loaded ({declaration(wanted.table)})")
    cursor.execute(f"copy loaded ({order}) from {literal(manifest)} {sign_in} format as parquet manifest")
    cursor.execute("select count(*) from loaded")
    copied = cursor.fetchall()[0][0]
    if copied != rows:
        raise LoadError(
            f"COPY took {copied} rows of the load of {wanted.table} for {wanted.date}, whose files had {rows} just"
            " before: it is being written. Nothing was changed; run it again."
        )
    return rows


def replacing(schema: str, wanted: Load, rows: int) -> Iterator[str]:
    """The statements that put the copied rows in place of those that a load had, and say so in the table of loads."""
    columns = ", ".join(COLUMNS[wanted.table])
    day = f"date = '{wanted.date}'"
    yield f"delete from {schema}.{wanted.table} where {day}"
    yield f"insert into {schema}.{wanted.table} ({columns}, date) select {columns}, '{wanted.date}' from loaded"
    yield f"delete from {schema}.loads where table_name = '{wanted.table}' and {day}"
    yield (
        f"insert into {schema}.loads (table_name, date, row_count, bytes, checksum, loaded_at)"
        f" select '{wanted.table}', '{wanted.date}', {rows}, {wanted.bytes}, '{wanted.checksum}', getdate()"
    )
    # Another load may follow in this session.
    yield "drop table loaded"


def loaded(cursor: redshift_connector.Cursor, schema: str, condition: str = "1 = 1") -> dict[tuple[str, date], str]:
    """The checksums of the loads that are there, by table and date."""
    cursor.execute(f"select table_name, date, checksum from {schema}.loads where {condition}")
    return {(table, day): checksum for table, day, checksum in cursor.fetchall()}


def difference(
    session: redshift_connector.Connection, schema: str, lake: S3Lake, tables: Sequence[str]
) -> tuple[list[tuple[str, date]], list[tuple[str, date]]]:
    """Two lists of loads: those that are new in the lake or others by now, and those that it no longer has."""
    with _transaction(session, "the question for what is loaded") as cursor:
        there = loaded(cursor, schema)
    delivered = lake.loads(tables)
    changed = [key for key, wanted in delivered.items() if there.get(key) != wanted.checksum]
    return in_order(changed), in_order(key for key in there if key not in delivered and key[0] in tables)


def order_of_columns(lake: S3Lake, wanted: Load) -> list[str]:
    """The order in which the files have their columns: COPY takes them by their place.

    Raises LakeError unless every file has just these columns, in one order, with the types that COPY takes.
    """
    expected = {name: COPY_TYPES[type] for name, type in COLUMNS[wanted.table].items()}
    found: dict[str, list[tuple[str, str]]] = {file["url"]: [] for file in wanted.files}
    for url, name, type in lake.columns(wanted):
        found[url].append((name.lower(), type))
    order = [name for name, _ in found[wanted.files[0]["url"]]]
    for url, actual in found.items():
        if sorted(actual) != sorted(expected.items()) or [name for name, _ in actual] != order:
            raise LakeError(
                f"The file {url} has the columns {_listed(actual)}; COPY takes {_listed(expected.items())}, in the same"
                " order in all files of a load."
            )
    return order


def _listed(columns: Iterable[tuple[str, str]]) -> str:
    return ", ".join(f"{name} {type}" for name, type in columns)


@contextmanager
def _transaction(session: redshift_connector.Connection, what: str) -> Iterator[redshift_connector.Cursor]:
    """A transaction, which is rolled back unless the block commits; an error of Redshift becomes a sentence."""
    try:
        yield session.cursor()
    except (redshift_connector.Error, OSError) as error:
        raise LoadError(_sentence(error, what)) from error
    finally:
        with suppress(redshift_connector.Error, OSError):
            session.rollback()


def _sentence(error: Exception, what: str) -> str:
    """What Redshift said, and what to do where that is known."""
    said = error.args[0] if error.args else error
    code, message = (said.get("C"), str(said.get("M"))) if isinstance(said, dict) else (None, str(said))
    advice = ""
    if code in ("42P01", "3F000"):
        advice = "Make the raw tables by --create, or correct REDSHIFT_RAW_SCHEMA."
    if code == "42501":
        advice = "Grant the user of the loader what docs/redshift.md lists."
    if "access denied" in message.lower() or "forbidden" in message.lower():
        advice = "Let REDSHIFT_COPY_ROLE, or the AWS credentials, read the lake and its _manifests."
    return f"Redshift did not take {what}: {message}. Nothing was changed. {advice}".rstrip()
