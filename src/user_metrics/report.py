"""One page for people who would rather look than read: spend, customers, who leads and what the last runs changed.

The page is whole in itself: charts are drawn in the browser by a copy of Vega that lies in it.
"""

import json
import os
from collections.abc import Iterable
from datetime import date, timedelta
from pathlib import Path
from typing import Any

import altair as alt
import vl_convert
from markupsafe import Markup

from user_metrics.dbt_command import run
from user_metrics.pages import filled_in

Row = dict[str, Any]


def build(page: Path, target: str, show_emails: bool = False) -> Path:
    """Writes the report of a target, from the folder of the dbt project, and returns where it lies.

    Raises DbtCommandError when nothing has been built yet, or user_metrics is empty.
    """
    arguments = json.dumps({"show_emails": show_emails})
    command = ["run-operation", "report_data", "--args", arguments, "--target", target, "--no-write-json"]
    data = json.loads(run(*command)[-1])
    page.parent.mkdir(parents=True, exist_ok=True)
    unfinished = page.with_name(f"{page.name}.{os.getpid()}")
    unfinished.write_text(render(data))
    return unfinished.replace(page)


def render(data: Row) -> str:
    """The page, of what the macro report_data has printed."""
    charts = {name: json.loads(chart.to_json()) for name, chart in _charts(data).items()}
    return filled_in(
        "report.html.jinja",
        **data,
        last=data["by_date"][-1],
        spent_by_all=sum(float(band["spent"]) for band in data["bands"]),
        shares=_shares(data["concentration"]),
        leaderboard=list(_leaderboard(data)),
        vega=Markup(vl_convert.javascript_bundle("window.vegaEmbed = vegaEmbed;").replace("</script", "<\\/script")),
        charts=Markup(json.dumps(charts).replace("</", "<\\/")),
    )


# Charts. Colours come from the page, which knows whether it is light or dark.

Chart = alt.Chart | alt.LayerChart

UTC_SCALE = alt.Scale(type="utc")
"""The dates are of UTC, wherever the page is opened."""

DATES = alt.Axis(format="%d %b", labelOverlap="greedy", labelSeparation=16)
PERCENT = alt.Axis(format=".0%")
COUNT = alt.Axis(format=",d", tickMinStep=1)


def _charts(data: Row) -> dict[str, Chart]:
    """The charts by the id of their place in the page, those left out that would have nothing to show."""
    days = data["by_date"]
    charts: dict[str, Chart] = {
        "spend": _by_day(
            days, "spent", alt.Axis(format=",.0f"), spent=("spend", ",.2f")
        ).mark_area(line=True, opacity=0.25),
        "orders": _by_day(
            days, "orders", COUNT, orders=("orders", ",")
        ).mark_area(line=True, opacity=0.25, interpolate="step"),
        "customers": _by_day(
            days, "active_users", COUNT, active_users=("ordered", ","), users=("of users", ",")
        ).mark_area(line=True, opacity=0.25),
        "bands": _bands(data["bands"]),
    }  # fmt: skip
    if data["concentration"]:
        charts["concentration"] = _concentration(_cumulative(data["concentration"]))
    if data["cohorts"]:
        charts["cohorts"] = _cohorts(data["cohorts"])
    if written := [found for found in data["runs"] if found["first_date"]]:
        charts["runs"] = _runs(written)
    heights = {"cohorts": alt.Step(24), "runs": alt.Step(24)}
    return {name: chart.properties(width="container", height=heights.get(name, 220)) for name, chart in charts.items()}


def _by_day(days: list[Row], field: str, axis: alt.Axis, **tips: tuple[str, str]) -> alt.Chart:
    return alt.Chart(alt.Data(values=days)).encode(
        alt.X("utcyearmonthdate(date):T", title=None, axis=DATES),
        alt.Y(f"{field}:Q", title=None, axis=axis),
        tooltip=[alt.Tooltip("date:N", title="date"), *_tips(tips)],
    )


def _bands(bands: list[Row]) -> alt.Chart:
    return alt.Chart(alt.Data(values=bands)).mark_bar().encode(
        alt.X("band:N", sort=None, title="spent so far", axis=alt.Axis(labelAngle=0, labelOverlap=False)),
        alt.Y("users:Q", title=None, axis=COUNT),
        tooltip=[
            alt.Tooltip("band:N", title="spent"), *_tips({"users": ("users", ","), "spent": ("together", ",.2f")})
        ],
    )  # fmt: skip


def _concentration(points: list[Row]) -> alt.Chart:
    whole = alt.Scale(domain=[0, 1])
    return alt.Chart(alt.Data(values=points)).mark_line().encode(
        alt.X("customers:Q", title="customers, from those who spent most", axis=PERCENT, scale=whole),
        alt.Y("share:Q", title="of all spend", axis=PERCENT, scale=whole),
        tooltip=_tips({"customers": ("customers", ".0%"), "share": ("of all spend", ".1%")}),
    )  # fmt: skip


def _cohorts(cohorts: list[Row]) -> alt.LayerChart:
    rows = [
        {**cohort, "month": cohort["month"][:7], "signed_up": cohort["signed_up"][:7],
         "share": int(cohort["active_users"]) / int(cohort["users"])}
        for cohort in cohorts
    ]  # fmt: skip
    place = alt.Chart(alt.Data(values=rows)).encode(
        alt.X("month:O", title="ordered in", axis=alt.Axis(labelAngle=0, labelOverlap="greedy")),
        alt.Y("signed_up:O", title="signed up in", axis=alt.Axis(titlePadding=8)),
    )
    tips = {"users": ("users", ","), "active_users": ("ordered", ","), "share": ("share", ".0%")}
    shaded = place.mark_rect().encode(
        alt.Color("share:Q", legend=None, scale=alt.Scale(domain=[0, 1])),
        tooltip=[alt.Tooltip("signed_up:N", title="signed up"), *_tips(tips)],
    )
    # On a phone a year has no room for figures; they show under the finger.
    months = len({row["month"] for row in rows})
    figures = place.mark_text(fontSize=alt.expr(f"width / {months} < 32 ? 0 : 11"))
    return shaded + figures.encode(alt.Text("share:Q", format=".0%"))


def _runs(runs: list[Row]) -> alt.Chart:
    rows = [{**found, "day_after": str(date.fromisoformat(found["last_date"]) + timedelta(days=1))} for found in runs]
    return alt.Chart(alt.Data(values=rows)).mark_bar(height=10).encode(
        alt.X("first_date:T", title="dates written", scale=UTC_SCALE, axis=DATES),
        alt.X2("day_after:T"),
        alt.Y("started_at:O", sort="descending", title=None, axis=alt.Axis(labelExpr="slice(datum.label, 0, 16)")),
        tooltip=[alt.Tooltip("started_at:N", title="run"), alt.Tooltip("summary:N", title="it")],
    )  # fmt: skip


def _tips(fields: dict[str, tuple[str, str]]) -> list[alt.Tooltip]:
    """What is shown of numbers under the pointer: their title and format."""
    return [alt.Tooltip(f"{field}:Q", title=title, format=format) for field, (title, format) in fields.items()]


def _cumulative(percentiles: list[Row]) -> list[Row]:
    """The share of all spend, and of customers, that the first percentiles have together."""
    spent, users = (sum(float(one[name]) for one in percentiles) for name in ("spent", "users"))
    points = [{"customers": 0.0, "share": 0.0}]
    for one in percentiles:
        before = points[-1]
        points.append({
            "customers": before["customers"] + float(one["users"]) / users,
            "share": before["share"] + float(one["spent"]) / spent,
        })  # fmt: skip
    return points


def _shares(percentiles: list[Row]) -> Row:
    """What the top 1 % and 10 % of the customers account for; nothing with too few of them to say."""
    if len(percentiles) < 100:
        return {}
    points = _cumulative(percentiles)
    return {"1": f"{points[1]['share']:.0%}", "10": f"{points[10]['share']:.0%}"}


# The leaderboard


def _leaderboard(data: Row) -> Iterable[Row]:
    """The leaders as the table shows them."""
    for leader in data["leaders"]:
        spent = [float(point["total_spent"]) for point in data["trends"] if point["user_id"] == leader["user_id"]]
        yield {
            **leader,
            "email": leader["email"] or "",
            "week": _movement(leader["spending_rank"], leader["rank_a_week_ago"]),
            "month": _movement(leader["spending_rank"], leader["rank_a_month_ago"]),
            "line": _sparkline(spent),
        }


def _movement(rank: str, before: str | None) -> str:
    """How a rank has moved since another date."""
    if before is None:
        return "new"
    moved = int(before) - int(rank)
    return f"▲ {moved:,}" if moved > 0 else f"▼ {-moved:,}" if moved else "="


def _sparkline(values: list[float]) -> str:
    """The points of a line, 100 wide and 20 high."""
    low, high = min(values), max(values)
    step, span = 100 / max(len(values) - 1, 1), (high - low) or 1
    return " ".join(f"{step * number:.1f},{19 - 18 * (value - low) / span:.1f}" for number, value in enumerate(values))
