"""An application that lives: what happens in it, and what its own history says an extraction must bring."""

from __future__ import annotations

import random
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import date, datetime, time, timedelta
from decimal import Decimal
from typing import Any

from support.application import Application
from support.histories import STATUSES

Row = dict[str, Any]

ONE_DAY = timedelta(days=1)
OVERLAP = timedelta(hours=1)
COLUMNS = {
    "users": ("id", "email", "created_at", "updated_at"),
    "orders": ("id", "user_id", "amount", "status", "created_at", "updated_at"),
}
KINDS = ("sign_up", "order", "order", "order", "move", "correct", "correct", "delete")
"""What happens, as often as it stands here."""


@dataclass
class Shop:
    """The application and all that has happened in it: of each row its states, none where it was deleted."""

    application: Application
    chance: random.Random
    history: dict[str, dict[int, list[tuple[datetime, Row | None]]]] = field(
        default_factory=lambda: {"users": {}, "orders": {}}
    )

    def live(self, day: date, kinds: Sequence[str] = KINDS) -> None:
        """A day, whose moments are those of a right clock, of such events."""
        moments = sorted(datetime.combine(day, time()) + self.chance.random() * ONE_DAY for _ in range(14))
        # Some always close to midnight, when loads end.
        for moment in [*moments, datetime.combine(day, time(23, 50)), datetime.combine(day, time(23, 59, 59, 999_999))]:
            getattr(self, self.chance.choice(kinds))(moment)

    def now(self, table: str) -> list[Row]:
        """The rows that are there."""
        return [states[-1][1] for states in self.history[table].values() if states[-1][1]]

    def save(self, table: str, moment: datetime, **row: Any) -> None:
        """Writes a row, by one of two servers; the clock of one is up to 50 minutes slow."""
        states = self.history[table].setdefault(row["id"], [])
        clock = moment - self.chance.choice([0, 0, 1]) * self.chance.random() * timedelta(minutes=50)
        if states and states[-1][1]:
            # As the trigger of docs/extraction.md has it.
            clock = max(clock, states[-1][1]["updated_at"] + timedelta(microseconds=1))
        row = {"created_at": clock, **row, "updated_at": clock}
        states.append((moment, row))
        columns = COLUMNS[table]
        self.application.sql(
            f"insert into {table} ({', '.join(columns)}) values ({', '.join(['%s'] * len(columns))})"
            f" on conflict (id) do update set {', '.join(f'{name} = excluded.{name}' for name in columns)}",
            *(f"{row[name]}+00" if name.endswith("_at") else row[name] for name in columns),
        )

    def sign_up(self, moment: datetime) -> None:
        id = len(self.history["users"]) + 1
        self.save("users", moment, id=id, email=f"{id}@example.com")

    def move(self, moment: datetime) -> None:
        if users := self.now("users"):
            user = self.chance.choice(users)
            self.save("users", moment, **{**user, "email": f"{user['id']}.{moment:%d%H%M}@example.org"})

    def order(self, moment: datetime) -> None:
        users = [user["id"] for user in self.now("users")]
        self.save(
            "orders", moment, id=len(self.history["orders"]) + 1, user_id=self.chance.choice([*users, None]),
            amount=Decimal(self.chance.randint(1, 9_999)) / 100, status=self.chance.choice(list(STATUSES)),
        )  # fmt: skip

    def correct(self, moment: datetime) -> None:
        if orders := self.now("orders"):
            order = self.chance.choice(orders)
            changed = self.chance.choice(
                [
                    {"amount": order["amount"] + 1},
                    {"status": self.chance.choice(list(STATUSES))},
                    {"user_id": self.chance.choice([user["id"] for user in self.now("users")] or [None])},
                    {"created_at": order["created_at"] - ONE_DAY},
                ]
            )
            self.save("orders", moment, **{**order, **changed})

    def delete(self, moment: datetime) -> None:
        if orders := self.now("orders"):
            order = self.chance.choice(orders)
            self.history["orders"][order["id"]].append((moment, None))
            self.application.sql("delete from orders where id = %s", order["id"])

    def load(self, table: str, day: date, whole: bool) -> list[Row]:
        """What an extraction brings that happens now."""
        start = datetime.combine(day, time())
        first = datetime.min if whole else start - OVERLAP
        rows = [row for row in self.now(table) if first <= row["updated_at"] < start + ONE_DAY]
        return [{**row, "_loaded_at": datetime.now()} for row in rows]
