"""The DAG end to end, on real parts: what must come out, the history of the source says."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from support.application import Application
from support.pipeline import DAY, KINDS, TODAY, WITHOUT_DOCS, YESTERDAY, Pipeline
from support.s3 import S3, ProjectOnS3

pytestmark = [pytest.mark.airflow, pytest.mark.timeout(1200)]


@pytest.fixture
def pipeline(application: Application, s3: S3, tmp_path: Path) -> Pipeline:
    """A pipeline of nothing yet, into DuckDB."""
    return Pipeline(application, ProjectOnS3(tmp_path, s3), tmp_path / "airflow")


def test_three_dates_of_which_the_first_fails_until_all_is_well(pipeline: Pipeline, s3: S3) -> None:
    airflow, day = pipeline.airflow, DAY[0]
    pipeline.shop.live(day, KINDS)
    # A source that is down for good.
    states = airflow.run(day, AIRFLOW_CONN_USER_METRICS_SOURCE="postgres://postgres@127.0.0.1:9/shop")
    assert states["extract_users"] == states["extract_orders"] == "failed"
    assert states["dbt.user_metrics.run"] == states["user_metrics"] == states["docs"] == "upstream_failed"
    assert airflow.tries(day)["extract_users"] == 3
    assert f"Task extract_users of user_metrics_pipeline failed in run manual__{TODAY}" in airflow.log
    # What the log says to run does clear what has failed, and nothing else.
    (again,) = set(re.findall(r"airflow (tasks clear .* --end-date \S+)", airflow.log))
    assert airflow.command(*again.split()) == 0
    assert set(airflow.states(day).values()) == {None}
    # A lake that is overloaded for a while, and an order that no test lets pass.
    pipeline.shop.application.sql("update orders set status = 'lost' where id = 1")
    with s3.failing("PUT", [503, 500] * 4), s3.failing("GET", [503, 500] * 4):
        states = airflow.run(day)
    assert states["extract_users"] == states["extract_orders"] == "success"
    assert sum(airflow.tries(day)[f"extract_{table}"] for table in ("users", "orders")) > 2
    assert airflow.tries(day)["source_freshness"] > 1
    assert airflow.tries(day)["dbt.dbt_producer_watcher"] == 3
    assert states["dbt.order_statuses.seed"] == states["dbt.rejected_orders.test"] == "success"
    assert states["dbt.order_statuses.test"] == "failed"
    assert states["user_metrics"] == states["docs"] == "upstream_failed"
    assert "assert_statuses_are_known" in airflow.log
    assert "user_metrics" not in pipeline.project.tables()
    # All is well again.
    right = pipeline.shop.now("orders")[0]["status"]
    pipeline.shop.application.sql("update orders set status = %s where id = 1", right)
    pipeline.run(day, *WITHOUT_DOCS)
    pipeline.compare()
    for day in DAY[1:]:
        pipeline.shop.live(day, KINDS)
        pipeline.run(day, *WITHOUT_DOCS)
        pipeline.compare()


AFTER = """
from airflow.providers.standard.operators.empty import EmptyOperator
from airflow.sdk import DAG, Asset

with DAG("after_user_metrics", schedule=[Asset("user_metrics")]):
    EmptyOperator(task_id="read")
"""


def test_the_scheduler_runs_yesterday_a_range_of_dates_one_that_is_cleared_and_whoever_waits(
    pipeline: Pipeline,
) -> None:
    airflow = pipeline.airflow
    (airflow.dags / "after.py").write_text(AFTER)
    source = airflow.environment.pop("AIRFLOW_CONN_USER_METRICS_SOURCE")
    assert airflow.command("connections", "add", "user_metrics_source", "--conn-uri", source) == 0, airflow.log
    days = [*DAY[:2], YESTERDAY]
    for day in days:
        pipeline.shop.live(day, KINDS)
    with airflow.server(USER_METRICS_DEADLINE_MINUTES="0"):
        # As the DAG is switched on, the run of yesterday comes by itself.
        airflow.wait_for_runs("scheduled", 1)
        airflow.wait_for_runs("asset_triggered", 1)
        airflow.command_of_the_page("backfill create", *DAY[:2])
        airflow.wait_for_runs("backfill", 2)
        assert [airflow.states(day)["docs"] for day in days] == ["skipped", "skipped", "success"]
        for day in days:
            pipeline.extracted(day)
        pipeline.compare()
        pipeline.correct_behind_its_back(DAY[0])
        airflow.command_of_the_page("--task-regex", DAY[0], DAY[0])
        airflow.wait_for_runs("backfill", 2)
        assert [airflow.tries(DAY[0])[f"extract_{table}"] for table in ("users", "orders")] == [1, 2]
        pipeline.lake["orders"][DAY[0]] = pipeline.shop.load("orders", DAY[0], whole=False)
        pipeline.compare()
    said = [file.read_text() for file in (airflow.home / "logs" / "executor_callbacks").rglob("*") if file.is_file()]
    (told,) = (text for text in said if "is late" in text)
    assert "A run of user_metrics_pipeline is late: scheduled__" in told
