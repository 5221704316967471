"""The programs that are compared. Each takes what has arrived in a lake into a database, and says what took how long.

Run as `python -m benchmarks.programs <program> <JSON of its arguments>`, so that each has a process, and a peak of
memory, of its own. `models` are the seconds of the models that do the work, `whole` those of the whole command.
"""

from __future__ import annotations

import json
import os
import resource
import shutil
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import duckdb

from benchmarks.lake import date_of
from benchmarks.report import report

HERE = Path(__file__).parent
ROOT = HERE.parent
MODELS = ("dim_users", "fct_orders", "user_metrics")
"""Those that do the work; the others are views, or hold the few rows that do not count."""

UNTESTED = ("build", "--exclude-resource-type", "test", "unit_test", "snapshot")
TESTED = ("build", "--exclude-resource-type", "unit_test")

Seconds = dict[str, float]


def user_metrics(lake: Path, database: Path, **variables: Any) -> Seconds:
    """The models of this project, in a process that has parsed them already."""
    return _Dbt(lake, database).run(*UNTESTED, **variables)


def user_metrics_tested(lake: Path, database: Path, **variables: Any) -> Seconds:
    """`dbt build`, with all data tests, in a process that has parsed the project already."""
    return _Dbt(lake, database).run(*TESTED, **variables)


def user_metrics_refreshed(lake: Path, database: Path, memory_limit: str = "", **variables: Any) -> Seconds:
    """A full refresh, with what DuckDB may take of memory."""
    os.environ["DUCKDB_MEMORY_LIMIT"] = memory_limit
    return _Dbt(lake, database).run(*UNTESTED, "--full-refresh", **variables)


def user_metrics_day_by_day(lake: Path, database: Path, first: int, last: int) -> Seconds:
    """The models for each day as its load arrives, in one process."""
    lakes = {"arrived": database.with_name("arrived"), "all": lake}
    shutil.rmtree(lakes["arrived"], ignore_errors=True)
    dbt = _Dbt(lakes["arrived"], database)
    seconds: list[Seconds] = []
    for day in range(last + 1):
        for table in ("users", "orders"):
            load = Path(table) / f"date={date_of(day)}"
            if (lakes["all"] / load).exists():
                shutil.copytree(lakes["all"] / load, lakes["arrived"] / load, copy_function=os.link)
        if day >= first:
            seconds.append(dbt.run(*UNTESTED))
    return {name: sum(of_day[name] for of_day in seconds) for name in ("whole", "models", "user_metrics")}


class _Dbt:
    """A dbt project that has been parsed, for runs in this process."""

    def __init__(self, lake: Path, database: Path, project: Path = ROOT) -> None:
        from dbt.cli.main import dbtRunner

        os.environ.update(LAKE_URI=str(lake), DUCKDB_PATH=str(database))
        self.options = (
            "--target", "dev", "--project-dir", str(project), "--profiles-dir", str(project), "--quiet",
            "--target-path", str(database.parent / "dbt"), "--log-level-file", "none", "--no-write-json",
        )  # fmt: skip
        self.manifest = dbtRunner().invoke(["parse", *self.options]).result

    def run(self, *command: str, **variables: Any) -> Seconds:
        """Runs a command that must succeed."""
        from dbt.cli.main import dbtRunner

        started = time.perf_counter()
        result = dbtRunner(self.manifest).invoke([*command, *self.options, "--vars", json.dumps(variables)])
        whole = time.perf_counter() - started
        if not result.success:
            raise RuntimeError(result.exception or [line.message for line in result.result if line.status == "error"])
        models = {line.node.name: line.execution_time for line in result.result if line.node.name in MODELS}
        return {"whole": whole, "models": sum(models.values()), **models}


def nothing_to_do(lake: Path, database: Path, project: str, state: str) -> Seconds:
    """`dbt build` when nothing has arrived, of this project or an empty one, that dbt has parsed before or not."""
    folder = database.parent / "empty" if project == "empty" else ROOT
    if project == "empty":
        folder.mkdir(exist_ok=True)
        shutil.copy(ROOT / "profiles.yml", folder)
        (folder / "dbt_project.yml").write_text(
            "name: empty\nversion: 0.1.0\nconfig-version: 2\nprofile: user_metrics\n"
        )
    if state == "in a process":
        return _Dbt(lake, database, folder).run(*TESTED)
    target = database.parent / "parsed"
    shutil.rmtree(target, ignore_errors=True)
    command = [
        str(Path(sys.executable).with_name("dbt")), *TESTED, "--quiet", "--project-dir", str(folder),
        "--profiles-dir", str(folder), "--target-path", str(target), "--log-path", str(target),
    ]  # fmt: skip
    for _ in range(2 if state == "parsed before" else 1):
        started = time.perf_counter()
        subprocess.run(
            command, check=True, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, timeout=300,
            env={**os.environ, "LAKE_URI": str(lake), "DUCKDB_PATH": str(database)},
        )  # fmt: skip
        whole = time.perf_counter() - started
    return {"whole": whole, "peak_mb": resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss / 1024}


def microbatch(lake: Path, database: Path, day: int) -> Seconds:
    """Batches of dbt, looking back two days as loads are late: none carries a state, so each adds up all orders."""
    folder = database.parent / "microbatch"
    (folder / "models").mkdir(parents=True, exist_ok=True)
    shutil.copy(ROOT / "profiles.yml", folder)
    (folder / "dbt_project.yml").write_text(
        "name: microbatch\nversion: 0.1.0\nconfig-version: 2\nprofile: user_metrics\n"
        "models: {microbatch: {+schema: bare}}\n"
    )
    config = (
        "{{ config(materialized='incremental', incremental_strategy='microbatch', event_time='date', batch_size='day',"
        f" begin='{date_of(0)}', lookback=2, concurrent_batches=false, alias='metrics') }}}}\n"
    )
    tables = {
        table: f"read_parquet('{lake}/{table}/*/*.parquet', hive_partitioning = false)" for table in ("users", "orders")
    }
    day_of_batch = "{{ model.batch.event_time_start.strftime('%Y-%m-%d') if model.batch else '2000-01-01' }}"
    query = (HERE / "one_date.sql").read_text().format(day=day_of_batch, **tables)
    (folder / "models" / "user_metrics.sql").write_text(config + query)
    macros = folder / "macros"
    macros.mkdir(exist_ok=True)
    shutil.copy(ROOT / "macros" / "engines" / "generate_schema_name.sql", macros)
    batches = ("--event-time-start", str(date_of(day - 2)), "--event-time-end", str(date_of(day + 1)))
    return _Dbt(lake, database, folder).run("run", *batches)


def bare(lake: Path, database: Path, day: int, first: int) -> Seconds:
    """One more day by hand: SQL that knows which load is new and how far back it reaches."""
    return _by_hand(["bare_day.sql", "bare_metrics.sql"], lake, database, day, first)


def recomputed(lake: Path, database: Path, day: int) -> Seconds:
    """One more day by hand, where user_metrics is worked out anew from the first date on."""
    return _by_hand(["bare_day.sql", "bare_metrics.sql"], lake, database, day, first=0)


def by_hand(lake: Path, database: Path, day: int) -> Seconds:
    """All that has arrived until a day, for the two above to carry on from."""
    return _by_hand(["bare_history.sql", "bare_metrics.sql"], lake, database, day, first=0)


def copied(lake: Path, database: Path, day: int) -> Seconds:
    """A partition copied to the next date, and ranked: what no way of keeping ranks can do without."""
    return _by_hand(["bare_copy.sql"], lake, database, day, first=0)


def _by_hand(files: list[str], lake: Path, database: Path, day: int, first: int) -> Seconds:
    values = {"lake": lake, "day": date_of(day), "first_date": date_of(first)}
    with duckdb.connect(str(database)) as connection:
        connection.execute("set preserve_insertion_order = false")
        started = time.perf_counter()
        connection.begin()
        for name in files:
            connection.execute((HERE / name).read_text().format(**values))
        connection.commit()
        seconds = time.perf_counter() - started
    return {"whole": seconds, "models": seconds}


PROGRAMS: dict[str, Callable[..., Seconds]] = {
    program.__name__: program
    for program in (
        user_metrics, user_metrics_tested, user_metrics_refreshed, user_metrics_day_by_day, nothing_to_do, microbatch,
        bare, recomputed, by_hand, copied,
    )
}  # fmt: skip

if __name__ == "__main__":
    name, arguments = sys.argv[1:]
    values = json.loads(arguments)
    paths = {key: Path(values.pop(key)) for key in ("lake", "database")}
    report(PROGRAMS[name](**paths, **values))
