"""The DAG end to end, on real parts: what must come out, the history of the source says."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from support.application import Application
from support.pipeline import DAY, KINDS, YESTERDAY, Pipeline
from support.s3 import S3, ProjectOnS3

pytestmark = [pytest.mark.airflow, pytest.mark.timeout(1200)]

NOWHERE = "postgres://postgres@127.0.0.1:9/shop"

AFTER = """
from airflow.providers.standard.operators.empty import EmptyOperator
from airflow.sdk import DAG, Asset

with DAG("after_user_metrics", schedule=[Asset("user_metrics")]):
    EmptyOperator(task_id="read")
"""


@pytest.fixture
def pipeline(application: Application, s3: S3, tmp_path: Path) -> Pipeline:
    """A pipeline of nothing yet, into DuckDB."""
    return Pipeline(application, ProjectOnS3(tmp_path, s3), tmp_path / "airflow")


def test_the_scheduler_runs_yesterday_until_all_is_well_and_then_a_range_of_dates(
    pipeline: Pipeline, s3: S3, pytestconfig: pytest.Config
) -> None:
    airflow, application = pipeline.airflow, pipeline.shop.application
    (airflow.dags / "after.py").write_text(AFTER)
    past = DAY[: pytestconfig.getoption("--backfill-days")]
    days = [*past, YESTERDAY]
    for day in days:
        pipeline.shop.live(day, KINDS)
    # The connection is kept in Airflow; the source is down, and has an order that no test lets pass.
    source = airflow.environment.pop("AIRFLOW_CONN_USER_METRICS_SOURCE")
    airflow.connect("user_metrics_source", NOWHERE)
    (order,) = [row for row in pipeline.shop.now("orders") if row["updated_at"].date() == YESTERDAY][:1]
    application.sql("update orders set status = 'lost' where id = %s", order["id"])
    with airflow.server(USER_METRICS_DEADLINE_MINUTES="0"):
        # As the DAG is switched on, the run of yesterday comes by itself.
        airflow.wait_for_runs("scheduled", "failed")
        states = airflow.states(YESTERDAY)
        assert states["extract_users"] == states["extract_orders"] == "failed"
        assert states["dbt.user_metrics.run"] == states["user_metrics"] == states["docs"] == "upstream_failed"
        assert airflow.tries(YESTERDAY)["extract_users"] == 2
        said = airflow.logs()
        assert "Task extract_users of user_metrics_pipeline failed in run scheduled__" in said
        assert "A run of user_metrics_pipeline is late: scheduled__" in said
        # The source is back. What the log says to run clears what has failed; the lake is overloaded for a while.
        airflow.connect("user_metrics_source", source)
        (clear,) = set(re.findall(r"airflow (tasks clear .* --end-date \d{4}-\d\d-\d\d)", said))
        with s3.failing("PUT", [503] * 8), s3.failing("GET", [503, 500] * 2):
            assert airflow.command(*clear.split()) == 0, airflow.log
            airflow.wait_for_runs("scheduled", "failed")
        states, tries = airflow.states(YESTERDAY), airflow.tries(YESTERDAY)
        assert states["extract_users"] == states["extract_orders"] == "success"
        assert states["dbt.order_statuses.seed"] == states["dbt.rejected_orders.test"] == "success"
        assert states["dbt.order_statuses.test"] == "failed"
        assert states["user_metrics"] == states["docs"] == "upstream_failed"
        assert tries["dbt.dbt_producer_watcher"] == 2
        assert "assert_statuses_are_known" in airflow.logs()
        assert "user_metrics" not in pipeline.project.tables()
        assert airflow.ended("asset_triggered") == []
        # All is well again.
        application.sql("update orders set status = %s where id = %s", order["status"], order["id"])
        airflow.command_of_the_page("--task-regex", YESTERDAY, YESTERDAY)
        airflow.wait_for_runs("scheduled", "success")
        again = airflow.tries(YESTERDAY)
        assert [again[f"extract_{table}"] - tries[f"extract_{table}"] for table in ("users", "orders")] == [0, 1]
        airflow.wait_for_runs("asset_triggered", "success")
        pipeline.extracted(YESTERDAY)
        pipeline.compare()
        airflow.command_of_the_page("backfill create", past[0], past[-1])
        airflow.wait_for_runs("backfill", *["success"] * len(past))
        assert [airflow.states(day)["docs"] for day in days] == [*["skipped"] * len(past), "success"]
        for day in past:
            pipeline.extracted(day)
        pipeline.compare()
