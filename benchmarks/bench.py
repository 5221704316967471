"""Runs the benchmarks: `make bench`, or `make bench-quick` for a small lake and few repetitions.

Each program has a process of its own, on a fresh copy of one database and the same lake; the programs take turns, and
what they have made is compared before any time counts. Writes results.json, docs/performance.md and its chart.
"""

from __future__ import annotations

import json
import os
import platform
import shutil
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from statistics import median
from typing import Annotated, Any, Literal

import duckdb
import typer

from benchmarks import lake as shop
from benchmarks.page import write_page
from benchmarks.programs import ROOT

TIMEOUT = 1800
"""Seconds that a program may take."""

PRODUCT = {
    "date": "date", "user_id": "bigint", "email": "varchar", "order_count": "bigint", "total_spent": "decimal(18, 2)",
    "avg_order_value": "double", "last_order_at": "timestamp", "daily_order_count": "bigint",
    "daily_total_spent": "decimal(18, 2)", "spending_rank": "bigint",
}  # fmt: skip
TABLES = {"analytics": "analytics.user_metrics", "bare": "bare.metrics"}

OURS, SPARK, COMPARE = Path(sys.executable), ROOT / ".venv-spark/bin/python", ROOT / ".venv-compare/bin/python"
"""The Pythons that programs run with."""


@dataclass(frozen=True)
class Program:
    """A program, what it is told, the one that has made the history it carries on from, if any, and what it makes."""

    label: str
    name: str
    arguments: dict[str, Any] = field(default_factory=dict)
    base: str | None = "user_metrics_tested"
    makes: Literal["all dates", "last date", "something else"] = "all dates"
    python: Path = OURS


@dataclass(frozen=True)
class Case:
    """A history, what arrives then, and the programs that take it in. `runs`: at most so many, as it takes long."""

    name: str
    users: int
    days: int
    arrives: Callable[[Path], None]
    programs: tuple[Program, ...]
    runs: int = 5


def one_more_day(users: int, days: int, others: bool = False) -> Case:
    """The next day arrives, which reaches two dates back; others: as other tools do it too."""
    day = {"day": str(shop.date_of(days))}
    return Case(
        f"one more day after {days}", users, days, lambda lake: shop.write(lake, users, days, days),
        (
            Program("user_metrics", "user_metrics"),
            Program("user_metrics, with all tests", "user_metrics_tested"),
            Program("by hand", "bare", {"day": days, "first": days - 2}, base="by_hand"),
            Program("recomputed by hand", "recomputed", {"day": days}, base="by_hand"),
            *(
                Program("rank and copy by hand", "copied", {"day": days}, base="by_hand", makes="something else"),
                Program("dbt microbatch", "microbatch", {"day": days}, base=None, makes="last date"),
                Program("SQLMesh", "sqlmesh", day, base=None, makes="last date", python=COMPARE),
                Program("polars by hand", "polars", day, base=None, makes="last date", python=COMPARE),
                Program("PySpark", "pyspark", day, base=None, makes="last date", python=SPARK),
            )[: 5 if others else 0],
        ),
    )  # fmt: skip


def correction(users: int, days: int, back: int, orders: int, runs: int = 5) -> Case:
    """Some orders are corrected; with restate_from the same run writes whole dates."""
    day = days - 1 - back
    return Case(
        f"{orders:,} order{'s' if orders > 1 else ''} corrected {back} days back", users, days,
        lambda lake: shop.correct(lake, day, days - 1, orders),
        (
            Program("user_metrics", "user_metrics"),
            Program("user_metrics, with all tests", "user_metrics_tested"),
            Program("whole dates", "user_metrics", {"restate_from": str(shop.date_of(day))}),
        ), runs,
    )  # fmt: skip


def restatement(users: int, days: int, last: int) -> Case:
    """Nothing arrives, and the last dates are written anew."""
    restate_from = {"restate_from": str(shop.date_of(days - last))}
    return Case(
        f"the last {last} days restated", users, days, lambda lake: None,
        (Program("user_metrics", "user_metrics", restate_from),),
    )  # fmt: skip


def full_refresh(users: int, days: int, runs: int = 5, **settings: Any) -> Case:
    """Everything is made anew."""
    label = ", ".join(["user_metrics", *(f"{name} {value}" for name, value in settings.items())])
    return Case(
        f"full refresh of {days} days", users, days, lambda lake: None,
        (Program(label, "user_metrics_refreshed", settings, base=None),), runs,
    )  # fmt: skip


def unchanged_users(users: int, days: int) -> Case:
    """All users are delivered again as they are."""
    return Case(
        "all users delivered again, unchanged", users, days, lambda lake: shop.deliver_all_users(lake, days - 1),
        (Program("user_metrics", "user_metrics"),),
    )  # fmt: skip


def backfill(users: int, days: int, more: int, runs: int = 5) -> Case:
    """Days arrive one by one, in one process, or all at once."""
    return Case(
        f"{more} days arrive", users, days, lambda lake: shop.write(lake, users, days, days + more - 1),
        (
            Program("one by one", "user_metrics_day_by_day", {"first": days, "last": days + more - 1}),
            Program("at once", "user_metrics"),
        ), runs,
    )  # fmt: skip


def nothing_arrives(users: int, days: int) -> Case:
    """`dbt build` with nothing to do, of this project and of an empty one."""
    return Case(
        f"nothing to do after {days}", users, days, lambda lake: None,
        tuple(
            Program(f"dbt build, {project} project, {state}", "nothing_to_do",
                    {"project": project, "state": state}, makes="something else")
            for state in ("for the first time", "parsed before", "in a process") for project in ("this", "empty")
        ),
    )  # fmt: skip


def cases(quick: bool) -> list[Case]:
    """What is measured."""
    if quick:
        return [
            one_more_day(5_000, 30, others=True), correction(5_000, 30, back=20, orders=1), full_refresh(5_000, 30),
            nothing_arrives(5_000, 30),
        ]  # fmt: skip
    return [
        *(one_more_day(100_000, days, others=days in (60, 365)) for days in (30, 60, 90, 180, 365)),
        *(correction(100_000, 365, back, orders) for back, orders in ((7, 1), (300, 1), (300, 1_000))),
        *(restatement(100_000, 365, last) for last in (7, 30, 90)),
        nothing_arrives(100_000, 365),
        full_refresh(100_000, 365),
        backfill(100_000, 30, more=60, runs=1),
        backfill(10_000, 30, more=200, runs=1),
        one_more_day(1_000_000, 30, others=True),
        correction(1_000_000, 30, back=29, orders=1, runs=1),
        unchanged_users(1_000_000, 30),
        full_refresh(1_000_000, 90, runs=1, max_days_per_build=5, memory_limit="4GB"),
    ]


def main(
    quick: Annotated[bool, typer.Option("--quick", help="A small lake and few repetitions.")] = False,
    repetitions: Annotated[int, typer.Option(help="How often each program runs.")] = 0,
    only: Annotated[str, typer.Option(help="Only cases whose names have this; figures of others are kept.")] = "",
    folder: Annotated[Path, typer.Option(help="Where lakes and databases lie meanwhile.")] = ROOT
    / "data"
    / "benchmarks",
    results: Annotated[Path, typer.Option(help="File to write the figures to.")] = ROOT / "benchmarks" / "results.json",
    page: Annotated[Path, typer.Option(help="Page to write.")] = ROOT / "docs" / "performance.md",
) -> None:
    """Measures user_metrics against the same by hand."""
    shutil.rmtree(folder, ignore_errors=True)
    wanted = cases(quick)
    kept = json.loads(results.read_text())["rows"] if only and results.exists() else []
    measured = {(case.name, case.users): [row for row in kept if is_of(row, case)] for case in wanted}
    for case in wanted:
        if only in case.name:
            measured[case.name, case.users] = measure(case, folder, repetitions or (2 if quick else 5))
        found = {
            "machine": machine(), "measured_at": f"{datetime.now(UTC):%Y-%m-%d %H:%M}",
            "rows": [row for rows in measured.values() for row in rows],
        }  # fmt: skip
        results.write_text(json.dumps(found, indent=1) + "\n")
    write_page(page, found)
    print(f"Open {page}")


def is_of(row: dict[str, Any], case: Case) -> bool:
    """Whether a row was measured in a case."""
    return (row["case"], row["users"]) == (case.name, case.users)


def measure(case: Case, folder: Path, repetitions: int) -> list[dict[str, Any]]:
    """Runs the programs of a case in turn; a row for each, with the median, the least and the most of its figures."""
    programs = [program for program in case.programs if is_there(program, case)]
    repetitions = min(repetitions, case.runs)
    lake = folder / "lake"
    shutil.rmtree(lake, ignore_errors=True)
    shutil.copytree(history(case, folder), lake, copy_function=os.link)
    case.arrives(lake)
    bases = {program.base: base(program.base, case, folder) for program in programs if program.base}
    runs: dict[str, list[dict[str, float]]] = {program.label: [] for program in programs}
    for repetition in range(repetitions):
        made: dict[str, dict[str, Any]] = {"all dates": {}, "last date": {}}
        for program in programs[:: 1 if repetition % 2 else -1]:
            home = folder / "run"
            shutil.rmtree(home, ignore_errors=True)
            home.mkdir()
            database = home / "run.duckdb"
            if program.base:
                shutil.copyfile(bases[program.base], database)
            before = database.stat().st_size if program.base else 0
            found = run(program, lake, database)
            if database.exists():
                found["growth_mb"] = (database.stat().st_size - before) / 1e6
            runs[program.label].append(found)
            if repetition == 0 and program.makes != "something else":
                made[program.makes][program.label] = content(home)
                made["last date"][program.label] = content(home, last_date_only=True)
        if any(len(set(contents.values())) > 1 for contents in made.values()):
            raise SystemExit(f"{case.name}: the programs do not agree: {made}")
        print(f"{case.name}, {repetition + 1} of {repetitions}: " + ", ".join(
            f"{label} {found[-1].get('models', found[-1]['whole']):.2f} s" for label, found in runs.items()
        ), flush=True)  # fmt: skip
    return [
        {"case": case.name, "users": case.users, "days": case.days, "program": label, "runs": len(found), **{
            figure: [round(f(run[figure] for run in found), 3) for f in (median, min, max)] for figure in found[0]
        }}
        for label, found in runs.items()
    ]  # fmt: skip


def is_there(program: Program, case: Case) -> bool:
    """Whether a program can run here, which is said where it cannot."""
    missing = None if program.python.exists() else f"{program.python} is not there (make bench installs it)"
    if program.python == SPARK and not shutil.which("java"):
        missing = "there is no Java"
    if missing:
        print(f"{case.name}: {program.label} is left out, as {missing}", flush=True)
    return missing is None


def history(case: Case, folder: Path) -> Path:
    """The lake before a case, which cases of the same size share."""
    lake = folder / f"{case.users}_users_{case.days}_days" / "lake"
    if not lake.exists():
        shop.write(lake, case.users, 0, case.days - 1)
    return lake


def base(name: str, case: Case, folder: Path) -> Path:
    """The database before a case, made by a program."""
    lake = history(case, folder)
    database = lake.with_name(f"{name}.duckdb")
    if not database.exists():
        run(Program(name, name, {"day": case.days - 1} if name == "by_hand" else {}), lake, database)
    return database


def run(program: Program, lake: Path, database: Path) -> dict[str, float]:
    """Runs a program in a process of its own; its seconds, and its peak of memory."""
    values = json.dumps({"lake": str(lake), "database": str(database), **program.arguments})
    module = "benchmarks.programs" if program.python == OURS else "benchmarks.others"
    started = time.perf_counter()
    done = subprocess.run(
        [program.python, "-m", module, program.name, values], cwd=ROOT, stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE, stderr=subprocess.DEVNULL if program.python == SPARK else None, text=True,
        timeout=TIMEOUT, check=False,
    )  # fmt: skip
    if done.returncode:
        raise SystemExit(f"{program.label} failed: {done.stdout[-2000:]}")
    found: dict[str, float] = json.loads(done.stdout.splitlines()[-1])
    return {"process": time.perf_counter() - started, **found}


def content(home: Path, last_date_only: bool = False) -> tuple[Any, ...]:
    """What a program has made: the number of rows, and a sum that any other value would change."""
    database, output = home / "run.duckdb", home / "output"
    with duckdb.connect() as connection:
        connection.execute("set timezone = 'UTC'")
        table = f"read_parquet('{output}/*.parquet')"
        if not output.exists():
            connection.execute(f"attach '{database}' as made (read_only)")
            schemas = connection.execute(
                "select schema_name from information_schema.schemata where catalog_name = 'made'"
            ).fetchall()
            (table,) = [f"made.{table}" for schema, table in TABLES.items() if (schema,) in schemas]
        columns = ", ".join(f"{name}::{data_type}" for name, data_type in PRODUCT.items())
        last = f"where date = (select max(date) from {table})" if last_date_only else ""
        found = connection.execute(f"select count(*), sum(hash({columns})) from {table} {last}").fetchall()[0]
    return tuple(found)


def machine() -> str:
    """What it ran on."""
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 1e9
    return (
        f"{os.cpu_count()} cores ({platform.machine()}), {memory:.0f} GB, Python {platform.python_version()},"
        f" DuckDB {duckdb.__version__}"
    )


if __name__ == "__main__":
    typer.run(main)
