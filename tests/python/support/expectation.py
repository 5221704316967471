"""What user_metrics must hold, worked out row by row from the lake's rows.

A plain reading of docs/meaning.md for the tests: it shares no code and no SQL with the models, and it is slow.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from decimal import Decimal
from typing import Any

Row = dict[str, Any]
Loads = Mapping[date, Iterable[Row]]
Metrics = tuple[Any, ...]
Statuses = Mapping[str, tuple[bool, bool]]

EARLIEST_DATE = date(2000, 1, 1)
ONE_DAY = timedelta(days=1)


@dataclass(frozen=True)
class Effect:
    """What one order does to its user's figures, from a date on."""

    user: int
    day: date
    as_order: bool
    as_spend: bool
    amount: Decimal
    at: datetime


def expected_metrics(users: Loads, orders: Loads, statuses: Statuses, calendar_end: date | None) -> list[Metrics]:
    """All rows of user_metrics, by date and user.

    users, orders: the rows of each load date, as they stand in the lake now
    statuses: status to (counts_as_order, counts_as_spend)
    calendar_end: the last date that every user has a row on
    """
    versions = _user_versions(users)
    signed_up = {user: min(version["created_at"] for version in known).date() for user, known in versions.items()}
    effects = _effects(_current_orders(orders), signed_up, statuses)
    rows: list[Metrics] = []
    if not signed_up or calendar_end is None:
        return rows
    day = min(signed_up.values())
    while day <= calendar_end:
        present = sorted(user for user, first_day in signed_up.items() if first_day <= day)
        taken = [effect for effect in effects if effect.day <= day]
        effects_of = {user: [effect for effect in taken if effect.user == user] for user in present}
        spent = {user: _spend(so_far) for user, so_far in effects_of.items()}
        for user, so_far in effects_of.items():
            today = [effect for effect in so_far if effect.day == day]
            counted = [effect.at for effect in so_far if effect.as_order]
            rank = 1 + sum(other > spent[user] for other in spent.values())
            average = float(spent[user]) / len(counted) if counted else None
            rows.append(
                (day, user, _address_on(versions[user], day), len(counted), spent[user], average,
                 max(counted, default=None), sum(effect.as_order for effect in today), _spend(today), rank)
            )  # fmt: skip
        day += ONE_DAY
    return rows


def is_placeable(row: Row, load_date: date, is_user: bool) -> bool:
    """Whether a delivered row can be counted, or must be rejected."""
    required = ("id", "created_at", "updated_at", "_loaded_at") + (() if is_user else ("amount",))
    if any(row[column] is None for column in required):
        return False
    if not is_user and abs(row["amount"]) >= 10**12:
        return False
    last_day = load_date + ONE_DAY
    created_on, updated_on = row["created_at"].date(), row["updated_at"].date()
    return bool(EARLIEST_DATE <= created_on <= last_day and updated_on <= last_day)


def _spend(effects: Iterable[Effect]) -> Decimal:
    return sum((effect.amount for effect in effects if effect.as_spend), Decimal("0.00"))


def _effects(orders: list[Row], signed_up: Mapping[int, date], statuses: Statuses) -> list[Effect]:
    """What each current order of a known user does."""
    return [
        Effect(
            order["user_id"], max(order["created_at"].date(), signed_up[order["user_id"]]),
            *statuses.get(order["status"], (False, False)), order["amount"], order["created_at"],
        )
        for order in orders
        if order["user_id"] in signed_up
    ]  # fmt: skip


def _placeable(loads: Loads, is_user: bool) -> list[tuple[date, Row]]:
    return [
        (load_date, row) for load_date, rows in loads.items() for row in rows if is_placeable(row, load_date, is_user)
    ]


def _text(value: Any) -> tuple[bool, Any]:
    """A sort key that puts null below everything."""
    return (value is not None, value or "")


def _user_versions(users: Loads) -> dict[int, list[Row]]:
    """Each user's versions, oldest first; a version that was delivered more than once is as it was last loaded."""
    versions: dict[int, dict[datetime, tuple[Any, Row]]] = defaultdict(dict)
    for load_date, row in _placeable(users, is_user=True):
        delivery = (row["_loaded_at"], load_date, _text(row["email"]), row["created_at"])
        known = versions[row["id"]].get(row["updated_at"])
        if known is None or delivery > known[0]:
            versions[row["id"]][row["updated_at"]] = (delivery, row)
    return {user: [row for _, (_, row) in sorted(known.items())] for user, known in versions.items()}


def _address_on(versions: list[Row], day: date) -> str | None:
    email: str | None = versions[0]["email"]
    for version in versions:
        if version["updated_at"].date() <= day:
            email = version["email"]
    return email


def _current_orders(orders: Loads) -> list[Row]:
    newest: dict[int, tuple[Any, Row]] = {}
    for load_date, row in _placeable(orders, is_user=False):
        version = (
            row["updated_at"], row["_loaded_at"], load_date, row["amount"], row["created_at"],
            _text(row["status"]), (row["user_id"] is not None, row["user_id"] or 0),
        )  # fmt: skip
        if row["id"] not in newest or version > newest[row["id"]][0]:
            newest[row["id"]] = (version, row)
    return [row for _, row in newest.values()]
