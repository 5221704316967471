"""dbt-duckdb plugin, configured in profiles.yml: checks DUCKDB_PATH and a memory limit, and says where the lake is."""

import os
import re
from pathlib import Path

import duckdb
from dbt.adapters.duckdb.plugins import BasePlugin
from dbt_common.exceptions import DbtRuntimeError

from user_metrics.lake import LakeError, lake_at

IN_MEMORY = ":memory:"
TAKEN_NAMES = ("information_schema", "main", "pg_catalog", "raw", "system", "temp")
"""What DuckDB, which calls a file's contents by the file's name, would mistake for a schema or for its own."""


def trouble_with(lake_uri: str) -> str | None:
    """Why a lake cannot be read, as the end of a sentence; none where it can.

    DuckDB's glob() cannot tell: it answers a wrong path with no files, as it does an empty folder.
    """
    try:
        lake_at(lake_uri).look()
    except LakeError as error:
        return str(error).removeprefix(f"LAKE_URI is '{lake_uri}', ").removesuffix(".")
    return None


def open_database(path: str, schema: str) -> None:
    """Opens the DuckDB file once, and makes its folder where it is missing.

    Raises DbtRuntimeError, which dbt prints as a sentence; an error of DuckDB's own would come with its stacks.
    """
    if path == IN_MEMORY or path.startswith(("md:", "motherduck:")):
        return
    file = Path(path)
    try:
        if file.stem.lower() in (*TAKEN_NAMES, schema.lower()):
            raise ValueError("whose name DuckDB would mistake for a schema: call the file otherwise")
        if found := re.search("['\";]", file.stem):
            raise ValueError(f"whose name has {found[0]} in it, as no table's address may: call the file otherwise")
        if file.is_dir():
            raise ValueError("which is a folder: name a file in it")
        file.parent.mkdir(parents=True, exist_ok=True)
        is_new = not file.exists()
        try:
            with duckdb.connect(path):
                # It is ours alone now: what a process that was killed has spilled is nobody's.
                for spilled in file.with_name(f"{file.name}.tmp").glob("duckdb_temp_*"):
                    spilled.unlink()
        except duckdb.Error as error:
            if is_new and "set lock on file" not in str(error):
                file.unlink(missing_ok=True)  # half a file, of a disk that is full
            raise
    except (ValueError, OSError, duckdb.Error) as error:
        raise DbtRuntimeError(f"DUCKDB_PATH is '{path}', {_reason(error)}.") from None


def _reason(error: Exception) -> str:
    """Why a file cannot be opened, as the second half of a sentence."""
    said = str(error)
    if isinstance(error, ValueError):
        return said
    if "set lock on file" in said:
        holder = re.search(r"lock is held in (.+?) \(PID (\d+)\)", said)
        who = f"{Path(holder[1]).name} (process {holder[2]})" if holder else "another process"
        return f"which {who} has open: close it there, or wait until it has ended"
    if "not a valid DuckDB database" in said:
        return "which is no DuckDB file: name another, or move it away"
    if isinstance(error, OSError):
        return f"whose folder cannot be made ({error.strerror})"
    return f"which DuckDB cannot open: {said}"


def check_memory_limit(memory_limit: str) -> None:
    """Raises DbtRuntimeError where DuckDB does not know a memory limit."""
    try:
        duckdb.connect(config={"memory_limit": memory_limit}).close()
    except duckdb.Error:
        raise DbtRuntimeError(
            f"DUCKDB_MEMORY_LIMIT is '{memory_limit}', which is no amount of memory: write it as 4GB or 500MB."
        ) from None


class Plugin(BasePlugin):  # type: ignore[misc]  # dbt-duckdb has no types
    """Sets lake_uri, lake_trouble (none, or why it cannot be read) and the memory limit of every DuckDB session."""

    _is_lake_read = False

    def initialize(self, plugin_config: dict[str, str]) -> None:
        """Called by dbt-duckdb with the plugin's config in profiles.yml, before it opens the file."""
        if not plugin_config.get("lake_uri"):
            raise DbtRuntimeError("profiles.yml has no lake_uri under user_metrics.duckdb_plugin: name the lake there.")
        self._memory_limit = plugin_config.get("memory_limit")
        self._lake_uri = plugin_config["lake_uri"].rstrip("/")
        if "://" not in self._lake_uri:
            # Absolute, as the views over the lake may be read from another folder.
            self._lake_uri = os.path.abspath(self._lake_uri)  # noqa: PTH100 — Path would follow links
        open_database(self.creds.path or IN_MEMORY, self.creds.schema)
        if self._memory_limit:
            check_memory_limit(self._memory_limit)

    def configure_connection(self, connection: duckdb.DuckDBPyConnection) -> None:
        """Called by dbt-duckdb once, for the connection whose sessions it uses."""
        if self._lake_uri.startswith("s3://"):
            from user_metrics.duckdb_s3 import sign_in

            sign_in(connection)

    def configure_cursor(self, cursor: duckdb.DuckDBPyConnection) -> None:
        """Called by dbt-duckdb for every session."""
        cursor.execute("set variable lake_uri = $1", [self._lake_uri])
        cursor.execute("set variable lake_trouble = $1", [self._lake_trouble()])
        if self._memory_limit:
            cursor.execute(f"set memory_limit = '{self._memory_limit}'")

    def _lake_trouble(self) -> str | None:
        """Asked once where all is well; what is not there may come while dbt runs."""
        if not self._is_lake_read:
            trouble = trouble_with(self._lake_uri)
            self._is_lake_read = not trouble
            return trouble
        return None
