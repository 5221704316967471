"""Commands that make and a person call; each one is a thin shell over a module of this package."""

import contextlib
import dataclasses
import importlib.util
import json
import os
import re
from datetime import UTC, datetime, timedelta
from enum import StrEnum
from pathlib import Path
from typing import Annotated

import duckdb
import typer
from dotenv import load_dotenv
from rich.console import Console

from user_metrics import packages, sample, summary
from user_metrics.lake import COLUMNS, LakeError, lake_at
from user_metrics.printable import printable

app = typer.Typer(
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode="markdown",
)
# What is printed has data in it, of which [red] is data too.
console = Console(markup=False)


class Table(StrEnum):
    """A table of the lake."""

    users = "users"
    orders = "orders"


DUCKDB = {"LAKE_URI": "data/lake, which the sample is in", "DUCKDB_PATH": "data/user_metrics.duckdb"}
WHERE = {"dev": DUCKDB, "ci": DUCKDB, "prod": {"REDSHIFT_HOST": "none", "REDSHIFT_DATABASE": "none"}}
"""Of each target, the variables that say what is read and written, and what is without them."""

TargetOption = Annotated[str, typer.Option("--target", "-t", envvar="DBT_TARGET", help="Target of profiles.yml.")]
LakeUri = Annotated[str, typer.Option("--lake", envvar="LAKE_URI", help="The lake: a folder, or s3://bucket/prefix.")]


def refusal(sentence: object) -> typer.Exit:
    """Prints why a command can do nothing, and returns what to raise."""
    Console(stderr=True).print(printable(str(sentence)), style="red", highlight=False, markup=False, soft_wrap=True)
    return typer.Exit(1)


def refuse_future(option: str, day: datetime) -> None:
    """Refuses a date that has not begun: its load would be empty, and a build stops at one that is after tomorrow."""
    today = datetime.now(UTC).date()
    if day.date() > today:
        raise refusal(f"{option} is {day.date()}, which has not begun: today is {today} (UTC).")


def need_project() -> None:
    """Refuses to go on outside the project's folder."""
    if not Path("dbt_project.yml").is_file():
        raise refusal("There is no dbt_project.yml here: run user-metrics in the folder of the project.")


def need_extraction() -> None:
    """Refuses to go on where what extraction needs is not installed."""
    for name in ("pydantic_settings", "structlog", "tenacity"):
        if not importlib.util.find_spec(name):
            raise refusal(f"Extraction needs {name}: run make .venv/extract.")


@app.callback()
def main() -> None:
    """What make and a person call beside dbt, in the folder of the project.

    Every command exits with 0 when it has done what was asked, with 1 when it says in a sentence why not, and with 2
    when an option is wrong. Variables that are not set are taken from the file .env, where there is one.
    """
    load_dotenv(Path(".env"))


@app.command("sample")
def make_sample(
    lake_uri: LakeUri = "data/lake",
    days: Annotated[int, typer.Option(min=1, max=3_660, help="Load dates, when the lake is new.")] = 30,
    until: Annotated[
        datetime | None, typer.Option(formats=["%Y-%m-%d"], help="Last load date; yesterday when left out.")
    ] = None,
) -> None:
    """Writes a small lake with all that real ones have: late, duplicate, corrected and cancelled rows."""
    last_date = until.date() if until else datetime.now(UTC).date() - timedelta(days=1)
    try:
        written = sample.write_lake(lake_at(lake_uri), last_date, days)
    except LakeError as error:
        raise refusal(error) from error
    console.print(f"{lake_uri}: {written} load dates written, up to {last_date}.")


@app.command("check-lake")
def check_lake(
    lake_uri: LakeUri = "data/lake",
    variables: Annotated[str, typer.Option("--vars", help="Settings as for dbt: '{earliest_date: 2015-01-01}'")] = "{}",
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON instead of tables.")] = False,
) -> None:
    """Reads a lake, builds nothing, and tells all that is wrong or suspicious in it at once.

    Exits with 1 when a build of it would stop.
    """
    # Only this command needs dbt, which takes a second to import.
    from user_metrics import check_lake
    from user_metrics.dbt_command import DbtCommandError

    need_project()
    try:
        report = check_lake.check(lake_uri, variables)
    except (DbtCommandError, LakeError) as error:
        raise refusal(error) from error
    if as_json:
        typer.echo(report.as_json())
    else:
        check_lake.show(report, console)
    raise typer.Exit(1 if report.build_would_stop else 0)


@app.command("build", context_settings={"allow_extra_args": True, "ignore_unknown_options": True})
def build_models(
    context: typer.Context,
    target: TargetOption = "dev",
    verbose: Annotated[bool, typer.Option("--verbose", help="Print all that dbt says.")] = False,
) -> None:
    """Runs dbt build, and says at the end what it has read and written. Takes every option of dbt build.

    Says first which lake and database it uses. What dbt says is in logs/dbt.log.

    Exits with 0 when all is built and no test has failed; with 1 when a model or a test has failed; with 2 when nothing
    was run, as a setting, the lake or the project is not as it must be.
    """
    need_project()
    # Only this command and a few others need dbt, which takes a second to import.
    from user_metrics import dbt_command

    for name, default in WHERE.get(target, {}).items():
        there = os.environ.get(name)
        console.print(f"{name} is {there or f'not set: {default}'}", highlight=False, soft_wrap=True)
    raise typer.Exit(dbt_command.build(["--target", target, *context.args], verbose))


@app.command("loads")
def show_loads(target: TargetOption = "dev") -> None:
    """Shows every load that was read: its rows, what was rejected of them or has vanished, and when it was read."""
    from user_metrics import tables
    from user_metrics.dbt_command import DbtCommandError

    need_project()
    try:
        tables.show_loads(target, console)
    except DbtCommandError as error:
        raise refusal(error) from error


@app.command("freshness")
def show_freshness(target: TargetOption = "dev") -> None:
    """Shows how old the newest load of each table is; exits with 1 where one is too old."""
    from user_metrics import tables
    from user_metrics.dbt_command import DbtCommandError

    need_project()
    try:
        is_fresh = tables.show_freshness(target, console)
    except DbtCommandError as error:
        raise refusal(error) from error
    raise typer.Exit(0 if is_fresh else 1)


@app.command("extract")
def extract_load(
    table: Annotated[Table, typer.Option(help="Table of the lake.")],
    date: Annotated[datetime, typer.Option(formats=["%Y-%m-%d"], help="Date of the load.")],
    whole: Annotated[bool, typer.Option("--whole", help="The whole table, not what has changed on the date.")] = False,
    lake_uri: LakeUri = "data/lake",
) -> None:
    """Writes a load of the application's PostgreSQL into the lake, whole or not at all; prints a line of JSON.

    Reads SOURCE_POSTGRES_DSN and other variables that docs/extraction.md lists. Exits with 1 where nothing was written.
    """
    need_extraction()
    from user_metrics import extract, source, watch

    refuse_future("--date", date)
    watch.log_events()
    try:
        with watch.bars() as progress:
            found = extract.extract(source.source(), lake_at(lake_uri), table, date.date(), whole, progress)
    except (extract.ExtractionError, source.SourceError, LakeError) as error:
        raise refusal(error) from error
    typer.echo(json.dumps(dataclasses.asdict(found), default=str))


@app.command("backfill")
def backfill_dates(
    first: Annotated[datetime, typer.Option("--from", formats=["%Y-%m-%d"], help="First date.")],
    last: Annotated[datetime, typer.Option("--to", formats=["%Y-%m-%d"], help="Last date.")],
    whole: Annotated[list[Table] | None, typer.Option(help="A table to extract as a whole, besides users.")] = None,
    by_change: Annotated[bool, typer.Option("--by-change", help="Extract no table as a whole.")] = False,
    at_once: Annotated[
        int, typer.Option("--parallel-extract", min=1, max=32, help="Dates to extract at once, and to build together.")
    ] = 1,
    target: Annotated[str, typer.Option(help="Target of profiles.yml; loads go into prod by COPY first.")] = "dev",
    variables: Annotated[str, typer.Option("--vars", help="Settings as for dbt: '{earliest_date: 2015-01-01}'")] = "{}",
    lake_uri: LakeUri = "data/lake",
) -> None:
    """Extracts both tables for each date of a range, loads them where the target is Redshift, and builds.

    Where it was stopped, the same command goes on. After its end, or with other options, it begins anew, which is safe.
    Exits with 1 where a date could not be extracted, loaded or built.
    """
    need_project()
    need_extraction()
    from dbt_common.exceptions import DbtBaseException

    from user_metrics import backfill, extract, load, source, watch
    from user_metrics.dbt_command import DbtCommandError

    if first > last:
        raise refusal("--from must not be after --to.")
    if by_change and whole:
        raise refusal("Say --whole or --by-change, not both.")
    refuse_future("--to", last)
    tables = [] if by_change else [Table.users, *(whole or [])]
    watch.log_events()
    try:
        wanted = backfill.Backfill(
            source.source(), lake_at(lake_uri), first.date(), last.date(), frozenset(tables),
            target, backfill.settings(variables), at_once,
        )  # fmt: skip
        wanted.check()
    except (source.SourceError, LakeError, DbtBaseException, DbtCommandError) as error:
        raise refusal(error) from error
    try:
        with watch.bars() as progress:
            count = wanted.run(progress)
    except LakeError as error:
        raise refusal(error) from error
    except (extract.ExtractionError, load.LoadError, DbtBaseException, DbtCommandError) as error:
        done_to = wanted.done_to()
        built = f" The dates up to {done_to} are built; the same command goes on after them." if done_to else ""
        raise refusal(f"{error}{built}") from error
    console.print(f"{count} dates were taken in, up to {last.date()}.", highlight=False)


@app.command("load")
def load_into_redshift(
    lake_uri: Annotated[str, typer.Option("--lake", envvar="LAKE_URI", help="The lake, s3://bucket/prefix.")],
    table: Annotated[str, typer.Option(help="users or orders; both when left out.")] = "",
    date: Annotated[datetime | None, typer.Option(formats=["%Y-%m-%d"], help="Date of the load.")] = None,
    first: Annotated[datetime | None, typer.Option("--from", formats=["%Y-%m-%d"], help="First date of loads.")] = None,
    last: Annotated[datetime | None, typer.Option("--to", formats=["%Y-%m-%d"], help="Last date of loads.")] = None,
    changed: Annotated[bool, typer.Option("--changed", help="Every load that is new or another by now.")] = False,
    force: Annotated[bool, typer.Option("--force", help="Load it also when it is there already.")] = False,
    create: Annotated[bool, typer.Option("--create", help="First make the raw tables that are not there.")] = False,
) -> None:
    """Takes loads of the lake into the raw tables of Redshift, each whole or not at all.

    Reads REDSHIFT_* as dbt does for the target prod, and signs COPY in by REDSHIFT_COPY_ROLE or AWS credentials.
    """
    # Only this command needs S3 and Redshift, which take a second to import.
    from dbt_common.exceptions import DbtBaseException

    from user_metrics import load, s3_lake, warehouse
    from user_metrics.dbt_command import DbtCommandError

    need_project()
    days = [day.date() for day in (first or date, last or date) if day]
    if changed == (len(days) == 2) or (date and (first or last)) or (table and table not in COLUMNS):
        raise refusal(
            "Say which loads: by --date, or by --from and --to, of both tables or of --table users or orders; or by"
            " --changed all that are new or others by now."
        )
    tables = [table] if table else list(COLUMNS)
    try:
        lake, schema = s3_lake.S3Lake(lake_uri), warehouse.raw_schema()
        if create:
            warehouse.create_raw_tables()
        with contextlib.closing(warehouse.connect()) as session:
            if changed:
                wanted, lost = load.difference(session, schema, lake, tables)
            else:
                wanted, lost = lake.between(tables, *days), []
            for one, day in wanted:
                rows = load.load(session, schema, lake, one, day, force)
                console.print(f"{one} {day}: " + ("is there already" if rows is None else f"{rows:,} rows"))
        if not wanted:
            console.print("Every load of the lake is there already.")
        if lost:
            console.print(f"Loads that stay though the lake no longer has them: {len(lost):,}, up to {lost[-1][1]}.")
    except (load.LoadError, LakeError, DbtBaseException, DbtCommandError) as error:
        raise refusal(error) from error


@app.command("docs")
def build_docs(
    target: Annotated[str, typer.Option(help="Target of profiles.yml whose tables are shown.")] = "dev",
    folder: Annotated[Path, typer.Option(help="Folder to write to; what is in it is replaced.")] = Path("target/site"),
) -> None:
    """Builds pages to look at: dbt's documentation, the lineage of tables and columns, and what the last runs did."""
    # Only this command needs dbt and sqlglot, which take a second to import.
    from user_metrics import site
    from user_metrics.dbt_command import DbtCommandError

    need_project()
    try:
        page = site.build(folder, target)
    except (DbtCommandError, FileExistsError) as error:
        raise refusal(error) from error
    console.print(f"Open {page.resolve()}", highlight=False, soft_wrap=True)


@app.command("report")
def build_report(
    target: Annotated[str, typer.Option(help="Target of profiles.yml whose tables are shown.")] = "dev",
    page: Annotated[Path, typer.Option(help="File to write.")] = Path("target/report.html"),
    show_emails: Annotated[bool, typer.Option("--show-emails", help="Do not mask the users' addresses.")] = False,
) -> None:
    """Writes one page of charts and tables: spend, customers, who leads and why, what the last runs changed."""
    # Only this command needs charts, which take a second to import.
    from user_metrics import report
    from user_metrics.dbt_command import DbtCommandError

    need_project()
    try:
        written = report.build(page, target, show_emails)
    except DbtCommandError as error:
        raise refusal(error) from error
    console.print(f"Open {written.resolve()}", highlight=False, soft_wrap=True)


@app.command("why")
def explain_a_number(
    user: Annotated[int | None, typer.Option(help="Id of the user.")] = None,
    email: Annotated[str, typer.Option(help="Or the user's address.")] = "",
    own_id: Annotated[str, typer.Option(help="Or what the source calls the user.")] = "",
    mapping: Annotated[
        str, typer.Option(help="Where --own-id stands: schema.table.column, beside a column user_id.")
    ] = "",
    date: Annotated[
        datetime | None, typer.Option(formats=["%Y-%m-%d"], help="Date of the row; the last one when left out.")
    ] = None,
    target: Annotated[str, typer.Option(help="Target of profiles.yml.")] = "dev",
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON instead of tables.")] = False,
) -> None:
    """Explains a user's figures: which orders make them up, which do not count and why, and who stands next in rank.

    Exits with 1 when a plain sum over fct_orders does not give what user_metrics says.
    """
    # Only this command and a few others need dbt, which takes a second to import.
    from user_metrics import why
    from user_metrics.dbt_command import DbtCommandError

    if sum(bool(given) for given in (user is not None, email, own_id)) != 1 or bool(own_id) != bool(mapping):
        raise refusal("Say which user: by --user, by --email, or by --own-id with --mapping.")
    if mapping and not re.fullmatch(r"\w+[.]\w+[.]\w+", mapping):
        raise refusal(f"--mapping is '{mapping}': write it like analytics.user_ids.customer_id.")
    relation, _, column = mapping.rpartition(".")
    which = {"user": user} if user is not None else {"name": email or own_id, "relation": relation, "column": column}
    need_project()
    try:
        found = why.explain(which, date.date() if date else None, target)
    except DbtCommandError as error:
        raise refusal(error) from error
    if as_json:
        typer.echo(json.dumps(found, indent=2))
    else:
        why.show(found, console)
    raise typer.Exit(0 if found["agrees"] else 1)


@app.command("packages")
def install_packages() -> None:
    """Installs the dbt packages: from the hub, or from offline_packages/ where it can't be reached."""
    try:
        said = packages.install(Path(os.environ.get("DBT_PACKAGES_PATH", "dbt_packages")))
    except FileNotFoundError as error:
        raise refusal(error) from error
    console.print(said, highlight=False)


@app.command("summary")
def show_summary(
    database: Annotated[Path, typer.Option(envvar="DUCKDB_PATH", help="The DuckDB file that dbt built.")] = Path(
        "data/user_metrics.duckdb"
    ),
) -> None:
    """Shows who leads the ranking and which dates are built."""
    if not database.exists():
        raise refusal(f"DUCKDB_PATH is '{database}', which does not exist yet: run make build.")
    try:
        summary.show(database, console)
    except duckdb.Error as error:
        reason = str(error).splitlines()[0]
        raise refusal(f"DUCKDB_PATH is '{database}', which has no user_metrics: run make build. ({reason})") from error
