"""The same histories as on DuckDB, against the same expectation, through COPY and dbt-redshift."""

from __future__ import annotations

import itertools
from pathlib import Path

import pytest
from support.histories import REDSHIFT_BATCH, play_histories
from support.redshift.project import RedshiftProject
from support.redshift.standin import RedshiftStandIn


@pytest.mark.redshift
def test_incremental_equals_expectation_and_full_refresh(
    redshift_seed: int, redshift: RedshiftStandIn, tmp_path: Path
) -> None:
    projects = (RedshiftProject(tmp_path / str(number), redshift) for number in itertools.count())
    play_histories(redshift_seed, REDSHIFT_BATCH, projects, of_lake_files=False)
