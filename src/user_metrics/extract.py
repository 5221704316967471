"""Extracts a table of the application's PostgreSQL into a partition of the lake, whole or not at all."""

import os
import re
import tempfile
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from pathlib import Path

import duckdb
import structlog
from rich.progress import Progress
from tenacity import RetryCallState, Retrying, retry_if_exception_type, stop_after_attempt, wait_exponential_jitter

from user_metrics.duckdb_extensions import load_extension
from user_metrics.lake import COLUMNS, Lake, partition_of, write_file
from user_metrics.source import Source, SourceTable
from user_metrics.sql import literal, quoted
from user_metrics.watch import growing

CLOCKS_MAY_DIFFER = timedelta(minutes=1)

TRANSIENT = re.compile(
    r"connection refused|could not (connect|receive|translate host name)|server closed the connection|timeout expired"
    r"|no route to host|network is unreachable|connection reset|broken pipe|starting up|shutting down|too many clients"
    r"|terminating connection|SSL SYSCALL|no connection to the server",
    re.IGNORECASE,
)
"""What PostgreSQL and its library say of trouble that passes."""


class ExtractionError(Exception):
    """Nothing was written; the message is a sentence that says why."""


class PassingError(ExtractionError):
    """The server cannot be reached now; it may be in a moment."""


@dataclass(frozen=True)
class Extraction:
    """What was written."""

    table: str
    date: date
    rows: int
    bytes: int
    newest_updated_at: datetime | None
    """The newest change that it has (UTC), none without rows."""
    file: str


def extract(source: Source, lake: Lake, table: str, day: date, whole: bool, progress: Progress) -> Extraction:
    """Writes the load of a table and date: what changed on that day and shortly before it, or the whole table.

    progress: gets a bar while rows are read. Raises ExtractionError or LakeError; then what was there is there still.
    """
    loaded_at = datetime.now(UTC).replace(tzinfo=None)
    log = structlog.get_logger().bind(table=table, date=str(day))

    def tell(state: RetryCallState) -> None:
        pause, failed = state.upcoming_sleep, state.outcome.exception() if state.outcome else None
        log.warning("tries again", attempt=state.attempt_number, pause_seconds=round(pause, 1), reason=str(failed))

    attempts = Retrying(
        stop=stop_after_attempt(source.attempts), wait=wait_exponential_jitter(multiplier=0.5, max=30),
        retry=retry_if_exception_type(PassingError), before_sleep=tell, reraise=True,
    )  # fmt: skip
    log.debug("extracts", whole=whole)
    partition = partition_of(table, day)
    with lake.unfinished(partition) as file:
        attempts(read, source, table, day, whole, loaded_at, file, progress)
        (rows, newest), size = verify(file, table), file.stat().st_size
        found = Extraction(table, day, rows, size, newest, lake.publish(file, partition))
    log.info("extracted", rows=rows, bytes=size)
    return found


def read(
    source: Source, table: str, day: date, whole: bool, loaded_at: datetime, file: Path, progress: Progress
) -> None:
    """Writes the rows of a table into a file: of one snapshot of the source, and without holding them in memory."""
    settings = getattr(source, table)
    with tempfile.TemporaryDirectory() as spill, duckdb.connect(config={"temp_directory": spill}) as connection:
        attach(connection, source)
        refuse_clock_ahead(connection)
        connection.execute("set preserve_insertion_order = false")
        # It would go to standard output, which is for the result.
        connection.execute("set enable_progress_bar = false")
        rows = query(source, settings, table, day, whole)
        try:
            with growing(file, progress, f"{table} {day}"):
                connection.execute(write_file(f"({rows})", file), {"loaded_at": loaded_at})
        except duckdb.Error as error:
            raise told(error, source, settings, table) from None


def attach(connection: duckdb.DuckDBPyConnection, source: Source) -> None:
    """Has a session read the source, read-only and in one snapshot."""
    try:
        load_extension(connection, "postgres_scanner")
    except duckdb.Error as error:
        raise ExtractionError(str(error)) from None
    connection.execute("set timezone = 'UTC'")
    # Its settings of timeouts hold for some of its sessions only; these hold for all, where the address has no others.
    os.environ.setdefault("PGCONNECT_TIMEOUT", "10")
    options = os.environ.get("PGOPTIONS", "")
    if "statement_timeout" not in options:
        timeouts = f"-c statement_timeout={source.timeout_seconds}s -c idle_in_transaction_session_timeout=600s"
        os.environ["PGOPTIONS"] = f"{options} {timeouts}"
    dsn = source.postgres_dsn.get_secret_value()
    try:
        connection.execute(f"attach {literal(dsn)} as source (type postgres, read_only)")
    except duckdb.Error as error:
        # What DuckDB says has the address with the password in it.
        said = str(error).replace(dsn, "…").split('": ', 1)[-1].splitlines()[0]
        kind = PassingError if TRANSIENT.search(said) else ExtractionError
        raise kind(f"SOURCE_POSTGRES_DSN names a server that cannot be signed in to: {said}") from None


def refuse_clock_ahead(connection: duckdb.DuckDBPyConnection) -> None:
    """Raises ExtractionError where the source's clock is ahead: its changes would seem newer than their load."""
    asked = "select epoch(clock) from postgres_query('source', 'select clock_timestamp() as clock')"
    ((there,),) = connection.execute(asked).fetchall()
    ahead = timedelta(seconds=there - datetime.now(UTC).timestamp())
    if ahead > CLOCKS_MAY_DIFFER:
        raise ExtractionError(
            f"The clock of the source is {ahead.total_seconds():.0f} seconds ahead of this machine's: set both right."
        )


def query(source: Source, settings: SourceTable, table: str, day: date, whole: bool) -> str:
    """The rows of a load, as the lake has them."""
    expressions = settings.expressions()
    if table == "orders" and source.statuses:
        pairs = ", ".join(f"{literal(theirs)}: {literal(ours)}" for theirs, ours in source.statuses.items())
        status = f"cast({expressions['status']} as varchar)"
        expressions["status"] = f"coalesce(map {{{pairs}}}[{status}], {status})"
    columns = [
        f"{converted(expressions[name], name, type) if name in expressions else '$loaded_at::timestamp'} as {name}"
        for name, type in COLUMNS[table].items()
    ]
    start, updated_at = datetime.combine(day, time(), UTC), expressions["updated_at"]
    # As times: texts, which a column of texts would be compared with, have another order.
    first, end = (
        f"timestamp '{moment:%Y-%m-%d %H:%M:%S}'"
        for moment in (start - timedelta(minutes=source.overlap_minutes), start + timedelta(days=1))
    )
    changed = f"{updated_at} >= {first} and {updated_at} < {end}"
    if whole:
        # What has changed since is not of this load; a row without a time is for the models to reject.
        changed = f"coalesce({updated_at} < {end}, true)"
    table_name = f"{quoted(source.db_schema)}.{quoted(settings.table)}"
    return f"select {', '.join(columns)} from source.{table_name} where {changed}"


def converted(expression: str, name: str, type: str) -> str:
    """A value as the lake's type, or an error where it would lose something."""
    cast = f"cast({expression} as {type})"
    if type.startswith("decimal"):
        loss = literal(f"{name} has more than two digits behind the point")
        return f"case when cast({expression} as decimal(38, 9)) <> {cast} then error({loss}) else {cast} end"
    return cast


def told(error: duckdb.Error, source: Source, settings: SourceTable, table: str) -> ExtractionError:
    """An error of reading, as a sentence."""
    said = re.sub(r"^\w[\w ]* Error: ", "", str(error).splitlines()[0])
    name = f"{source.db_schema}.{settings.table}"
    if isinstance(error, duckdb.CatalogException):
        return ExtractionError(
            f"The source has no table {name}: correct SOURCE_{table.upper()}__TABLE or SOURCE_DB_SCHEMA."
        )
    if isinstance(error, duckdb.BinderException):
        trouble = "is not there" if "not found in FROM clause" in str(error) else "cannot be used as it is"
        return ExtractionError(f"A column of {name} {trouble} ({said}): correct SOURCE_{table.upper()}__… of it.")
    if "statement timeout" in str(error):
        return ExtractionError(f"Reading {name} was ended by a statement timeout: set SOURCE_TIMEOUT_SECONDS to more.")
    if TRANSIENT.search(str(error)):
        return PassingError(f"The source went away while {name} was read: {said}")
    return ExtractionError(f"A row of {name} does not fit the lake: {said}.".replace("..", "."))


def verify(file: Path, table: str) -> tuple[int, datetime | None]:
    """How many rows a file has, and their newest change; raises ExtractionError where it is no file of the lake."""
    with duckdb.connect() as connection:
        columns = connection.execute("describe from read_parquet(?, hive_partitioning = false)", [str(file)]).fetchall()
        found = {name: type.lower().replace(",", ", ") for name, type, *_ in columns}
        if found != COLUMNS[table]:
            raise ExtractionError(f"The file that was written has the columns {found}, not {COLUMNS[table]}.")
        (row,) = connection.execute(
            "select count(*), max(updated_at) from read_parquet(?, hive_partitioning = false)", [str(file)]
        ).fetchall()
    return row[0], row[1]
