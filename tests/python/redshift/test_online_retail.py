"""The real year by COPY, load by load: what DuckDB makes of it, and of the whole year every published figure."""

from __future__ import annotations

import re
import shutil
from datetime import date
from pathlib import Path

import pytest
from support.figures import FIGURES
from support.project import ROOT, Project
from support.redshift.project import RedshiftProject
from support.redshift.standin import RedshiftStandIn

pytestmark = [pytest.mark.redshift, pytest.mark.online_retail]


def test_the_published_figures_come_out_as_on_duckdb(
    redshift: RedshiftStandIn, online_retail: Path, tmp_path: Path, pytestconfig: pytest.Config
) -> None:
    year = sorted({folder.name.removeprefix("date=") for folder in online_retail.glob("*/date=*")})
    loads = year[: pytestconfig.getoption("--year-loads")]
    on_duckdb = Project(tmp_path / "duckdb")
    for load in loads:
        for partition in online_retail.glob(f"*/date={load}"):
            shutil.copytree(partition, on_duckdb.lake / partition.parent.name / partition.name)
    warehouse = RedshiftProject(tmp_path / "redshift", redshift, lake=on_duckdb.lake)
    for load in loads[:3]:
        warehouse.load(date.fromisoformat(load))
        if load == loads[0]:
            warehouse.run("build", "--exclude-resource-type", "test", "unit_test", "snapshot")
        else:
            warehouse.run("run", run_date=load)
    warehouse.load(date.fromisoformat(loads[-2]))
    warehouse.run("run")
    counted = []
    for command in (warehouse.load, lambda: warehouse.run("run", run_date=loads[-1])):
        warehouse.server.statements.clear()
        command()
        counted.append(len(warehouse.server.statements))
    page = (ROOT / "docs" / "redshift.md").read_text()
    told = re.findall(r"^\| `(?:user-metrics load|dbt run) .*?` \| (\d+) \|", page, re.MULTILINE)
    assert counted == pytest.approx([int(number) for number in told], abs=5)
    if loads == year:
        for query, figures in FIGURES.items():
            assert warehouse.query(query) == figures, query
    on_duckdb.run("build", "--exclude-resource-type", "test", "unit_test", "snapshot")
    assert warehouse.metrics() == on_duckdb.metrics()
