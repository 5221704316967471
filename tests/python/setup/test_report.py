"""`make report`: figures that add up to those of user_metrics, in one page that asks nothing of anybody."""

from __future__ import annotations

import html
import json
import re
from pathlib import Path
from typing import Any

import pytest
from support.days import DAY, at, build, loaded, write_days
from support.project import Project, order, user

from user_metrics.lake import Row


def page_of(project: Project, *options: str) -> str:
    """The report as it is written."""
    page = project.folder / "report.html"
    done = project.command("report", "--page", str(page), *options)
    assert done.output == f"Open {page.resolve()}\n", done.output
    return page.read_text()


def values(page: str, chart: str) -> list[dict[str, Any]]:
    """What a chart draws."""
    (found,) = re.findall(r"^  const charts = (.*);$", page, re.MULTILINE)
    spec = json.loads(found)[chart]
    return spec["data"]["values"]  # type: ignore[no-any-return]


@pytest.fixture(scope="module")
def page(sample: Project) -> str:
    """The report of the sample."""
    return page_of(sample)


def test_the_charts_have_the_figures_of_user_metrics(sample: Project, page: str) -> None:
    rows = sample.query(
        "select date, user_id, total_spent, daily_total_spent, daily_order_count from analytics.user_metrics"
    )
    days = sorted({row[0] for row in rows})
    assert [(one["date"], float(one["spent"]), int(one["orders"])) for one in values(page, "spend")] == [
        (str(day), float(sum(row[3] for row in rows if row[0] == day)), sum(row[4] for row in rows if row[0] == day))
        for day in days
    ]
    active = [sum(row[4] > 0 for row in rows if row[0] == day) for day in days]
    assert [int(one["active_users"]) for one in values(page, "customers")] == active
    spent = sorted((row[2] for row in rows if row[0] == days[-1] and row[2] > 0), reverse=True)
    share = values(page, "concentration")
    assert share[-1] == pytest.approx({"customers": 1, "share": 1})
    top = round(len(spent) * share[10]["customers"])
    assert share[10]["share"] == pytest.approx(float(sum(spent[:top]) / sum(spent)))
    assert f"the 10 % for {share[10]['share']:.0%}." in page
    assert sum(int(band["users"]) for band in values(page, "bands")) == sum(row[0] == days[-1] for row in rows)


def test_the_leaders_are_those_of_the_last_date_and_their_addresses_are_masked(sample: Project, page: str) -> None:
    leaders = sample.query(
        "select user_id, email, total_spent from analytics.user_metrics"
        " where date = '2024-03-15' order by spending_rank, user_id limit 15"
    )
    shown = re.findall(r'<td>(\d+) <span class="soft">(.*?)</span></td>', page)
    assert [int(id) for id, _ in shown] == [id for id, *_ in leaders]
    assert all(email not in page for _, email, _ in leaders if email)
    with_addresses = page_of(sample, "--show-emails")
    assert all(email in with_addresses for _, email, _ in leaders if email)
    assert page.count("a plain sum over fct_orders gives the same") == 5


def test_addresses_are_masked_in_the_log_of_dbt_too(project: Project) -> None:
    addresses = {"jane.doe@example.com": "j…@example.com", '"@jane.doe"@example.com': '"…@example.com', "jane.doe": ""}
    users = [user(id, address, at(DAY[0]), at(DAY[0]), loaded(DAY[0])) for id, address in enumerate(addresses)]
    project.write_load("users", DAY[0], users)
    project.write_load("orders", DAY[0], [an_order("1.00")])
    build(project)
    page = page_of(project)
    shown = [html.unescape(name) for name in re.findall(r'<td>\d+ <span class="soft">(.*?)</span></td>', page)]
    assert sorted(shown) == sorted(addresses.values())
    log = "".join(file.read_text() for file in (project.folder / "logs").rglob("*"))
    assert "j\\u2026@example.com" in log
    assert "jane.doe" not in log
    assert "jane.doe" not in project.command("summary", "--database", str(project.database)).output
    assert [file.name for file in project.folder.glob("report.html*")] == ["report.html"]


def test_the_page_asks_nothing_of_anybody_and_is_small(page: str) -> None:
    without_vega = page.replace(max(re.findall(r"<script>.*?</script>", page, re.DOTALL), key=len), "")
    assert not re.findall(r"""(?:src|href)=["'](?!#|data:)""", without_vega)
    assert len(page) < 3_000_000
    assert len(without_vega) < 200_000


def an_order(amount: str) -> Row:
    return order(1, 1, amount, "completed", at(DAY[0]), at(DAY[0]), loaded(DAY[0]))


def test_one_user_on_one_date_who_has_spent_nothing_has_a_page(project: Project) -> None:
    project.write_load("users", DAY[0], [user(1, None, at(DAY[0]), at(DAY[0]), loaded(DAY[0]))])
    project.write_load("orders", DAY[0], [an_order("0.00")])
    build(project)
    page = page_of(project)
    assert "Nobody has spent anything yet." in page
    assert [one["users"] for one in values(page, "bands")] == ["1"]
    project.write_load("orders", DAY[0], [an_order("5.00")])
    build(project)
    assert "There are too few customers to say what the top 1 % account for." in page_of(project)


def test_what_has_nothing_to_show_is_a_sentence(project: Project) -> None:
    page = project.folder / "report.html"

    def refusal() -> str:
        done = project.command("report", "--page", str(page))
        assert (done.exit_code, page.exists()) == (1, False)
        return done.output.strip()

    write_days(project, 1)
    assert refusal() == "There is no analytics.user_metrics yet: run make build."
    project.write_load("users", DAY[0], [])
    build(project)
    assert refusal() == "user_metrics is empty: the lake has no user yet."


@pytest.mark.online_retail
def test_the_real_year_is_drawn(online_retail: Path, tmp_path: Path) -> None:
    project = Project(tmp_path, lake=online_retail)
    build(project, max_rejected_share=1)
    page = page_of(project)
    assert "What customers have spent by 2011-12-09" in page
    assert re.search(r"<td>14646 .*?279,489.02", page, re.DOTALL)
    assert len(page) < 1_300_000
