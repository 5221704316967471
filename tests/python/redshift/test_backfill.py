"""A backfill into the warehouse loads what it has extracted before it builds."""

from __future__ import annotations

import pytest
from support.application import Application
from support.redshift.project import RedshiftProject

pytestmark = pytest.mark.redshift


def test_dates_are_extracted_loaded_and_built(application: Application, warehouse: RedshiftProject) -> None:
    application.sql(
        """
        insert into users values (1, '1@x.org', '2024-01-01 08:00+00', '2024-01-01 08:00+00');
        insert into orders values
            (1, 1, 10, 'completed', '2024-01-01 09:00+00', '2024-01-01 09:00+00'),
            (2, 1, 20, 'completed', '2024-01-02 09:00+00', '2024-01-02 09:00+00')
        """
    )
    command = ["backfill", "--from", "2024-01-01", "--to", "2024-01-02", "--target", "prod", "--parallel-extract", "2"]
    result = warehouse.command(*command)
    assert result.exit_code == 0, result.output
    assert result.stdout == "2 dates were taken in, up to 2024-01-02.\n"
    spent = "select date::text, total_spent::int from analytics.user_metrics order by date"
    assert warehouse.query(spent) == [("2024-01-01", 10), ("2024-01-02", 30)]
