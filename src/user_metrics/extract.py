"""Extracts a table of the application's PostgreSQL into a partition of the lake, whole or not at all."""

import os
import re
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from pathlib import Path

import duckdb
import structlog
from rich.progress import Progress
from tenacity import RetryCallState, Retrying, retry_if_exception_type, stop_after_attempt, wait_exponential_jitter

from user_metrics.duckdb_extensions import load_extension
from user_metrics.lake import COLUMNS, Lake, partition_of, write_file
from user_metrics.source import Source
from user_metrics.sql import literal, quoted
from user_metrics.watch import growing

CLOCKS_MAY_DIFFER = timedelta(minutes=1)

TRANSIENT = re.compile(
    r"connection refused|could not (connect|receive|translate host name)|server closed the connection|timeout expired"
    r"|no route to host|network is unreachable|connection reset|broken pipe|starting up|shutting down|too many clients"
    r"|terminating connection|SSL SYSCALL|no connection to the server|conflict with recovery"
    r"|remaining connection slots|too many connections|no more connections allowed|query_wait_timeout"
    r"|server_login_retry|server login has been failing",
    re.IGNORECASE,
)
"""What PostgreSQL and its library say of trouble that passes."""

OF_SERVER = re.compile("connection to server|could not (connect|receive|translate host name)")
"""What is in a message of a server, or of the way to it; others are of the address, and may have a password in them."""


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
    with tempfile.TemporaryDirectory() as spill, duckdb.connect(config={"temp_directory": spill}) as connection:
        connection.execute("set preserve_insertion_order = false")
        # It would go to standard output, which is for the result.
        connection.execute("set enable_progress_bar = false")
        with signed_in(connection, source):
            try:
                refuse_clock_ahead(connection)
                rows = query(connection, source, table, day, whole)
                with growing(file, progress, f"{table} {day}"):
                    connection.execute(write_file(f"({rows})", file), {"loaded_at": loaded_at})
            except duckdb.Error as error:
                raise told(error, source, table) from None


SESSION = """
    select
        set_config('client_encoding', 'UTF8', true) as encoding,
        set_config('row_security', 'off', true) as row_security,
        set_config('TimeZone', 'UTC', true) as time_zone,
        set_config('idle_in_transaction_session_timeout', '600s', true) as idle,
        set_config(
            'statement_timeout', coalesce(nullif(current_setting('statement_timeout'), '0'), '{}s'), true
        ) as running
    """
"""Settings of the transaction. They are not `options` of the session, which poolers do not take.

Without row security the server refuses to leave out rows that a policy hides.
"""


@contextmanager
def signed_in(connection: duckdb.DuckDBPyConnection, source: Source) -> Iterator[None]:
    """Has a session ask the source in a block: in a read-only transaction of one connection, which is one snapshot."""
    try:
        load_extension(connection, "postgres_scanner")
    except duckdb.Error as error:
        raise ExtractionError(str(error)) from None
    connection.execute("set timezone = 'UTC'")
    os.environ.setdefault("PGCONNECT_TIMEOUT", "10")
    dsn = source.postgres_dsn.get_secret_value()
    try:
        try:
            connection.execute(f"attach {literal(dsn)} as source (type postgres, read_only)")
            connection.execute("begin")
            connection.execute(f"from {of_source(SESSION.format(source.timeout_seconds))}")
        except duckdb.Error as error:
            raise not_signed_in(str(error), dsn) from None
        yield
    finally:
        # Left to the end of the session, it would end the process where the server is gone.
        with suppress(duckdb.Error):
            connection.execute("rollback")


def not_signed_in(message: str, dsn: str) -> ExtractionError:
    """Why the source cannot be signed in to, without its password or a part of it."""
    # DuckDB says the whole address, and libpq that part of an address which it does not understand.
    said = message.replace(dsn, "…").split('": ', 1)[-1].splitlines()[0]
    is_answer = re.search("FATAL|ERROR", said)
    if not is_answer and ("@" in said or not (OF_SERVER.search(said) or TRANSIENT.search(said))):
        return ExtractionError(
            "SOURCE_POSTGRES_DSN is not an address of PostgreSQL: write host=… dbname=… user=… password='…', or"
            " postgresql://user:password@host/database with %40 for @, %2F for / and %25 for % in the password."
        )
    kind = PassingError if TRANSIENT.search(said) else ExtractionError
    return kind(f"SOURCE_POSTGRES_DSN names a server that cannot be signed in to: {said}")


def of_source(query: str) -> str:
    """A query that the source answers, as a table of DuckDB."""
    return f"postgres_query('source', {literal(query)})"


def refuse_clock_ahead(connection: duckdb.DuckDBPyConnection) -> None:
    """Raises ExtractionError where the source's clock is ahead: its changes would seem newer than their load."""
    asked = f"select epoch(clock) from {of_source('select clock_timestamp() as clock')}"
    ((there,),) = connection.execute(asked).fetchall()
    ahead = timedelta(seconds=there - datetime.now(UTC).timestamp())
    if ahead > CLOCKS_MAY_DIFFER:
        raise ExtractionError(
            f"The clock of the source is {ahead.total_seconds():.0f} seconds ahead of this machine's: set both right."
        )


def query(connection: duckdb.DuckDBPyConnection, source: Source, table: str, day: date, whole: bool) -> str:
    """The rows of a load, as the lake has them."""
    expressions = getattr(source, table).expressions()
    start = datetime.combine(day, time(), UTC)
    first, end = start - timedelta(minutes=source.overlap_minutes), start + timedelta(days=1)
    types = {
        name: type
        for name, type in columns_of(connection, source, table).items()
        if any(mentions(expression, name) for expression in expressions.values())
    }
    rows = rows_of(types, source, table, None if whole else (first, end))
    for name, expression in expressions.items():
        column = named(expression, types)
        if column and types[column].startswith("numeric") and not digits(types[column]):
            # As a double, which it is in other expressions, it would lose digits.
            expressions[name] = quoted(f"{column} as text")
    if table == "orders" and source.statuses:
        pairs = ", ".join(f"{literal(theirs)}: {literal(ours)}" for theirs, ours in source.statuses.items())
        status = f"cast({expressions['status']} as varchar)"
        expressions["status"] = f"coalesce(map {{{pairs}}}[{status}], {status})"
    values = ", ".join(f"{expression} as {name}" for name, expression in expressions.items())
    found = {name: type for name, type, *_ in connection.execute(f"describe select {values} from {rows}").fetchall()}
    for name, type in found.items():
        if COLUMNS[table][name] == "timestamp" and type == "VARCHAR":
            setting = f"SOURCE_{table.upper()}__{name.upper()}"
            raise ExtractionError(
                f"{setting} is a text, which has no order: cast it, as {expressions[name]}::timestamp."
            )
    columns = [
        f"{fitted(expressions[name], name, type, found[name]) if name in found else '$loaded_at::timestamp'} as {name}"
        for name, type in COLUMNS[table].items()
    ]
    # As times: texts, which a column of texts would be compared with, have another order.
    since, until = (f"timestamp '{moment:%Y-%m-%d %H:%M:%S}'" for moment in (first, end))
    updated_at = expressions["updated_at"]
    changed = f"{updated_at} >= {since} and {updated_at} < {until}"
    if whole:
        # What has changed since is not of this load; a row without a time is for the models to reject.
        changed = f"coalesce({updated_at} < {until}, true)"
    return f"select {', '.join(columns)} from {rows} where {changed}"


def columns_of(connection: duckdb.DuckDBPyConnection, source: Source, table: str) -> dict[str, str]:
    """The columns of the source's table, by PostgreSQL's names of their types; raises ExtractionError without it."""
    # A domain is of another type, which may be a domain too.
    asked = f"""
        with recursive columns as (
            select attname, atttypid as type_id, atttypmod as modifier from pg_attribute
            where attrelid = to_regclass({literal(address(source, table))}) and attnum > 0 and not attisdropped
            union all
            select attname, typbasetype, typtypmod from columns inner join pg_type on type_id = oid where typtype = 'd'
        )
        select attname, format_type(type_id, modifier) as type
        from columns inner join pg_type on type_id = oid where typtype <> 'd'
        """
    found = dict(connection.execute(f"from {of_source(asked)}").fetchall())
    if not found:
        name = f"{source.db_schema}.{getattr(source, table).table}"
        raise ExtractionError(
            f"The source has no table {name}: correct SOURCE_{table.upper()}__TABLE or SOURCE_DB_SCHEMA."
        )
    return found


def mentions(expression: str, name: str) -> bool:
    """Whether a column's name is in an expression as a word of its own, in any case."""
    return re.search(rf"(?<!\w){re.escape(name)}(?!\w)", expression, re.IGNORECASE) is not None


def named(expression: str, types: dict[str, str]) -> str | None:
    """The column that an expression is the name of, in any case, as in DuckDB; none where it is more than a name."""
    return next((name for name in types if expression.strip('"').lower() == name.lower()), None)


def address(source: Source, table: str) -> str:
    """The source's table, in SQL."""
    return f"{quoted(source.db_schema)}.{quoted(getattr(source, table).table)}"


def rows_of(types: dict[str, str], source: Source, table: str, changed: tuple[datetime, datetime] | None) -> str:
    """The source's rows with these columns, in SQL of DuckDB; of each `numeric` its text too, named "amount as text".

    changed: from when and until when rows are wanted: an index of the source may find them; others may come along.
    """
    numbers = {name: type for name, type in types.items() if type.startswith("numeric")}
    # Of a number that is NaN, DuckDB would make 0.
    wanted = [f"{quoted(name)}{'::text' if name in numbers else ''}" for name in types]
    asked = f"select {', '.join(wanted)} from {address(source, table)}"
    updated_at = named(getattr(source, table).updated_at, types)
    if changed and updated_at and types[updated_at].startswith(("timestamp", "date")):
        first, end = (literal(f"{moment:%Y-%m-%d %H:%M:%S}+00") for moment in changed)
        asked += f" where {quoted(updated_at)} >= {first} and {quoted(updated_at)} < {end}"
    if not numbers:
        return of_source(asked)
    casts = ", ".join(f"{number(name, type)} as {quoted(name)}" for name, type in numbers.items())
    texts = ", ".join(f"{quoted(name)} as {quoted(f'{name} as text')}" for name in numbers)
    return f"(select * replace ({casts}), {texts} from {of_source(asked)})"


def number(name: str, type: str) -> str:
    """A `numeric` of the source, of its text: as a decimal of the same digits, or as a double where they are many."""
    column, decimal = quoted(name), digits(type)
    if not decimal:
        return f"cast({column} as double)"
    cast = f"cast({column} as decimal({decimal[1]}, {decimal[2]}))"
    return f"case when {column} in ('NaN', 'Infinity', '-Infinity') then {refused(name, column)} else {cast} end"


def digits(type: str) -> re.Match[str] | None:
    """Precision and scale of a `numeric` that DuckDB's decimal can hold; none of another."""
    found = re.fullmatch(r"numeric\((\d+),(\d+)\)", type)
    return found if found and int(found[1]) <= 38 else None


DOUBLES = ("FLOAT", "DOUBLE")
WHOLE, AS_WRITTEN = r"-?\d+(\.0*)?", r"0|-?[1-9]\d*"
"""Whole numbers; those that no other text is, as 7 and 007 may be two users."""

CENTS = r"\s*[+-]?(\d+\.?|\d*\.\d{1,2}0*)\s*"


def fitted(expression: str, name: str, type: str, found: str) -> str:
    """A value as the lake's type, or an error that names it where it would lose something.

    found: its type in DuckDB.
    """
    fits, cast, value = "true", f"try_cast({expression} as {type})", f"cast({expression} as varchar)"
    if type == "bigint" and found in DOUBLES:
        # From 2^53 on, a double may stand for another whole number.
        fits = f"isfinite({expression}) and abs({expression}) < 9007199254740992 and trunc({expression}) = {expression}"
    elif type == "bigint" and not re.fullmatch(r"U?\w*INT(EGER)?|DECIMAL\(\d+,0\)", found):
        is_text = found == "VARCHAR" and not expression.endswith(' as text"')
        fits = f"regexp_full_match({value}, {literal(AS_WRITTEN if is_text else WHOLE)})"
    elif type == "decimal(18, 2)" and found == "FLOAT":
        cents = f"round(cast({expression} as double), 2)"
        # The one that is nearest to whole cents; from 131,072 on it may stand for several.
        fits = f"abs({expression}) < 131072 and cast({cents} as float) = {expression}"
        cast = f"try_cast({cents} as {type})"
    elif type == "decimal(18, 2)" and found == "DOUBLE":
        # Off from whole cents by its own noise: it was stored, perhaps divided, or is what two of them differ by.
        noise = f"greatest(abs({expression}) * {2**-51!r}, 1e-11)"
        fits = f"abs({expression}) < 1e13 and abs({expression} - round({expression}, 2)) <= {noise}"
        cast = f"try_cast(round({expression}, 2) as {type})"
    elif type == "decimal(18, 2)" and not re.fullmatch(r"U?\w*INT(EGER)?|DECIMAL\(\d+,[012]\)", found):
        fits = f"regexp_full_match({value}, {literal(CENTS)})"
    elif type == "timestamp":
        cast = f"cast({expression} as {type})"
    return (
        f"case when {expression} is null then null when {fits} and {cast} is not null then {cast}"
        f" else {refused(name, value, type)} end"
    )


def refused(name: str, value: str, type: str = "decimal(18, 2)") -> str:
    """An error of DuckDB, which names a value that the lake cannot hold."""
    return f"error({literal(f'{name} is ')} || {value} || {literal(f', which {type} cannot hold without loss')})"


def told(error: duckdb.Error, source: Source, table: str) -> ExtractionError:
    """An error of reading, as a sentence."""
    said = re.sub(r"^\w[\w ]* Error: ", "", str(error).splitlines()[0])
    name = f"{source.db_schema}.{getattr(source, table).table}"
    if "No space left" in str(error):
        return ExtractionError(f"The load of {name} cannot be written: {said}.")
    if "statement timeout" in str(error):
        return ExtractionError(f"Reading {name} was ended by a statement timeout: set SOURCE_TIMEOUT_SECONDS to more.")
    if TRANSIENT.search(str(error)):
        return PassingError(f"The source went away while {name} was read: {said}")
    if "row-level security" in str(error):
        return ExtractionError(
            f"Row-level security hides rows of {name} from the user of SOURCE_POSTGRES_DSN: give the user BYPASSRLS."
        )
    if "invalid byte sequence" in str(error) or "Invalid unicode" in str(error):
        return ExtractionError(f"A text of {name} is no UTF-8: {said.split('ERROR: ')[-1].strip()}.")
    if "permission denied" in str(error):
        return ExtractionError(f"The user of SOURCE_POSTGRES_DSN may not read {name}: grant it select.")
    if isinstance(error, duckdb.BinderException):
        trouble = "is not there" if "not found in FROM clause" in str(error) else "cannot be used as it is"
        return ExtractionError(f"A column of {name} {trouble} ({said}): correct SOURCE_{table.upper()}__… of it.")
    return ExtractionError(f"A row of {name} does not fit the lake: {said}.".replace("..", "."))


def verify(file: Path, table: str) -> tuple[int, datetime | None]:
    """How many rows a file has, and their newest change; raises ExtractionError where it is no file of the lake."""
    written = f"read_parquet({literal(file)}, hive_partitioning = false)"
    with duckdb.connect() as connection:
        try:
            columns = connection.execute(f"describe from {written}").fetchall()
            # Every value is read, as one that cannot be is found in no other way.
            ((rows, newest, _),) = connection.execute(
                f"select count(*), max(updated_at), max(hash(load)) from {written} as load"
            ).fetchall()
        except duckdb.Error as error:
            raise ExtractionError(
                f"The file that was written cannot be read again: {str(error).splitlines()[0]}"
            ) from None
    found = {name: type.lower().replace(",", ", ") for name, type, *_ in columns}
    if found != COLUMNS[table]:
        raise ExtractionError(f"The file that was written has the columns {found}, not {COLUMNS[table]}.")
    return rows, newest
