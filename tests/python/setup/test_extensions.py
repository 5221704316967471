"""DuckDB's extensions come from wheels where these fit its version, and else as DuckDB itself installs them."""

from __future__ import annotations

import gzip
import importlib.util
from pathlib import Path

import duckdb
import pytest

from user_metrics.duckdb_extensions import load_extension


def wheel(name: str) -> Path:
    """The extension in the installed wheel."""
    spec = importlib.util.find_spec(f"duckdb_extension_{name}")
    assert spec
    assert spec.origin
    (file,) = Path(spec.origin).parent.rglob("*.duckdb_extension")
    return file


@pytest.fixture
def connection(tmp_path: Path) -> duckdb.DuckDBPyConnection:
    """A session that has installed nothing, and downloads from a folder."""
    folders = {"extension_directory": tmp_path / "installed", "custom_extension_repository": tmp_path / "downloads"}
    return duckdb.connect(config={name: str(folder) for name, folder in folders.items()})


def is_loaded(connection: duckdb.DuckDBPyConnection) -> bool:
    """Whether a session has httpfs."""
    return connection.execute("select loaded from duckdb_extensions() where extension_name = 'httpfs'").fetchall() == [
        (True,)
    ]


@pytest.mark.wheels
def test_a_wheel_that_fits_is_loaded_without_a_download(connection: duckdb.DuckDBPyConnection) -> None:
    load_extension(connection, "httpfs")
    assert is_loaded(connection)


@pytest.mark.wheels
def test_without_a_wheel_duckdb_installs_its_own(
    connection: duckdb.DuckDBPyConnection, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    platform = connection.execute("pragma platform").fetchall()[0][0]
    download = tmp_path / "downloads" / f"v{duckdb.__version__}" / platform / "httpfs.duckdb_extension.gz"
    download.parent.mkdir(parents=True)
    download.write_bytes(gzip.compress(wheel("httpfs").read_bytes(), 1))
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    load_extension(connection, "httpfs")
    assert is_loaded(connection)
    assert list((tmp_path / "installed").rglob("httpfs.duckdb_extension"))


def test_a_wheel_for_another_version_is_passed_over_and_no_download_is_told(
    connection: duckdb.DuckDBPyConnection, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(duckdb, "__version__", "9.9.9")
    with pytest.raises(duckdb.IOException, match=r"^DuckDB 9\.9\.9 cannot download its extension httpfs \("):
        load_extension(connection, "httpfs")
    assert not is_loaded(connection)
