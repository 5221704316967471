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
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from statistics import median
from typing import Annotated, Any

import duckdb
import typer

from benchmarks import lake as shop
from benchmarks.page import write_page
from benchmarks.programs import ROOT

TIMEOUT = 1800
"""Seconds that a program may take."""

PRODUCT = (
    "date, user_id, email, order_count, total_spent, avg_order_value, last_order_at, daily_order_count, "
    "daily_total_spent, spending_rank"
)
TABLES = {"analytics": "analytics.user_metrics", "bare": "bare.metrics"}


@dataclass(frozen=True)
class Program:
    """A program, what it is told, and the one that has made the history it carries on from."""

    label: str
    name: str
    arguments: dict[str, Any] = field(default_factory=dict)
    base: str = "user_metrics_tested"


@dataclass(frozen=True)
class Case:
    """A history, what arrives then, and the programs that take it in."""

    name: str
    users: int
    days: int
    arrives: Callable[[Path], None]
    programs: tuple[Program, ...]


def one_more_day(users: int, days: int) -> Case:
    """The next day arrives, which reaches two dates back."""
    return Case(
        f"one more day after {days}", users, days, lambda lake: shop.write(lake, users, days, days),
        (
            Program("user_metrics", "user_metrics"),
            Program("user_metrics, with all tests", "user_metrics_tested"),
            Program("by hand", "bare", {"day": days, "first": days - 2}, base="by_hand"),
            Program("recomputed by hand", "recomputed", {"day": days}, base="by_hand"),
        ),
    )  # fmt: skip


def correction(users: int, days: int, back: int, orders: int) -> Case:
    """Some orders are corrected; with restate_from the same run writes whole dates."""
    day = days - 1 - back
    return Case(
        f"{orders:,} order{'s' if orders > 1 else ''} corrected {back} days back", users, days,
        lambda lake: shop.correct(lake, day, days - 1, orders),
        (
            Program("user_metrics", "user_metrics"),
            Program("user_metrics, with all tests", "user_metrics_tested"),
            Program("whole dates", "user_metrics", {"restate_from": str(shop.date_of(day))}),
        ),
    )  # fmt: skip


def full_refresh(users: int, days: int) -> Case:
    """Everything is made anew."""
    return Case(
        f"full refresh of {days} days", users, days, lambda lake: None,
        (Program("user_metrics", "user_metrics_refreshed"),),
    )  # fmt: skip


def cases(quick: bool) -> list[Case]:
    """What is measured."""
    if quick:
        return [one_more_day(5_000, 30), correction(5_000, 30, back=20, orders=1), full_refresh(5_000, 30)]
    return [
        *(one_more_day(100_000, days) for days in (30, 90, 180, 365)),
        *(correction(100_000, 365, back, orders) for back, orders in ((7, 1), (300, 1), (300, 1_000))),
        full_refresh(100_000, 365),
    ]


def main(
    quick: Annotated[bool, typer.Option("--quick", help="A small lake and few repetitions.")] = False,
    repetitions: Annotated[int, typer.Option(help="How often each program runs.")] = 0,
    folder: Annotated[Path, typer.Option(help="Where lakes and databases lie meanwhile.")] = ROOT
    / "data"
    / "benchmarks",
    results: Annotated[Path, typer.Option(help="File to write the figures to.")] = ROOT / "benchmarks" / "results.json",
    page: Annotated[Path, typer.Option(help="Page to write.")] = ROOT / "docs" / "performance.md",
) -> None:
    """Measures user_metrics against the same by hand."""
    shutil.rmtree(folder, ignore_errors=True)
    measured = [row for case in cases(quick) for row in measure(case, folder, repetitions or (2 if quick else 5))]
    found = {"machine": machine(), "measured_at": f"{datetime.now(UTC):%Y-%m-%d %H:%M}", "rows": measured}
    results.write_text(json.dumps(found, indent=1) + "\n")
    write_page(page, found)
    print(f"Open {page}")


def measure(case: Case, folder: Path, repetitions: int) -> list[dict[str, Any]]:
    """Runs the programs of a case in turn; a row for each, with the median, the least and the most of its figures."""
    lake = folder / "lake"
    shutil.rmtree(lake, ignore_errors=True)
    shutil.copytree(history(case, folder), lake, copy_function=os.link)
    case.arrives(lake)
    bases = {program.base: base(program.base, case, folder) for program in case.programs}
    runs: dict[str, list[dict[str, float]]] = {program.label: [] for program in case.programs}
    for repetition in range(repetitions):
        contents = {}
        for program in case.programs[:: 1 if repetition % 2 else -1]:
            database = folder / "run.duckdb"
            shutil.copyfile(bases[program.base], database)
            before = database.stat().st_size
            seconds = run(program.name, lake, database, program.arguments)
            runs[program.label].append({**seconds, "growth_mb": (database.stat().st_size - before) / 1e6})
            if repetition == 0:
                contents[program.label] = content(database)
        if len(set(contents.values())) > 1:
            raise SystemExit(f"{case.name}: the programs do not agree: {contents}")
        print(f"{case.name}, {repetition + 1} of {repetitions}: " + ", ".join(
            f"{label} {found[-1]['models']:.2f} s" for label, found in runs.items()
        ), flush=True)  # fmt: skip
    return [
        {"case": case.name, "users": case.users, "days": case.days, "program": label, "runs": len(found), **{
            figure: [round(f(run[figure] for run in found), 3) for f in (median, min, max)] for figure in found[0]
        }}
        for label, found in runs.items()
    ]  # fmt: skip


def history(case: Case, folder: Path) -> Path:
    """The lake before a case, which cases of the same size share."""
    lake = folder / f"{case.users}_users_{case.days}_days" / "lake"
    if not lake.exists():
        shop.write(lake, case.users, 0, case.days - 1)
    return lake


def base(program: str, case: Case, folder: Path) -> Path:
    """The database before a case, made by a program."""
    lake = history(case, folder)
    database = lake.with_name(f"{program}.duckdb")
    if not database.exists():
        run(program, lake, database, {"day": case.days - 1} if program == "by_hand" else {})
    return database


def run(name: str, lake: Path, database: Path, arguments: dict[str, Any]) -> dict[str, float]:
    """Runs a program in a process of its own; its seconds, and its peak of memory."""
    values = json.dumps({"lake": str(lake), "database": str(database), **arguments})
    done = subprocess.run(
        [sys.executable, "-m", "benchmarks.programs", name, values],
        cwd=ROOT, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, text=True, timeout=TIMEOUT,
    )  # fmt: skip
    if done.returncode:
        raise SystemExit(f"{name} failed: {done.stdout[-2000:]}")
    found: dict[str, float] = json.loads(done.stdout.splitlines()[-1])
    return found


def content(database: Path) -> tuple[Any, ...]:
    """What user_metrics holds: rows, and a sum that any other value would change."""
    with duckdb.connect(str(database), read_only=True) as connection:
        schemas = {
            name for (name,) in connection.execute("select schema_name from information_schema.schemata").fetchall()
        }
        (table,) = [table for schema, table in TABLES.items() if schema in schemas]
        found = connection.execute(f"select count(*), sum(hash({PRODUCT})) from {table}").fetchall()[0]
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
