"""The same day as other tools do it: Spark in .venv-spark, polars and SQLMesh in .venv-compare.

Every one of them writes the last date, or the three that a day reaches, from all orders so far: none carries a state
from one date to the next. Run as `python -m benchmarks.others <program> <JSON of its arguments>`, in its own process.
What they write lies beside the DuckDB file that others would write, in a folder `output`: the last date, as parquet.
"""

from __future__ import annotations

import json
import shutil
import sys
import time
from collections.abc import Callable
from datetime import date, timedelta
from pathlib import Path
from typing import Any

from benchmarks.report import report

Seconds = dict[str, float]


def one_date(day: date, users: str, orders: str) -> str:
    """The query of one date."""
    return (Path(__file__).parent / "one_date.sql").read_text().format(day=day, users=users, orders=orders)


def pyspark(lake: Path, output: Path, day: date) -> Seconds:
    """The job without dbt: all orders until a date are joined, added up and ranked, and its partition overwritten.

    `whole` has the start of the session in it; `models` is the second run in a session, which is warm.
    """
    from pyspark.sql import SparkSession

    started = time.perf_counter()
    spark = (
        SparkSession.builder.master("local[2]")
        .config("spark.ui.enabled", "false")
        .config("spark.sql.session.timeZone", "UTC")
        .config("spark.driver.memory", "4g")
        .config("spark.driver.bindAddress", "127.0.0.1")
        .config("spark.driver.host", "127.0.0.1")
        .config("spark.sql.shuffle.partitions", "4")
        .config("spark.log.level", "ERROR")
        .getOrCreate()
    )

    def write() -> None:
        for table in ("users", "orders"):
            spark.read.parquet(f"{lake}/{table}").createOrReplaceTempView(table)
        spark.sql(one_date(day, "users", "orders")).write.mode("overwrite").parquet(str(output))

    write()
    whole = time.perf_counter() - started
    started = time.perf_counter()
    write()
    return {"whole": whole, "models": time.perf_counter() - started}


def polars(lake: Path, output: Path, day: date) -> Seconds:
    """The same with polars, by hand."""
    import polars as pl

    started = time.perf_counter()
    versions = pl.scan_parquet(f"{lake}/users/*/*.parquet", hive_partitioning=False)
    users = (
        versions.filter(pl.col("updated_at").dt.date() <= day)
        .sort("updated_at")
        .group_by("id")
        .agg(pl.col("email").last(), pl.col("created_at").min().dt.date().alias("signed_up"))
    )
    orders = (
        pl.scan_parquet(f"{lake}/orders/*/*.parquet", hive_partitioning=False)
        .sort("updated_at")
        .unique("id", keep="last")
        .filter((pl.col("status") != "cancelled") & (pl.col("created_at").dt.date() <= day))
        .join(users, left_on="user_id", right_on="id")
    )
    completed, amount = pl.col("status") == "completed", pl.col("amount")
    today = pl.max_horizontal(pl.col("created_at").dt.date(), "signed_up") == day
    totals = orders.group_by("user_id").agg(
        completed.sum().alias("order_count"),
        amount.sum().alias("total_spent"),
        pl.col("created_at").filter(completed).max().alias("last_order_at"),
        (completed & today).sum().alias("daily_order_count"),
        amount.filter(today).sum().alias("daily_total_spent"),
    )
    sums = ["order_count", "total_spent", "daily_order_count", "daily_total_spent"]
    metrics = (
        users.join(totals, left_on="id", right_on="user_id", how="left")
        .with_columns(pl.col(sums).fill_null(0))
        .with_columns(spent=pl.col("total_spent").cast(pl.Float64), orders=pl.col("order_count").cast(pl.Float64))
        .select(
            pl.lit(day).alias("date"), pl.col("id").alias("user_id"), "email", "order_count", "total_spent",
            pl.when(pl.col("orders") > 0).then(pl.col("spent") / pl.col("orders")).alias("avg_order_value"),
            "last_order_at", "daily_order_count", "daily_total_spent",
            pl.col("total_spent").rank("min", descending=True).alias("spending_rank"),
        )
    )  # fmt: skip
    output.mkdir(parents=True, exist_ok=True)
    metrics.collect().write_parquet(output / "part_0.parquet")
    seconds = time.perf_counter() - started
    return {"whole": seconds, "models": seconds}


def sqlmesh(lake: Path, output: Path, day: date) -> Seconds:
    """A model of SQLMesh that looks back two days, as loads are late; each date is added up from all orders."""
    import duckdb
    from sqlmesh import Context
    from sqlmesh.core.config import Config, DuckDBConnectionConfig, GatewayConfig, ModelDefaultsConfig

    home = output.parent / "sqlmesh"
    shutil.rmtree(home, ignore_errors=True)
    (home / "models").mkdir(parents=True)
    database = home / "db.duckdb"
    for table in ("users", "orders"):
        (home / "models" / f"{table}.sql").write_text(
            f"MODEL (name lake.{table}, kind VIEW);\n"
            f"SELECT * FROM READ_PARQUET('{lake}/{table}/*/*.parquet', hive_partitioning = false)"
        )
    shutil.copy(Path(__file__).parent / "sqlmesh_model.sql", home / "models" / "user_metrics.sql")
    config = Config(
        gateways={"": GatewayConfig(connection=DuckDBConnectionConfig(database=str(database), concurrent_tasks=1))},
        model_defaults=ModelDefaultsConfig(dialect="duckdb", start=str(day - timedelta(days=3))),
    )
    context = Context(paths=str(home), config=config)
    context.plan("prod", execution_time=day, auto_apply=True, no_prompts=True)
    started = time.perf_counter()
    context.run("prod", execution_time=day + timedelta(days=1))
    seconds = time.perf_counter() - started
    context.close()
    output.mkdir(parents=True, exist_ok=True)
    with duckdb.connect(str(database)) as connection:
        connection.execute(
            f"copy (select * from lake.user_metrics where date = '{day}') to '{output}/part_0.parquet' (format parquet)"
        )
    return {"whole": seconds, "models": seconds}


PROGRAMS: dict[str, Callable[[Path, Path, date], Seconds]] = {
    program.__name__: program for program in (pyspark, polars, sqlmesh)
}

if __name__ == "__main__":
    name, arguments = sys.argv[1:]
    values: dict[str, Any] = json.loads(arguments)
    folder = Path(values["database"]).parent / "output"
    report(PROGRAMS[name](Path(values["lake"]), folder, date.fromisoformat(values["day"])))
