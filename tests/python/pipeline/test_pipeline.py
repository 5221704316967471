"""The DAG end to end, on real parts: what must come out, the history of the source says."""

from __future__ import annotations

import re
from datetime import timedelta
from pathlib import Path

import pytest
from support.application import Application
from support.pipeline import DAY, KINDS, TODAY, WITHOUT_DOCS, Pipeline
from support.project import ROOT
from support.s3 import S3, ProjectOnS3

pytestmark = pytest.mark.airflow


@pytest.fixture
def pipeline(application: Application, s3: S3, tmp_path: Path) -> Pipeline:
    """A pipeline of nothing yet, into DuckDB."""
    return Pipeline(application, ProjectOnS3(tmp_path, s3), tmp_path / "airflow")


def test_three_dates_one_after_the_other_and_an_old_one_again(pipeline: Pipeline) -> None:
    for day in DAY:
        pipeline.shop.live(day, KINDS)
        pipeline.run(day, *WITHOUT_DOCS if day != DAY[-1] else ())
        pipeline.compare()
    pipeline.correct_behind_its_back(DAY[0])
    pipeline.run(DAY[0], *WITHOUT_DOCS)
    pipeline.compare()
    # What the page has clears orders and what comes after them, and no users.
    page = (ROOT / "docs" / "pipeline.md").read_text().replace("\\\n", "").replace("2024-01-05", str(DAY[0]))
    (command,) = re.findall(r"airflow (tasks clear .* --task-regex .*)", page)
    assert pipeline.airflow.command(*command.split()) == 0
    states = pipeline.airflow.states(DAY[0])
    assert states["extract_users"] == "success"
    assert states["extract_orders"] is states["dbt.user_metrics.run"] is states["docs"] is None


def test_what_fails_is_tried_again_and_then_told_and_a_later_try_heals(pipeline: Pipeline, s3: S3) -> None:
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
    with s3.failing([503, 500] * 4):
        states = airflow.run(day)
    assert states["extract_users"] == states["extract_orders"] == "success"
    assert sum(airflow.tries(day)[f"extract_{table}"] for table in ("users", "orders")) > 2
    assert airflow.tries(day)["dbt.dbt_producer_watcher"] == 3
    assert states["dbt.order_statuses.seed"] == states["dbt.rejected_orders.test"] == "success"
    assert states["dbt.order_statuses.test"] == "failed"
    assert states["user_metrics"] == states["docs"] == "upstream_failed"
    assert "assert_statuses_are_known" in airflow.log
    assert "user_metrics" not in pipeline.project.tables()
    # All is well again.
    pipeline.shop.application.sql(
        "update orders set status = %s where id = 1", pipeline.shop.now("orders")[0]["status"]
    )
    pipeline.run(day, *WITHOUT_DOCS)
    pipeline.compare()


def test_a_range_of_dates_by_a_backfill_of_airflow(pipeline: Pipeline) -> None:
    days = [*DAY[:2], TODAY - timedelta(days=1)]
    for day in days:
        pipeline.shop.live(day, KINDS)
    with pipeline.airflow.server():
        states = pipeline.airflow.backfill(DAY[0], DAY[1])
    assert states == ["success", "success"]
    for day in days:
        pipeline.extracted(day)
    pipeline.compare()
