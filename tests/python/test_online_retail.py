"""The real year: every published figure, in one build and load by load."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest
from figures import FIGURES
from project import Project

pytestmark = pytest.mark.online_retail


def test_the_published_figures_come_out_in_one_build_and_load_by_load(online_retail: Path, tmp_path: Path) -> None:
    whole = Project(tmp_path / "whole", lake=online_retail)
    whole.run("build")
    for query, figures in FIGURES.items():
        assert whole.query(query) == figures, query

    grown = Project(tmp_path / "grown")
    loads = sorted({folder.name for folder in online_retail.glob("*/date=*")})
    assert len(loads) == 305
    for number, load in enumerate(loads, start=1):
        for table in ("users", "orders"):
            if (online_retail / table / load).is_dir():
                shutil.copytree(online_retail / table / load, grown.lake / table / load)
        if number == 1:
            grown.run("build", "--exclude-resource-type", "test", "unit_test", "snapshot")
        elif number <= 60 or number == len(loads):
            grown.run("run", run_date=load.removeprefix("date="))
    for query, figures in FIGURES.items():
        assert grown.query(query) == figures, query
    assert grown.metrics() == whole.metrics()
