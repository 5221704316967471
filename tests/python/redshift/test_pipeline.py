"""The daily DAG into the warehouse."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from support.application import Application
from support.pipeline import DAY, KINDS, WITHOUT_DOCS, YESTERDAY, Pipeline
from support.redshift.project import RedshiftProject

pytestmark = [pytest.mark.redshift, pytest.mark.airflow, pytest.mark.timeout(1200)]


@pytest.fixture
def pipeline(application: Application, warehouse: RedshiftProject, tmp_path: Path) -> Pipeline:
    """A pipeline of nothing yet, into the warehouse."""
    return Pipeline(application, warehouse, tmp_path / "airflow")


def test_three_dates_on_which_the_warehouse_fails_and_an_old_one_again(
    pipeline: Pipeline, warehouse: RedshiftProject
) -> None:
    airflow = pipeline.airflow
    pipeline.shop.live(DAY[0], KINDS)
    pipeline.run(DAY[0], *WITHOUT_DOCS)
    pipeline.compare()
    # It fails twice while loads are taken in, and then whenever dbt begins: what is there stays.
    before = warehouse.metrics()
    pipeline.shop.live(DAY[1], KINDS)
    for nth in (1, 2):
        warehouse.server.cut(r"^\s*copy\b", nth)
    for nth in (1, 2, 3):
        warehouse.server.cut('"list_dev"', nth)
    states = airflow.run(DAY[1])
    assert (states["load"], airflow.tries(DAY[1])["load"]) == ("success", 3)
    assert states["dbt.dbt_producer_watcher"] == states["dbt.stg_users_run"] == "failed"
    assert states["dbt.user_metrics.run"] == states["user_metrics"] == states["docs"] == "upstream_failed"
    assert airflow.tries(DAY[1])["dbt.dbt_producer_watcher"] == 3
    assert "Task dbt.dbt_producer_watcher of user_metrics_pipeline failed" in airflow.log
    assert warehouse.metrics() == before
    pipeline.run(DAY[1], *WITHOUT_DOCS)
    pipeline.compare()
    # It goes down while dbt writes, and comes back: readers find what was there, and the next try heals.
    before = warehouse.metrics()
    found: list[list[Any]] = []

    def fail() -> None:
        warehouse.server.restart()
        found.append(warehouse.metrics())

    pipeline.shop.live(DAY[2], KINDS)
    warehouse.server.before('insert into "dev"."analytics"."user_metrics"', fail)
    pipeline.run(DAY[2], *WITHOUT_DOCS)
    assert found == [before]
    assert airflow.tries(DAY[2])["dbt.dbt_producer_watcher"] == 2
    pipeline.compare()
    pipeline.correct_behind_its_back(DAY[0])
    pipeline.run(DAY[0], *WITHOUT_DOCS)
    pipeline.compare()


def test_a_range_of_dates_by_a_backfill_of_airflow(pipeline: Pipeline) -> None:
    days = [*DAY[:2], YESTERDAY]
    for day in days:
        pipeline.shop.live(day, KINDS)
    with pipeline.airflow.server():
        # As the DAG is switched on, the run of yesterday comes by itself.
        pipeline.airflow.wait_for_runs("scheduled", 1)
        pipeline.airflow.command_of_the_page("backfill create", *DAY[:2])
        pipeline.airflow.wait_for_runs("backfill", 2)
    for day in days:
        pipeline.extracted(day)
    pipeline.compare()
