"""dbt-duckdb plugin, configured in profiles.yml: tells the SQL where the lake is and whether it can be read."""

import os
from pathlib import Path

from dbt.adapters.duckdb.plugins import BasePlugin
from duckdb import DuckDBPyConnection


def is_readable(lake_uri: str) -> bool:
    """Whether the lake is a folder that can be listed.

    DuckDB's glob() cannot tell: it answers a wrong path with no files, as it does an empty folder.
    """
    return Path(lake_uri).is_dir() and os.access(lake_uri, os.R_OK | os.X_OK)


class Plugin(BasePlugin):  # type: ignore[misc]  # dbt-duckdb has no types
    """Sets the variables lake_uri (text) and lake_is_readable (boolean) of every DuckDB session."""

    def configure_cursor(self, cursor: DuckDBPyConnection) -> None:
        """Called by dbt-duckdb for every session."""
        lake_uri = self._config["lake_uri"].rstrip("/")
        if "://" not in lake_uri:
            # Absolute, as the views over the lake may be read from another folder.
            lake_uri = os.path.abspath(lake_uri)  # noqa: PTH100 — Path would follow links
        cursor.execute("set variable lake_uri = $1", [lake_uri])
        cursor.execute("set variable lake_is_readable = $1", [is_readable(lake_uri)])

    def initialize(self, plugin_config: dict[str, str]) -> None:
        """Called by dbt-duckdb with the plugin's config in profiles.yml."""
        self._config = plugin_config
