"""The same histories as on DuckDB, against the same expectation, through COPY and dbt-redshift."""

from __future__ import annotations

import pytest
from histories import History
from redshift.project import RedshiftProject

pytestmark = pytest.mark.redshift


def test_incremental_equals_expectation_and_full_refresh(redshift_seed: int, warehouse: RedshiftProject) -> None:
    History(redshift_seed, warehouse).play()
    assert warehouse.server.sessions() == []
