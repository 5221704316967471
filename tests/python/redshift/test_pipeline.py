"""The daily DAG into the warehouse."""

from __future__ import annotations

from pathlib import Path

import pytest
from support.application import Application
from support.pipeline import DAY, KINDS, WITHOUT_DOCS, Pipeline
from support.redshift.project import RedshiftProject

pytestmark = [pytest.mark.redshift, pytest.mark.airflow]


def test_two_dates_one_after_the_other_and_an_old_one_again(
    application: Application, warehouse: RedshiftProject, tmp_path: Path
) -> None:
    pipeline = Pipeline(application, warehouse, tmp_path / "airflow")
    for day in DAY[:2]:
        pipeline.shop.live(day, KINDS)
        pipeline.run(day, *WITHOUT_DOCS)
        pipeline.compare()
    pipeline.correct_behind_its_back(DAY[0])
    pipeline.run(DAY[0], *WITHOUT_DOCS)
    pipeline.compare()
