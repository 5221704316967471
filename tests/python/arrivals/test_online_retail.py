"""The real year: every published figure, in one build and load by load, as the loads came and in a random order."""

from __future__ import annotations

import os
import random
import shutil
from pathlib import Path

import pytest
from support.figures import FIGURES
from support.project import BUILD, Project

pytestmark = pytest.mark.online_retail


@pytest.fixture(scope="module")
def whole(online_retail: Path, tmp_path_factory: pytest.TempPathFactory) -> Project:
    """The real year in one build."""
    whole = Project(tmp_path_factory.mktemp("whole"), lake=online_retail)
    whole.run(*BUILD)
    return whole


def test_the_published_figures_come_out(whole: Project) -> None:
    for query, figures in FIGURES.items():
        assert whole.query(query) == figures, query


@pytest.mark.parametrize("arrival", ["in order", "in random order"])
def test_they_come_out_load_by_load(
    arrival: str, whole: Project, online_retail: Path, tmp_path: Path, pytestconfig: pytest.Config
) -> None:
    grown = Project(tmp_path)
    grown.start_afresh()
    loads = sorted({folder.name for folder in online_retail.glob("*/date=*")})
    assert len(loads) == 305
    if arrival == "in random order":
        random.Random(int(os.environ["HISTORIES_SEED"])).shuffle(loads)
    # The last five builds one load each, those before as many as it takes.
    last = len(loads) - 5
    pause = max(1, last // max(1, pytestconfig.getoption("--year-builds") - 5))
    for number, load in enumerate(loads, start=1):
        for table in ("users", "orders"):
            if (online_retail / table / load).is_dir():
                shutil.copytree(online_retail / table / load, grown.lake / table / load)
        if number % pause == 0 or number > last:
            grown.run("run", "--select", "dim_users", "fct_orders", "user_metrics")
    for query, figures in FIGURES.items():
        assert grown.query(query) == figures, query
    assert grown.rows_that_differ(whole) == 0
