"""Every dbt command that production runs, with stock dbt-redshift, from an empty database."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from project import failure
from redshift.project import RedshiftProject

from user_metrics.sample import write_lake

pytestmark = pytest.mark.redshift

YESTERDAY = datetime.now(UTC).date() - timedelta(days=1)


COMMANDS: list[tuple[str, ...]] = [
    ("build",),
    ("build",),
    ("build", "--full-refresh"),
    ("snapshot",),
    ("source", "freshness"),
    ("docs", "generate"),
]


def test_every_command_succeeds_and_leaves_no_session(warehouse: RedshiftProject) -> None:
    write_lake(warehouse.lake, YESTERDAY, days=10)
    warehouse.copy_loads()
    for command in COMMANDS:
        warehouse.run(*command)
        assert warehouse.server.sessions() == [], command


def test_a_command_that_fails_leaves_no_session(warehouse: RedshiftProject) -> None:
    warehouse.run("seed")
    assert not warehouse.invoke("run", run_date="yesterday").success
    assert warehouse.server.sessions() == []
    refused = warehouse.invoke(
        "show", "--inline", "select count(*) filter (where true) from {{ ref('order_statuses') }}"
    )
    assert "Redshift refuses this" in failure(refused)
    assert warehouse.server.sessions() == []
    for pattern in ("order_statuses", "^BEGIN$", "^COMMIT$"):
        warehouse.server.cut(pattern)
        assert not warehouse.invoke("seed", "--full-refresh").success
        assert warehouse.server.sessions() == [], pattern
    warehouse.run("seed")
