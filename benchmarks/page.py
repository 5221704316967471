"""docs/performance.md and its chart, of the figures that were measured."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import altair as alt
import yaml
from jinja2 import Environment, FileSystemLoader

HERE = Path(__file__).parent
Row = dict[str, Any]


def write_page(page: Path, found: Row) -> None:
    """Writes the page, and the chart beside it in images/."""
    environment = Environment(loader=FileSystemLoader(HERE), trim_blocks=True, keep_trailing_newline=True)
    environment.filters["spread"] = lambda figure: "{:.2f} ({:.2f} to {:.2f})".format(*figure)
    goals = list(_goals(found["rows"]))
    page.write_text(environment.get_template("performance.md.jinja").render(**found, goals=goals))
    (page.parent / "images").mkdir(exist_ok=True)
    _chart(found["rows"]).save(page.parent / "images" / "performance.svg")


def _goals(rows: list[Row]) -> Iterator[Row]:
    """The goals whose two cases were measured, with what came out."""
    medians = {
        (row["case"], row["users"], row["program"], figure): values[0]
        for row in rows
        for figure, values in row.items()
        if isinstance(values, list)
    }
    for goal in yaml.safe_load((HERE / "goals.yml").read_text()):
        of, by = (
            medians.get(tuple(goal[name])) if isinstance(goal[name], list) else goal[name] for name in ("of", "by")
        )
        if of is not None and by is not None:
            ratio = of / by
            is_met = ratio <= goal["at_most"] if "at_most" in goal else ratio >= goal["at_least"]
            wanted = f"at most {goal['at_most']}" if "at_most" in goal else f"at least {goal['at_least']}"
            yield {"goal": goal["goal"], "wanted": wanted, "ratio": ratio, "is_met": is_met}


def _chart(rows: list[Row]) -> alt.Chart:
    days = [
        {"days": row["days"], "program": row["program"], "seconds": row["models"][0]}
        for row in rows
        if row["case"].startswith("one more day")
        and row["users"] == rows[0]["users"]
        and row["program"] in ("user_metrics", "by hand", "recomputed by hand")
    ]
    chart: alt.Chart = alt.Chart({"values": days}, width=560, height=280).mark_line(point=True).encode(
        alt.X("days:Q", title="days of history"),
        alt.Y("seconds:Q", title="seconds for one more day"),
        alt.Color("program:N", title=None),
    )  # fmt: skip
    return chart
