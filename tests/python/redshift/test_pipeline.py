"""The daily DAG into the warehouse."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from support.application import Application
from support.pipeline import DAY, KINDS, WITHOUT_DOCS, Pipeline
from support.redshift.project import RedshiftProject
from support.redshift.shop import MODELS

pytestmark = [pytest.mark.redshift, pytest.mark.airflow, pytest.mark.timeout(1200)]


@pytest.fixture
def pipeline(application: Application, warehouse: RedshiftProject, tmp_path: Path) -> Pipeline:
    """A pipeline of nothing yet, into the warehouse."""
    return Pipeline(application, warehouse, tmp_path / "airflow")


def test_a_warehouse_that_fails_again_and_again_is_right_at_the_end(
    pipeline: Pipeline, warehouse: RedshiftProject, pytestconfig: pytest.Config
) -> None:
    airflow = pipeline.airflow
    # What is there before: the first date, taken in without Airflow.
    pipeline.shop.live(DAY[0], KINDS)
    for options in (("users", "--whole"), ("orders",)):
        done = warehouse.command("extract", "--date", str(DAY[0]), "--table", *options)
        assert done.exit_code == 0, done.output
    warehouse.load()
    warehouse.run(*MODELS)
    pipeline.extracted(DAY[0])
    pipeline.compare()
    # It fails whenever dbt begins: what is there stays.
    before = warehouse.metrics()
    for nth in (1, 2):
        warehouse.server.cut('"list_dev"', nth)
    states = airflow.run(DAY[1], "--mark-success-pattern", "^(extract_.*|load|source_freshness)$")
    assert states["dbt.dbt_producer_watcher"] == states["dbt.stg_users_run"] == "failed"
    assert states["dbt.user_metrics.run"] == states["user_metrics"] == states["docs"] == "upstream_failed"
    assert airflow.tries(DAY[1])["dbt.dbt_producer_watcher"] == 2
    assert "Task dbt.dbt_producer_watcher of user_metrics_pipeline failed" in airflow.log
    assert warehouse.metrics() == before
    # It fails while a load is taken in, and the next try does it; then it goes down while dbt writes, and comes back:
    # readers find what was there, and the next try heals.
    found: list[list[Any]] = []

    def fail() -> None:
        warehouse.server.restart()
        found.append(warehouse.metrics())

    pipeline.correct_behind_its_back(DAY[0])
    warehouse.server.cut(r"^\s*copy\b")
    warehouse.server.before('insert into "dev"."analytics"."user_metrics"', fail)
    pipeline.run(DAY[0], *WITHOUT_DOCS)
    assert found == [before]
    assert [airflow.tries(DAY[0])[task] for task in ("load", "dbt.dbt_producer_watcher")] == [2, 2]
    pipeline.compare()
    for day in DAY[1 : pytestconfig.getoption("--backfill-days")]:
        pipeline.shop.live(day, KINDS)
        pipeline.run(day)
        pipeline.compare()
