"""What people see who ask in a loop while loads, runs and full refreshes go on: old rows or new ones, never none."""

from __future__ import annotations

import contextlib
import threading
from typing import Any

import pytest
import redshift_connector
from support.days import DAY
from support.redshift.project import RedshiftProject
from support.redshift.shop import MODELS, Shop

pytestmark = pytest.mark.redshift

QUESTIONS = (
    "select count(*), max(date), sum(total_spent) from analytics.user_metrics_report",
    "select count(*), max(date), sum(total_spent) from analytics.user_metrics",
    "select count(*), sum(amount) from analytics.fct_orders",
    "select count(*) from analytics.order_statuses where counts_as_spend",
    "select count(*), max(date), sum(amount) from raw.orders",
)


class Reader(threading.Thread):
    """Asks one question again and again, until it is told to stop."""

    def __init__(self, warehouse: RedshiftProject, question: str) -> None:
        super().__init__(daemon=True)
        self._warehouse, self._question = warehouse, question
        self._is_told_to_stop = threading.Event()
        self.answers: list[Any] = []
        self.error: Exception | None = None

    def run(self) -> None:
        try:
            with contextlib.closing(self._warehouse.connect()) as session:
                session.autocommit = True
                while not self._is_told_to_stop.is_set():
                    cursor = session.cursor()
                    cursor.execute(self._question)
                    self.answers.append(tuple(cursor.fetchall()[0]))
        except (redshift_connector.Error, OSError) as error:
            self.error = error

    def stop(self) -> None:
        self._is_told_to_stop.set()
        self.join(timeout=60)


def test_readers_see_the_old_rows_or_the_new(shop: Shop) -> None:
    warehouse = shop.warehouse

    def now() -> list[Any]:
        return [warehouse.query(question)[0] for question in QUESTIONS]

    states = [now()]
    readers = [Reader(warehouse, question) for question in QUESTIONS]
    for reader in readers:
        reader.start()
    for step in (
        lambda: shop.load_day(5),
        lambda: warehouse.run("run"),
        lambda: warehouse.run(*MODELS, "--full-refresh"),
        lambda: shop.load("orders", DAY[3], []),
        lambda: warehouse.run(*MODELS),
        lambda: warehouse.run("run", "--full-refresh"),
    ):
        step()
        states.append(now())
    for reader in readers:
        reader.stop()
    for reader, question, seen in zip(readers, QUESTIONS, zip(*states, strict=True), strict=True):
        assert reader.error is None, (question, reader.error)
        assert set(reader.answers) <= set(seen), question
        assert len(reader.answers) > 100
        assert question == QUESTIONS[3] or len(set(reader.answers)) > 1, "nothing changed under the reader"
