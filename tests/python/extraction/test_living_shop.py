"""A shop lives for some days and is extracted daily; user_metrics is what its own history says."""

from __future__ import annotations

import random
from dataclasses import dataclass, field
from datetime import date

import pytest
from support.application import Application
from support.expectation import expected_metrics
from support.histories import STATUSES
from support.project import Project
from support.s3 import ON_BOTH
from support.shop import ONE_DAY, Row, Shop

FIRST = date(2024, 3, 1)


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
    application: Application, project: Project, monkeypatch: pytest.MonkeyPatch, pytestconfig: pytest.Config
) -> None:
    seed = random.SystemRandom().randrange(1_000_000)
    print(f"seed {seed}")
    chance = random.Random(seed)
    shop = Shop(application, chance)
    pipeline = Pipeline(shop, project)
    project.start_afresh()
    waiting: list[tuple[date, str]] = []
    days = [FIRST + number * ONE_DAY for number in range(pytestconfig.getoption("--shop-days"))]
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
