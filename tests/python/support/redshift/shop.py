"""A small shop in the warehouse, for tests of what goes wrong and what crosses."""

from __future__ import annotations

from collections.abc import Callable
from datetime import date, timedelta
from typing import Any

from support.days import DAY, at
from support.expectation import expected_metrics
from support.histories import STATUSES
from support.project import order, user
from support.redshift.project import RedshiftProject

from user_metrics.lake import Row

MODELS = ("build", "--exclude-resource-type", "test", "unit_test", "snapshot")


class Shop:
    """Two users and an order a day, which the next day corrects; keeps what it has loaded, for the expectation."""

    def __init__(
        self, warehouse: RedshiftProject, deliver: Callable[[str, date, list[Row]], None] | None = None
    ) -> None:
        """deliver: what is done with a load, in place of taking it in too."""
        self.warehouse = warehouse
        self._deliver = deliver or warehouse.write_load
        self.loads: dict[str, dict[date, list[Row]]] = {"users": {}, "orders": {}}

    def load(self, table: str, day: date, rows: list[Row]) -> None:
        """Loads a partition, over what was there before."""
        self.loads[table][day] = rows
        self._deliver(table, day, rows)

    def load_day(self, number: int, load: bool = True) -> None:
        """The load of a day; load=False when the database has it already."""
        day = DAY[number]
        loaded = at(day + timedelta(days=1), 0)
        users = [user(id, f"{id}.{number}@x.org", at(DAY[0]), at(day), loaded) for id in (1, 2)]
        orders = [order(number, 1, "10.00", "completed", at(day), at(day), loaded)]
        if number:
            orders.append(order(number - 1, 1, "99.00", "completed", at(DAY[number - 1]), at(day), loaded))
        for table, rows in (("users", users), ("orders", orders)):
            if load:
                self.load(table, day, rows)
            self.loads[table][day] = rows

    def expected(self) -> list[tuple[Any, ...]]:
        """What user_metrics must hold of all that was loaded."""
        return expected_metrics(self.loads["users"], self.loads["orders"], STATUSES, max(self.loads["users"]))

    def build_five_days(self) -> None:
        """Loads and builds five days; the first shop for all that follow."""
        server = self.warehouse.server
        is_saved = "five_days" in server.saved
        if is_saved:
            server.bring_back("five_days")
        for number in range(5):
            self.load_day(number, load=not is_saved)
        if not is_saved:
            self.warehouse.run(*MODELS)
            server.save("five_days")
