"""Starts Airflow on this machine with the pipeline on a small shop that never was: `make airflow`.

Everything lies in data/airflow, PostgreSQL of the shop too, and goes on where it was when it is started again.
"""

from __future__ import annotations

import json
import os
import random
import signal
import subprocess
import time
import urllib.error
import urllib.request
from datetime import UTC, date, datetime, timedelta
from pathlib import Path

from support.application import TABLES
from support.postgres import PostgresServer

from user_metrics.sample import Shop

ROOT = Path(__file__).parents[1]
HOME = ROOT / "data" / "airflow"
AIRFLOW = ROOT / ".venv-airflow" / "bin" / "airflow"
DAG = "user_metrics_pipeline"
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
        except (urllib.error.URLError, OSError):
            time.sleep(1)
    raise SystemExit(f"Airflow did not start: {HOME / 'airflow.log'} says why.")


def main() -> None:
    """Runs until it is interrupted."""
    port = os.environ.get("AIRFLOW_PORT", "8080")
    address = f"http://127.0.0.1:{port}"
    yesterday = datetime.now(UTC).date() - timedelta(days=1)
    HOME.mkdir(parents=True, exist_ok=True)
    with PostgresServer(HOME / "postgres") as source:
        open_shop(source, yesterday)
        environment = {
            **os.environ,
            "PATH": f"{AIRFLOW.parent}{os.pathsep}{os.environ['PATH']}",
            "AIRFLOW_HOME": str(HOME),
            "AIRFLOW__CORE__DAGS_FOLDER": str(ROOT / "dags"),
            "AIRFLOW__CORE__LOAD_EXAMPLES": "False",
            "AIRFLOW__CORE__SIMPLE_AUTH_MANAGER_ALL_ADMINS": "True",
            "AIRFLOW__CORE__EXECUTION_API_SERVER_URL": f"{address}/execution/",
            "AIRFLOW__API__HOST": "127.0.0.1",
            "AIRFLOW__API__PORT": port,
            "AIRFLOW__API__WORKERS": "1",
            "AIRFLOW__CORE__PARALLELISM": "4",
            "AIRFLOW__CORE__DAGS_ARE_PAUSED_AT_CREATION": "False",
            # Yesterday's run comes by itself, and is to bring what the shop has had before.
            "SOURCE_OVERLAP_MINUTES": str(DAYS * 24 * 60),
            "AIRFLOW_CONN_USER_METRICS_SOURCE": f"postgres://postgres@/shop?host={source.socket.parent}",
            "LAKE_URI": str(HOME / "lake"),
            "DUCKDB_PATH": str(HOME / "user_metrics.duckdb"),
            "DBT_TARGET_PATH": str(HOME / "target"),
        }

        with (HOME / "airflow.log").open("w") as log:
            server = subprocess.Popen(
                [AIRFLOW, "standalone"], env=environment, cwd=HOME, stdin=subprocess.DEVNULL, stdout=log, stderr=log,
                start_new_session=True,
            )  # fmt: skip
            try:
                wait_for(address, server)
                print(f"{address}/dags/{DAG}\nNo login is asked for, as only this machine is answered. Ctrl-C ends it.")
                server.wait()
            except KeyboardInterrupt:
                print("Airflow is being stopped …")
            finally:
                # As by Ctrl-C: by SIGTERM it would leave its scheduler behind.
                server.send_signal(signal.SIGINT)
                server.wait(timeout=60)


if __name__ == "__main__":
    main()
