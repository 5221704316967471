"""Starts Airflow on this machine with the pipeline on a small shop that never was: `make airflow`.

Everything lies in data/airflow, PostgreSQL of the shop too, and goes on where it was when it is started again.
"""

from __future__ import annotations

import json
import os
import random
import subprocess
import time
import urllib.request
from datetime import UTC, date, datetime, timedelta

from rich.console import Console
from support.airflow import DAG, Airflow
from support.application import TABLES
from support.postgres import PostgresServer
from support.project import ROOT

from user_metrics.sample import Shop

HOME = ROOT / "data" / "airflow"
DAYS = 30


def open_shop(server: PostgresServer, last_date: date) -> None:
    """Makes the shop's tables and fills them, where they are not there yet."""
    if server.sql("select 1 from pg_database where datname = 'shop'", user="postgres", database="postgres"):
        return
    server.sql("create database shop", user="postgres", database="postgres")
    server.sql(TABLES, user="postgres", database="shop")
    shop = Shop(random.Random(str(last_date)))
    for ago in reversed(range(DAYS)):
        shop.trade(last_date - timedelta(days=ago))
    for table, rows in (("users", shop.users), ("orders", shop.orders)):
        values = json.dumps(list(rows.values()), default=str)
        insert = f"insert into {table} select * from json_populate_recordset(null::{table}, %s)"
        server.sql(f"set timezone = 'UTC'; {insert}", values, user="postgres", database="shop")


def wait_for(address: str, server: subprocess.Popen[bytes]) -> None:
    """Waits until Airflow answers; raises SystemExit where it ends before, or does not within three minutes."""
    deadline = time.monotonic() + 180
    while time.monotonic() < deadline and server.poll() is None:
        try:
            urllib.request.urlopen(f"{address}/api/v2/version", timeout=5).close()
            return
        except OSError:
            time.sleep(1)
    raise SystemExit(f"Airflow did not start: {HOME / 'api-server.log'} says why.")


def watch(airflow: Airflow, day: date) -> None:
    """Shows how far the first run is, which comes by itself, until it has ended."""
    with Console().status("") as shown:
        while not (ended := airflow.ended("scheduled")):
            states = list(airflow.states(day).values())
            shown.update(f"The run of {day}: {states.count('success')} of {len(states) or 'its'} tasks are done")
            time.sleep(1)
    print(f"The run of {day} has ended: {ended[-1]}.", flush=True)


def main() -> None:
    """Runs until it is interrupted."""
    port = os.environ.get("AIRFLOW_PORT", "8080")
    address = f"http://127.0.0.1:{port}"
    yesterday = datetime.now(UTC).date() - timedelta(days=1)
    print("Starting PostgreSQL and Airflow in data/airflow …", flush=True)
    with PostgresServer(HOME / "postgres") as source:
        open_shop(source, yesterday)
        airflow = Airflow(
            HOME,
            source,
            "airflow",
            {
                "AIRFLOW_CONN_USER_METRICS_SOURCE": f"postgres://postgres@/shop?host={source.socket.parent}",
                # Yesterday's run comes by itself, and is to bring what the shop has had before.
                "SOURCE_OVERLAP_MINUTES": str(DAYS * 24 * 60),
                "LAKE_URI": str(HOME / "lake"),
                "DUCKDB_PATH": str(HOME / "user_metrics.duckdb"),
                "USER_METRICS_RETRY_SECONDS": "5",
            },
        )
        try:
            with airflow.server(int(port)) as server:
                wait_for(address, server)
                print(f"{address}/dags/{DAG}\nNo login is asked for, as only this machine is answered. Ctrl-C ends it.")
                watch(airflow, yesterday)
                server.wait()
        except KeyboardInterrupt:
            print("Airflow was stopped.")


if __name__ == "__main__":
    main()
