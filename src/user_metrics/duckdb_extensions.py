"""DuckDB's extensions: from wheels where these fit DuckDB, and else as DuckDB installs them by itself."""

import importlib.util
from pathlib import Path

import duckdb

from user_metrics.sql import literal


def load_extension(connection: duckdb.DuckDBPyConnection, name: str) -> None:
    """Loads an extension, such as httpfs, into a session.

    From the wheel duckdb-extension-… where one is installed for this version of DuckDB; else DuckDB downloads it once.
    Raises duckdb.IOException, whose message is a sentence, where it cannot.
    """
    spec = importlib.util.find_spec(f"duckdb_extension_{name}")
    for folder in (spec.submodule_search_locations or []) if spec else []:
        file = Path(folder) / "extensions" / f"v{duckdb.__version__}" / f"{name}.duckdb_extension"
        if file.exists():
            connection.execute(f"load {literal(str(file))}")
            return
    try:
        connection.execute(f"install {name}")
        connection.execute(f"load {name}")
    except duckdb.Error as error:
        raise duckdb.IOException(
            f"DuckDB {duckdb.__version__} cannot download its extension {name} ({str(error).splitlines()[0]}): install"
            f" it where there is a network, or the wheel duckdb-extension-{name.replace('_', '-')} with DuckDB 1.5.5."
        ) from None
