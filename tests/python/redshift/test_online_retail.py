"""The real year by COPY, load by load: what DuckDB makes of it, and every published figure."""

from __future__ import annotations

from pathlib import Path

import pytest
from support.figures import FIGURES
from support.project import Project
from support.redshift.project import RedshiftProject
from support.redshift.standin import RedshiftStandIn

pytestmark = [pytest.mark.redshift, pytest.mark.online_retail]


def test_the_published_figures_come_out_as_on_duckdb(
    redshift: RedshiftStandIn, online_retail: Path, tmp_path: Path
) -> None:
    warehouse = RedshiftProject(tmp_path / "redshift", redshift, lake=online_retail)
    loads = sorted({folder.name.removeprefix("date=") for folder in online_retail.glob("*/date=*")})
    for load in loads[:5]:
        warehouse.copy_loads(load)
        if load == loads[0]:
            warehouse.run("build", "--exclude-resource-type", "test", "unit_test", "snapshot")
        else:
            warehouse.run("run", run_date=load)
    for load in loads[5:]:
        warehouse.copy_loads(load)
    warehouse.run("run", run_date=loads[-1])
    for query, figures in FIGURES.items():
        assert warehouse.query(query) == figures, query

    on_duckdb = Project(tmp_path / "duckdb", lake=online_retail)
    on_duckdb.run("build", "--exclude-resource-type", "test", "unit_test", "snapshot")
    assert warehouse.metrics() == on_duckdb.metrics()
