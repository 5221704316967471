"""What a terminal shows of the loads: those that were read, and how old the newest are."""

import json
from typing import Any

from rich import box
from rich.console import Console
from rich.table import Table

from user_metrics.dbt_command import freshness, run
from user_metrics.printable import printable

WIDTH = 110
STYLES = {"pass": "green", "warn": "yellow"}


def show_loads(target: str, console: Console) -> None:
    """Prints every load that was read, a line each, the newest last; raises DbtCommandError without any build."""
    table = Table(box=box.SIMPLE_HEAD)
    for heading in ("table", "load", "rows", "rejected", "vanished", "read at (UTC)", "state"):
        is_number = heading in ("rows", "rejected", "vanished")
        table.add_column(heading, no_wrap=True, justify="right" if is_number else "left")
    for load in json.loads(run("run-operation", "show_loads", "--target", target, "--no-write-json")[-1]):
        counts = (f"{int(load[name] or 0):,}" for name in ("delivered_rows", "rejected_rows", "vanished_rows"))
        table.add_row(load["table_name"], load["load_date"], *counts, load["last_read_at"][:16], load["state"])
    # Figures are whole on a narrow terminal, and in a pipe, too.
    console.width = max(console.width, WIDTH)
    console.print(table)


def show_freshness(target: str, console: Console) -> bool:
    """Prints how old the newest load of each table is, and how old it may be; says whether none is too old.

    Raises DbtCommandError where dbt cannot tell.
    """
    sources = freshness(target)
    for source in sources:
        console.print(
            f"{source.node.name}: {_age(source)}: {source.status}.",
            style=STYLES.get(source.status, "red"), highlight=False, soft_wrap=True,
        )  # fmt: skip
    return all(source.status in STYLES for source in sources)


def _age(source: Any) -> str:
    """How old the newest load of a table is, and how old it may be."""
    if not hasattr(source, "age"):
        return f"cannot be read ({printable(source.message)})"
    if source.max_loaded_at.year == 1:
        return "no row of a load of the last 30 days"
    hours, limits = source.age / 3600, source.node.freshness
    age = f"{hours:,.0f} hours" if hours < 72 else f"{hours / 24:,.0f} days"
    warn, error = limits.warn_after, limits.error_after
    return (
        f"the newest row was loaded {age} ago ({source.max_loaded_at:%Y-%m-%d %H:%M} UTC); from {warn.count}"
        f" {warn.period}s on it is a warning, from {error.count} {error.period}s on an error"
    )
