"""The site in a real browser: every page draws what it is for, asks nothing of the outside, and logs no error."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Page, expect, sync_playwright

pytestmark = pytest.mark.browser

CHROMIUM = shutil.which("chromium") or shutil.which("google-chrome")
DESKTOP, PHONE = {"width": 1280, "height": 900}, {"width": 390, "height": 844}


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    """A headless Chromium."""
    if not CHROMIUM:
        pytest.skip("the pages are looked at in Chromium, which this machine does not have: apt-get install chromium")
    with sync_playwright() as playwright:
        started = playwright.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"], timeout=60_000)
        yield started
        started.close()


@pytest.fixture(params=[DESKTOP, PHONE], ids=["desktop", "phone"])
def page(request: pytest.FixtureRequest, browser: Browser) -> Iterator[Page]:
    """A page that must not log an error, nor ask for anything but files."""
    context = browser.new_context(viewport=request.param, color_scheme="dark" if request.param == PHONE else "light")
    context.set_default_timeout(20_000)
    opened = context.new_page()
    wrong: list[str] = []

    def note(what: str) -> None:
        # dbt's page names its icons by templates, which the browser looks for until they are filled in.
        if "%7B%7B%20getIcon" not in what:
            wrong.append(what)

    opened.on("console", lambda message: note(message.text) if message.type == "error" else None)
    opened.on("pageerror", lambda error: note(str(error)))
    opened.on("requestfailed", lambda failed: note(f"failed: {failed.url}"))
    opened.on("request", lambda asked: None if asked.url.startswith(("file:", "data:", "blob:")) else note(asked.url))
    yield opened
    context.close()
    assert wrong == []


def test_the_landing_page_leads_to_the_documentation_of_a_column(site: Path, page: Page) -> None:
    page.goto((site / "index.html").as_uri())
    expect(page.get_by_text("2024-03-15").first).to_be_visible()
    assert page.evaluate("document.documentElement.scrollWidth <= innerWidth"), "the page is wider than the window"
    page.get_by_role("link", name="Begin at user_metrics").click()
    expect(page.get_by_text("What each user has ordered and spent so far").first).to_be_visible()
    expect(page.get_by_text("Spend so far, in the shop's currency").first).to_be_visible()


def test_the_lineage_of_tables_leads_to_the_documentation_of_columns(site: Path, page: Page) -> None:
    page.goto((site / "index.html").as_uri())
    page.get_by_role("link", name="Lineage of tables").click()
    graph = page.locator("#cy")
    expect(graph.locator("canvas").last).to_be_visible()
    page.wait_for_timeout(500)  # until the graph has found its size
    in_graph = graph.evaluate(
        """graph => {
            const node = graph._cyreg.cy.getElementById('model.daily_user_metrics.user_metrics');
            return {visible: node.visible(), ...node.renderedPosition()};
        }"""
    )
    assert in_graph.pop("visible")
    graph.click(button="right", position=in_graph)
    page.get_by_text("View documentation").click()
    expect(page.get_by_text("Spend so far, in the shop's currency").first).to_be_visible()
    assert page.url.endswith("user_metrics.user_metrics")


def test_the_lineage_of_columns_shows_where_total_spent_comes_from(site: Path, page: Page) -> None:
    page.goto((site / "index.html").as_uri())
    page.get_by_role("link", name="Lineage of columns").click()
    # What has to do with the column is animated.
    path = page.locator(".react-flow__edge.animated")
    for edge in (
        "stg_orders to model.daily_user_metrics.int_orders_checked",
        "int_orders_checked to model.daily_user_metrics.fct_orders",
        "fct_orders to model.daily_user_metrics.user_metrics",
    ):
        expect(path.and_(page.get_by_label(edge))).to_have_count(1)
    expect(path.and_(page.get_by_label("model.daily_user_metrics.loads"))).to_have_count(0)


def test_the_report_draws_its_charts(site: Path, page: Page) -> None:
    page.goto((site / "report.html").as_uri())
    for chart in ("spend", "orders", "customers", "bands", "concentration", "cohorts", "runs"):
        expect(page.locator(f"#{chart} svg .mark-group path, #{chart} svg .mark-rect path").first).to_be_attached()
        box = page.locator(f"#{chart} svg").bounding_box()
        assert box is not None
        assert box["width"] > 200
        assert box["height"] > 20
    assert page.evaluate("document.documentElement.scrollWidth <= innerWidth"), "the page is wider than the window"
    page.locator("details").first.click()
    expect(page.locator("details table").first).to_be_visible()
