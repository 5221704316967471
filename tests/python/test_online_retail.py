"""The real year: every published figure, in one build and load by load."""

from __future__ import annotations

import shutil
from datetime import date
from decimal import Decimal
from pathlib import Path

import pytest
from project import Project

pytestmark = pytest.mark.online_retail

# The figures of the README beside the data, which come from the published data set and not from these models.
FIGURES = {
    "select count(*), count(*) filter (user_id is null) from analytics.fct_orders": [(25_900, 3_710)],
    "select count(distinct user_id) from analytics.dim_users": [(4_372,)],
    "select count(*), count(distinct date) from analytics.user_metrics": [(989_402, 374)],
    "select sum(order_count), sum(total_spent) from analytics.user_metrics": [(2_999_854, Decimal("1307340778.92"))],
    """
    select date, count(*), sum(order_count), sum(total_spent) from analytics.user_metrics
    where date in ('2010-12-01', '2011-06-30', '2011-12-09') group by date order by date
    """: [
        (date(2010, 12, 1), 98, 121, Decimal("46051.26")),
        (date(2011, 6, 30), 3_002, 8_803, Decimal("3728501.25")),
        (date(2011, 12, 9), 4_372, 18_536, Decimal("8300065.81")),
    ],
    """
    select user_id, order_count, total_spent from analytics.user_metrics
    where date = '2011-12-09' and spending_rank <= 5 order by spending_rank
    """: [
        (14646, 74, Decimal("279489.02")),
        (18102, 60, Decimal("256438.49")),
        (17450, 46, Decimal("187482.17")),
        (14911, 201, Decimal("132572.62")),
        (12415, 21, Decimal("123725.45")),
    ],
    """
    select count(*) filter (total_spent < 0), count(*) filter (order_count = 0)
    from analytics.user_metrics where date = '2011-12-09'
    """: [(41, 33)],
}


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
