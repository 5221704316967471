"""The daily DAG between an application that lives and a warehouse."""

from __future__ import annotations

import random
import shutil
from datetime import UTC, date, datetime, time, timedelta
from decimal import Decimal
from pathlib import Path

from support.airflow import Airflow
from support.application import Application
from support.expectation import expected_metrics
from support.histories import STATUSES
from support.project import ROOT, Project
from support.shop import Row, Shop

TODAY = datetime.now(UTC).date()
YESTERDAY = TODAY - timedelta(days=1)
DAY = [TODAY - timedelta(days=ago) for ago in (4, 3, 2)]

WITHOUT_DOCS = ("--mark-success-pattern", "^docs$")
"""Passes over the task that takes longest and changes no number."""

KINDS = ("sign_up", "order", "order", "order", "order", "move", "correct")
"""Without deletions: when a load of few rows is extracted again, one that is gone stops the build."""


class Pipeline:
    """The shop, the lake that the DAG makes of it, and the warehouse."""

    def __init__(self, application: Application, project: Project, home: Path) -> None:
        self.shop, self.project = Shop(application, random.Random(20)), project
        for second in range(30):
            self.shop.sign_up(datetime.combine(DAY[0], time(1, second)))
        self.lake: dict[str, dict[date, list[Row]]] = {"users": {}, "orders": {}}
        # Airflow makes a DSN of it that psycopg and DuckDB read alike.
        source = f"postgres://postgres@/{application.name}?host={application.server.socket.parent}"
        environment = {
            **project.environment(), "AIRFLOW_CONN_USER_METRICS_SOURCE": source, "SOURCE_ATTEMPTS": "1",
            "USER_METRICS_HOME": str(ROOT), "USER_METRICS_TARGET": project.target,
            "USER_METRICS_RETRIES": "1", "USER_METRICS_RETRY_SECONDS": "1",
            # To read a DAG that does not change every half a minute takes a sixth of a core.
            "AIRFLOW__DAG_PROCESSOR__MIN_FILE_PROCESS_INTERVAL": "600",
        }  # fmt: skip
        # Apart from the project, as in an installation.
        dags = shutil.copytree(ROOT / "dags", home / "dags", ignore=shutil.ignore_patterns("__pycache__"))
        self.airflow = Airflow(home, application.server, f"{application.name}_airflow", environment, dags)

    def run(self, day: date, *options: str, **environment: str) -> None:
        """A run that must succeed; what it extracts is what the shop has now."""
        states = self.airflow.run(day, *options, **environment)
        assert states["docs"] == "success", self.airflow.log[-10_000:]
        self.extracted(day)

    def extracted(self, day: date) -> None:
        """What an extraction of a date has brought now."""
        self.lake["users"][day] = self.shop.load("users", day, whole=True)
        self.lake["orders"][day] = self.shop.load("orders", day, whole=False)

    def compare(self) -> None:
        """user_metrics against the source's history."""
        expected = expected_metrics(self.lake["users"], self.lake["orders"], STATUSES, max(self.lake["orders"]))
        assert self.project.metrics() == expected

    def correct_behind_its_back(self, day: date) -> None:
        """Gives an order of a date another amount without another time, which only that date's extraction can bring."""
        (id,) = [row["id"] for row in self.shop.load("orders", day, whole=False) if row["user_id"]][:1]
        self.shop.application.sql("update orders set amount = 5000 where id = %s", id)
        moment, order = self.shop.history["orders"][id][-1]
        assert order is not None
        self.shop.history["orders"][id].append((moment, {**order, "amount": Decimal(5000)}))
