"""COPY of parquet files, as strict about columns and types as Redshift is."""

from __future__ import annotations

import json
import re
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import duckdb
from botocore.exceptions import ClientError
from support.redshift.dialect import split_comment
from support.s3 import S3

COPY = re.compile(
    r"copy\s+(?P<table>[\w.\"]+)\s*(\((?P<columns>[^)]*)\))?\s*from\s+'(?P<source>[^']+)'(?P<options>.*?);?\s*",
    re.IGNORECASE | re.DOTALL,
)

DUCKDB = duckdb.connect()
"""Reads the files, in a cursor for each; to connect takes longer than to read one."""

# The one type that Redshift loads a parquet column into, by DuckDB's name for what the file has. What is not here, it
# does not load: unsigned and huge integers, timestamps with a zone or in nanoseconds, lists.
REDSHIFT_TYPES = {
    "BOOLEAN": "boolean",
    "SMALLINT": "smallint",
    "INTEGER": "integer",
    "BIGINT": "bigint",
    "FLOAT": "real",
    "DOUBLE": "double precision",
    "VARCHAR": "character varying",
    "DATE": "date",
    "TIMESTAMP": "timestamp without time zone",
}


@dataclass(frozen=True)
class Copy:
    """A COPY of parquet files into a table, perhaps into some of its columns only."""

    table: str
    columns: tuple[str, ...]
    source: str
    options: str
    s3: S3
    downloads: Path

    @property
    def statement(self) -> str:
        """What PostgreSQL is told; the rows follow."""
        columns = f" ({', '.join(self.columns)})" if self.columns else ""
        return f"copy {self.table}{columns} from stdin (format csv, null '\\N')"

    def files(self) -> list[str]:
        """The files to load.

        Raises FileNotFoundError if there is none or a mandatory one of a manifest is missing, and ValueError if the
        manifest does not say how large a file is, which Redshift must be told of parquet.
        """
        source = self._path(self.source)
        has_manifest = "manifest" in self.options.lower().split()
        if has_manifest and not source.exists():
            raise FileNotFoundError(f"The specified key does not exist: {self.source}")
        if has_manifest:
            entries = json.loads(source.read_text())["entries"]
            for entry in entries:
                if "content_length" not in entry.get("meta", {}):
                    raise ValueError(f"the manifest {self.source} has no content_length for {entry['url']}")
            paths = [(self._path(entry["url"]), entry.get("mandatory", False)) for entry in entries]
            files = [path for path, is_mandatory in paths if is_mandatory or path.exists()]
        else:
            files = [source]
        missing = [str(path) for path in files if not path.exists()]
        if missing or not files:
            raise FileNotFoundError(f"The specified key does not exist: {(missing or [self.source])[0]}")
        return sorted(map(str, files))

    def _path(self, uri: str) -> Path:
        """Where a file lies, once it is downloaded from S3."""
        if not uri.startswith("s3://"):
            return Path(uri)
        bucket, key = uri.removeprefix("s3://").split("/", 1)
        path = self.downloads / bucket / key
        path.parent.mkdir(parents=True, exist_ok=True)
        path.unlink(missing_ok=True)
        try:
            path.write_bytes(self._client.get_object(Bucket=bucket, Key=key)["Body"].read())
        except ClientError as error:
            if error.response["Error"]["Code"] not in ("NoSuchKey", "NoSuchBucket"):
                raise PermissionError(f"S3ServiceException:Access Denied,Status 403: {uri}") from error
        return path

    @property
    def _client(self) -> Any:
        """Signed in by the keys of the statement; by a role, as somebody who may do all."""
        keys = re.findall(r"(access_key_id|secret_access_key) '([^']*)'", self.options)
        return self.s3.client(**{f"aws_{name}": key for name, key in keys})

    def check(self, files: list[str]) -> str:
        """A statement that fails, and says why, if Redshift would refuse a file for its columns."""
        names = _array(self.columns) if self.columns else "null"
        calls = []
        for file in files:
            found = DUCKDB.cursor().read_parquet(file, hive_partitioning=False).types
            types = _array([_redshift_type(str(type)) for type in found])
            calls.append(f"call pg_catalog.check_copy({_text(self.table)}, {names}, {_text(file)}, {types});")
        return f"do $check$ begin {' '.join(calls)} end $check$"


def rows_of(files: list[str]) -> bytes:
    """The rows of some files as CSV, columns by position."""
    with tempfile.TemporaryDirectory() as folder:
        target = Path(folder) / "rows.csv"
        rows = DUCKDB.cursor().read_parquet(files, hive_partitioning=False)
        rows.write_csv(str(target), header=False, na_rep="\\N", quotechar='"', escapechar='"')
        return target.read_bytes()


def parse_copy(sql: str, s3: S3, downloads: Path) -> Copy | None:
    """The COPY that a statement is; none for any other. Raises ValueError for a COPY that is not of parquet."""
    found = COPY.fullmatch(split_comment(sql)[1])
    if not found:
        return None
    if "parquet" not in found["options"].lower().split():
        raise ValueError("the stand-in copies parquet alone")
    columns = tuple(name.strip() for name in (found["columns"] or "").split(",") if name.strip())
    return Copy(found["table"], columns, found["source"], found["options"], s3, downloads)


def _redshift_type(parquet_type: str) -> str:
    if decimal := re.fullmatch(r"DECIMAL\((\d+),(\d+)\)", parquet_type):
        return f"numeric({decimal[1]},{decimal[2]})"
    return REDSHIFT_TYPES.get(parquet_type, f"{parquet_type}, which COPY does not take")


def _text(value: str) -> str:
    return "'" + value.replace("'", "''") + "'"


def _array(values: tuple[str, ...] | list[str]) -> str:
    return f"array[{', '.join(map(_text, values))}]"
