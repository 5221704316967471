"""Explains one row of user_metrics to a person who doubts it."""

import json
from datetime import date
from typing import Any

from rich import box
from rich.console import Console
from rich.table import Table
from rich.text import Text

from user_metrics.dbt_command import run
from user_metrics.printable import printable

FIGURES = ("order_count", "total_spent", "last_order_at")
"""What a row must agree in with a plain sum over fct_orders."""

Explanation = dict[str, Any]


def explain(user: dict[str, Any], day: date | None, target: str) -> Explanation:
    """What the macro `why` has found of a user's row, the last one when no date is given.

    user: the macro's arguments that say which. Raises DbtCommandError when there is no such row.
    """
    arguments = json.dumps({**user, "date": str(day) if day else None})
    command = ["run-operation", "why", "--args", arguments, "--target", target, "--no-write-json"]
    found: Explanation = json.loads(run(*command)[-1])
    return {**found, "agrees": agrees(found)}


def agrees(found: Explanation) -> bool:
    """Whether the row says what its orders add up to."""
    return all(found["stored"][name] == found["added_up"][name] for name in FIGURES)


def show(found: Explanation, console: Console) -> None:
    """Prints an explanation as tables."""
    found = printable(found)
    stored = found["stored"]
    figures = f"{_count(stored['order_count'], 'order')}, {_money(stored['total_spent'])} spent"
    console.print(
        Text.assemble(
            (f"User {found['user']} on {found['date']}", "bold"), f": {figures}, rank {int(stored['spending_rank']):,}."
        ),
        highlight=False,
    )
    _show_orders(found, console)
    _show_not_counted(found, console)
    console.print(_rank(found), highlight=False)
    for written in found["run"]:
        console.print(
            f"Written by dbt {written['command']} of {written['started_at'][:16]} UTC: {written['summary']}",
            highlight=False,
        )
    added_up = found["added_up"]
    sums = f"{_count(added_up['order_count'], 'order')}, {_money(added_up['total_spent'])} spent"
    if found["agrees"]:
        console.print(f"A plain sum over fct_orders gives the same: {sums}.", style="green", highlight=False)
    else:
        console.print(
            f"A plain sum over fct_orders gives something else: {sums}, the last at {added_up['last_order_at']}. This"
            " must never be: please report it, with this output; dbt build --full-refresh repairs the table.",
            style="bold red",
            highlight=False,
        )


def _show_orders(found: Explanation, console: Console) -> None:
    if not found["orders"]:
        console.print("No order counts by this date.", highlight=False)
        return
    table = Table(title="What counts", title_justify="left", box=box.SIMPLE_HEAD)
    for heading in ("order", "counts from", "amount", "status", "as", "brought by the load of"):
        table.add_column(heading, justify="right" if heading in ("order", "amount") else "left")
    for order in found["orders"]:
        kinds = [kind for kind in ("order", "spend") if order[f"counts_as_{kind}"]]
        table.add_row(
            order["order_id"], order["effective_date"], _money(order["amount"]), order["status"], " and ".join(kinds),
            "\n".join(_history(found, order)),
        )  # fmt: skip
    console.print(table)


def _history(found: Explanation, order: dict[str, Any]) -> list[str]:
    """The versions of an order, the oldest first: which load brought it, and what the next ones corrected."""
    lines: list[str] = []
    before: dict[str, Any] = {}
    for version in (version for version in found["versions"] if version["order_id"] == order["order_id"]):
        told = {name: version[name] for name in ("user_id", "amount", "status")}
        changes = [f"{name} {before[name]} → {told[name]}" for name in told if before and before[name] != told[name]]
        if not before or changes:
            lines.append(version["_load_date"] + (f": {', '.join(changes)}" if changes else ""))
        before = told
    return lines or [order["_load_date"]]


def _show_not_counted(found: Explanation, console: Console) -> None:
    if not found["not_counted"]:
        return
    table = Table(title="What does not count, and why", title_justify="left", box=box.SIMPLE_HEAD)
    for heading in ("order", "amount", "status", "it"):
        table.add_column(heading, justify="right" if heading in ("order", "amount") else "left")
    for order in found["not_counted"]:
        amount = _money(order["amount"]) if order["amount"] else ""
        table.add_row(order["order_id"] or "", amount, order["status"] or "", order["reason"])
    console.print(table)


def _rank(found: Explanation) -> str:
    """Who stands next in rank, and by how much."""
    spent = float(found["stored"]["total_spent"])
    parts = []
    for where in ("above", "below"):
        for other in found[where]:
            ahead = float(other["total_spent"]) - spent
            gap = f"{_money(abs(ahead))} {'more' if ahead > 0 else 'less'}" if ahead else "the same"
            parts.append(f"{where} is user {other['user_id']} (rank {int(other['spending_rank']):,}) with {gap}")
    return f"In rank, {'; '.join(parts)}." if parts else "There is no other user on this date."


def _count(number: str, what: str) -> str:
    return f"{int(number):,} {what}" + ("" if int(number) == 1 else "s")


def _money(amount: str | float) -> str:
    return f"{float(amount):,.2f}"
