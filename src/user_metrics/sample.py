"""A small shop that never was: writes its users and orders as a lake, one load date at a time.

The same dates always get the same rows, so a lake that is written again on a later day only grows.
"""

import json
import random
from dataclasses import dataclass, field
from datetime import date, datetime, time, timedelta
from decimal import Decimal

from user_metrics.lake import COLUMNS, Lake, LakeError, Row

MARKER = ".sample.json"
"""Tells a lake written here, and its first load date, from anybody else's."""

NAMES = ("ada", "ben", "cleo", "dan", "eva", "finn", "gita", "hugo", "ines", "jan", "kim", "lea", "max", "nora")
ONE_DAY = timedelta(days=1)


@dataclass
class Shop:
    """What the shop's database holds, and the changes that no load has brought yet."""

    random: random.Random
    users: dict[int, Row] = field(default_factory=dict)
    orders: dict[int, Row] = field(default_factory=dict)
    waiting: dict[str, list[Row]] = field(default_factory=lambda: {"users": [], "orders": []})

    def trade(self, day: date) -> None:
        """One day of sign-ups, orders and second thoughts."""
        for _ in range(self.random.randint(4, 12)):
            self.sign_up(day)
        for _ in range(self.random.randint(25, 45)):
            self.place_order(day)
        for _ in range(3):
            self.change_address(day)
            self.correct_order(day)

    def moment(self, day: date) -> datetime:
        """Some second of a day."""
        return datetime.combine(day, time()) + timedelta(seconds=self.random.randint(0, 86_399))

    def sign_up(self, day: date) -> None:
        """A new user."""
        id, moment = len(self.users) + 1, self.moment(day)
        email = f"{self.random.choice(NAMES)}{id}@example.com"
        self.save("users", {"id": id, "email": email, "created_at": moment, "updated_at": moment})

    def place_order(self, day: date) -> None:
        """A new order; one in twelve is a guest's, one in fifteen a return."""
        id, moment = len(self.orders) + 1, self.moment(day)
        user_id = None if self.random.random() < 1 / 12 else self.random.choice(list(self.users))
        amount = Decimal(round(self.random.lognormvariate(3.4, 0.8), 2)).quantize(Decimal("0.01"))
        status = "completed"
        if self.random.random() < 1 / 15:
            amount, status = -amount, "returned"
        row = {"id": id, "user_id": user_id, "amount": amount, "status": status}
        self.save("orders", {**row, "created_at": moment, "updated_at": moment})

    def change_address(self, day: date) -> None:
        """A user moves to another address."""
        user = self.random.choice(list(self.users.values()))
        self.save("users", {**user, "email": f"{self.random.choice(NAMES)}.{user['id']}@example.org"}, self.moment(day))

    def correct_order(self, day: date) -> None:
        """An order is cancelled, repriced, or moved to another user or another day."""
        order = self.random.choice(list(self.orders.values()))
        correction = self.random.choice(
            [
                {"status": "cancelled"},
                {"amount": order["amount"] * 2},
                {"user_id": self.random.choice(list(self.users))},
                {"created_at": order["created_at"] - ONE_DAY},
            ]
        )
        self.save("orders", {**order, **correction}, self.moment(day))

    def save(self, table: str, row: Row, updated_at: datetime | None = None) -> None:
        """Writes a version of a row, which the next load will bring."""
        if updated_at:
            row = {**row, "updated_at": max(updated_at, row["updated_at"])}
        {"users": self.users, "orders": self.orders}[table][row["id"]] = row
        self.waiting[table].append(row)

    def extract(self, table: str, day: date) -> list[Row]:
        """The load of a day: what changed, less what comes late, plus what comes twice; every tenth day all users."""
        arrived: list[Row] = []
        late: list[Row] = []
        for row in self.waiting[table]:
            (late if self.random.random() < 0.05 else arrived).append(row)
        self.waiting[table] = late
        if table == "users" and day.toordinal() % 10 == 0:
            arrived = list(self.users.values())
        arrived += self.random.sample(arrived, min(2, len(arrived)))
        loaded_at = datetime.combine(day + ONE_DAY, time(0, 30))
        return [{**row, "_loaded_at": loaded_at} for row in arrived]


def write_lake(lake: Lake, last_date: date, days: int) -> int:
    """Writes the loads up to last_date that the lake lacks and returns how many dates that were.

    A new lake begins `days` dates before. Raises LakeError when there is a lake of another origin.
    """
    marker = lake.read(MARKER)
    if marker is None:
        if lake.names():
            raise LakeError(f"LAKE_URI is '{lake.uri}', which holds files that are no sample: name another.")
        marker = json.dumps({"first_date": str(last_date - (days - 1) * ONE_DAY)})
        lake.write(MARKER, marker)
    first_date = date.fromisoformat(json.loads(marker)["first_date"])
    shop, there = Shop(random.Random(str(first_date))), set(lake.names("orders"))
    written = 0
    for offset in range((last_date - first_date).days + 1):
        day = first_date + offset * ONE_DAY
        # One load a fortnight brings nothing: a day when the shop was shut.
        if offset % 14 != 9:
            shop.trade(day)
        loads = {table: shop.extract(table, day) if offset % 14 != 9 else [] for table in COLUMNS}
        if f"date={day}" not in there:
            for table, rows in loads.items():
                lake.write_rows(table, day, rows)
            written += 1
    return written
