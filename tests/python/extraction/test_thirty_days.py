"""A shop lives for thirty days and is extracted daily; user_metrics is what its own history says."""

from __future__ import annotations

import random
from dataclasses import dataclass, field
from datetime import date, datetime, time, timedelta
from decimal import Decimal
from typing import Any

import pytest
from support.application import Application
from support.expectation import expected_metrics
from support.histories import STATUSES
from support.project import Project
from support.s3 import ON_BOTH

Row = dict[str, Any]

FIRST, DAYS = date(2024, 3, 1), 30
ONE_DAY = timedelta(days=1)
OVERLAP = timedelta(hours=1)
COLUMNS = {
    "users": ("id", "email", "created_at", "updated_at"),
    "orders": ("id", "user_id", "amount", "status", "created_at", "updated_at"),
}


@dataclass
class Shop:
    """The application and all that has happened in it: of each row its states, none where it was deleted."""

    application: Application
    chance: random.Random
    history: dict[str, dict[int, list[tuple[datetime, Row | None]]]] = field(
        default_factory=lambda: {"users": {}, "orders": {}}
    )

    def live(self, day: date) -> None:
        """A day, whose moments are those of a right clock."""
        moments = sorted(datetime.combine(day, time()) + self.chance.random() * ONE_DAY for _ in range(14))
        # Some always close to midnight, when loads end.
        for moment in [*moments, datetime.combine(day, time(23, 50)), datetime.combine(day, time(23, 59, 59, 999_999))]:
            kind = self.chance.choice(["sign_up", "order", "order", "order", "move", "correct", "correct", "delete"])
            getattr(self, kind)(moment)

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


@dataclass
class Pipeline:
    """Extracts the shop into a lake, and knows what must be in it."""

    shop: Shop
    project: Project
    lake: dict[str, dict[date, list[Row]]] = field(default_factory=lambda: {"users": {}, "orders": {}})

    def extract(self, day: date, table: str, whole: bool) -> None:
        command = ["extract", "--table", table, "--date", str(day), *["--whole"][:whole]]
        result = self.project.command(*command)
        assert result.exit_code == 0, result.output
        self.lake[table][day] = self.shop.load(table, day, whole)

    def fail(self, day: date, table: str, monkeypatch: pytest.MonkeyPatch) -> None:
        with monkeypatch.context() as gone:
            gone.setenv("SOURCE_POSTGRES_DSN", "host=127.0.0.1 port=9 connect_timeout=2")
            result = self.project.command("extract", "--table", table, "--date", str(day))
        assert result.exit_code == 1
        assert "cannot be signed in to" in result.output

    def compare(self) -> None:
        """user_metrics against the source's history."""
        self.project.run("run", "--select", "dim_users", "fct_orders", "user_metrics")
        last = max(day for loads in self.lake.values() for day in loads)
        expected = expected_metrics(self.lake["users"], self.lake["orders"], STATUSES, last)
        assert self.project.metrics() == expected


@ON_BOTH
def test_user_metrics_is_what_the_history_of_the_source_says(
    application: Application, project: Project, monkeypatch: pytest.MonkeyPatch
) -> None:
    seed = random.SystemRandom().randrange(1_000_000)
    print(f"seed {seed}")
    chance = random.Random(seed)
    shop = Shop(application, chance)
    pipeline = Pipeline(shop, project)
    project.start_afresh()
    waiting: list[tuple[date, str]] = []
    days = [FIRST + number * ONE_DAY for number in range(DAYS)]
    for day in days:
        shop.live(day)
        waiting += [(day, "users"), (day, "orders")]
        later = []
        for due in waiting:
            # One in six fails, or is forgotten, and is made up for on a later day.
            luck = chance.random()
            if luck < 1 / 6 and day != days[-1]:
                later.append(due)
                if luck < 1 / 12:
                    pipeline.fail(*due, monkeypatch)
            else:
                pipeline.extract(*due, whole=chance.random() < (0.8 if due[1] == "users" else 0.3))
        waiting = later
        if chance.random() < 1 / 4:
            again = chance.choice([known for known in days if known <= day])
            pipeline.extract(again, chance.choice(["users", "orders"]), whole=chance.random() < 1 / 2)
        if chance.random() < 3 / 4 or day == days[-1]:
            pipeline.compare()
    # All loads as wholes: what was deleted is in none of them any more, and the figures are those of the source.
    for day in days:
        pipeline.extract(day, "orders", whole=True)
    pipeline.compare()
    counted = application.sql(
        """
        select
            users.id,
            count(orders.id) filter (where status not in ('cancelled', 'returned')),
            coalesce(sum(amount) filter (where status <> 'cancelled'), 0)
        from users left join orders on orders.user_id = users.id
        group by users.id
        """
    )
    assert sorted(counted) == project.query(
        "select user_id, order_count, total_spent from analytics.user_metrics"
        " where date = (select max(date) from analytics.user_metrics) order by user_id"
    )
