"""The programs that are compared. Each takes what has arrived in a lake into a database, and says what took how long.

Run as `python -m benchmarks.programs <program> <JSON of its arguments>`, so that each has a process, and a peak of
memory, of its own; the last line printed is a JSON of seconds, and of that peak.
"""

from __future__ import annotations

import json
import os
import re
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import duckdb

from benchmarks.lake import date_of

ROOT = Path(__file__).parents[1]
MODELS = ("dim_users", "fct_orders", "user_metrics")
"""Those that do the work; the others are views, or hold the few rows that do not count."""

Seconds = dict[str, float]


def user_metrics(lake: Path, database: Path, **variables: Any) -> Seconds:
    """The models of this project, in a process that has parsed them already."""
    return _dbt(lake, database, "build", "--exclude-resource-type", "test", "unit_test", "snapshot", **variables)


def user_metrics_tested(lake: Path, database: Path, **variables: Any) -> Seconds:
    """`dbt build`, with all data tests, in a process that has parsed the project already."""
    return _dbt(lake, database, "build", "--exclude-resource-type", "unit_test", **variables)


def user_metrics_refreshed(lake: Path, database: Path, **variables: Any) -> Seconds:
    """A full refresh."""
    return _dbt(lake, database, "run", "--full-refresh", **variables)


def _dbt(lake: Path, database: Path, *command: str, **variables: Any) -> Seconds:
    from dbt.cli.main import dbtRunner

    os.environ.update(LAKE_URI=str(lake), DUCKDB_PATH=str(database))
    folder = database.parent / "dbt"
    options = (
        "--target", "dev", "--project-dir", str(ROOT), "--profiles-dir", str(ROOT), "--target-path", str(folder),
        "--log-level-file", "none", "--vars", json.dumps(variables), "--quiet", "--no-write-json",
    )  # fmt: skip
    manifest = dbtRunner().invoke(["parse", *options]).result
    started = time.perf_counter()
    result = dbtRunner(manifest).invoke([*command, *options])
    whole = time.perf_counter() - started
    if not result.success:
        raise RuntimeError(result.exception or [line.message for line in result.result if line.status == "error"])
    models = {line.node.name: line.execution_time for line in result.result if line.node.name in MODELS}
    return {"whole": whole, "models": sum(models.values()), **models}


def bare(lake: Path, database: Path, day: int, first: int) -> Seconds:
    """One more day by hand: SQL that knows which load is new and how far back it reaches."""
    return _by_hand("bare_day.sql", lake, database, day, first)


def recomputed(lake: Path, database: Path, day: int) -> Seconds:
    """One more day by hand, where user_metrics is worked out anew from the first date on."""
    return _by_hand("bare_day.sql", lake, database, day, first=0)


def by_hand(lake: Path, database: Path, day: int) -> Seconds:
    """All that has arrived until a day, for the two above to carry on from."""
    return _by_hand("bare_history.sql", lake, database, day, first=0)


def _by_hand(file: str, lake: Path, database: Path, day: int, first: int) -> Seconds:
    values = {"lake": lake, "day": date_of(day), "first_date": date_of(first)}
    with duckdb.connect(str(database)) as connection:
        connection.execute("set preserve_insertion_order = false")
        started = time.perf_counter()
        connection.begin()
        for name in (file, "bare_metrics.sql"):
            connection.execute((Path(__file__).parent / name).read_text().format(**values))
        connection.commit()
        seconds = time.perf_counter() - started
    return {"whole": seconds, "models": seconds}


PROGRAMS: dict[str, Callable[..., Seconds]] = {
    program.__name__: program
    for program in (user_metrics, user_metrics_tested, user_metrics_refreshed, bare, recomputed, by_hand)
}

if __name__ == "__main__":
    name, arguments = sys.argv[1:]
    values = json.loads(arguments)
    paths = {key: Path(values.pop(key)) for key in ("lake", "database")}
    seconds = PROGRAMS[name](**paths, **values)
    # Of this process alone: what getrusage says begins with what the process had that started this one.
    (peak,) = re.findall(r"^VmHWM:\s+(\d+) kB", Path("/proc/self/status").read_text(), re.MULTILINE)
    print(json.dumps({**seconds, "peak_mb": int(peak) / 1024}))
