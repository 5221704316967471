"""A lake: its tables, and how a partition of one is written whole or not at all; README.md describes the layout."""

import json
import os
import time
from abc import ABC, abstractmethod
from collections.abc import Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager, suppress
from datetime import date
from pathlib import Path
from typing import Any
from uuid import uuid4

import duckdb

from user_metrics.sql import literal

COLUMNS = {
    "users": {
        "id": "bigint",
        "email": "varchar",
        "created_at": "timestamp",
        "updated_at": "timestamp",
        "_loaded_at": "timestamp",
    },
    "orders": {
        "id": "bigint",
        "user_id": "bigint",
        "amount": "decimal(18, 2)",
        "status": "varchar",
        "created_at": "timestamp",
        "updated_at": "timestamp",
        "_loaded_at": "timestamp",
    },
}
"""Name to type of the columns of each table, in their order."""

FILE = "part_0.parquet"
"""The one file of a partition that is written here: a partition of more could be read half."""

ABANDONED_AFTER = 86_400
"""Seconds after which an unfinished file is nobody's."""

Row = dict[str, Any]


class LakeError(Exception):
    """The lake cannot be read or written, or a load is not as it must be; the message is a sentence."""


class Lake(ABC):
    """Where loads lie; a name that begins with a dot or _ is passed over by who reads loads."""

    def __init__(self, uri: str) -> None:
        """uri: as LAKE_URI has it."""
        self.uri = uri.rstrip("/")

    @abstractmethod
    def look(self) -> None:
        """Raises LakeError where the lake cannot be read."""

    @abstractmethod
    def names(self, folder: str = "") -> list[str]:
        """The names of the files and folders in a folder of the lake; none where it is not there."""

    @abstractmethod
    def read(self, path: str) -> str | None:
        """The text of a file; none where there is no such file."""

    @abstractmethod
    def write(self, path: str, text: str) -> None:
        """Writes a text into a file."""

    @abstractmethod
    def unfinished(self, partition: str) -> AbstractContextManager[Path]:
        """A file to write, which no reader of the lake sees; it is gone after the block, if it was not published."""

    @abstractmethod
    def _publish(self, file: Path, path: str) -> str:
        """Puts a file into the lake, in one step; returns its address."""

    def publish(self, file: Path, partition: str) -> str:
        """Makes an unfinished file the partition, in one step; returns its address.

        Raises LakeError where the partition has other files, which would stay beside it.
        """
        others = [name for name in self.names(partition) if name != FILE and not name.startswith(("_", "."))]
        if others:
            raise LakeError(
                f"LAKE_URI is '{self.uri}', where {partition} holds {min(others)}, which was not written here: move it."
            )
        return self._publish(file, f"{partition}/{FILE}")

    def write_rows(self, table: str, day: date, rows: Sequence[Row]) -> str:
        """Writes a load, and returns its file. No rows make a file without rows: a load that brought nothing."""
        partition = partition_of(table, day)
        with self.unfinished(partition) as file, duckdb.connect() as connection:
            connection.execute(f"create table load ({declaration(table)})")
            if rows:
                # As one value: DuckDB takes a tenth of a millisecond to bind each.
                connection.execute(
                    "insert into load by name select row.* from (select unnest(from_json_strict(?, ?)) as row)",
                    [json.dumps(rows, default=str), json.dumps([COLUMNS[table]])],
                )
            connection.execute(write_file("load", file))
            return self.publish(file, partition)


class FolderLake(Lake):
    """In a folder: a file is written beside, and renamed."""

    def __init__(self, folder: str | Path) -> None:
        """folder: it need not be there yet. Raises LakeError where DuckDB would look elsewhere for it."""
        super().__init__(str(folder))
        if "\\" in self.uri:
            raise LakeError(f"LAKE_URI is '{self.uri}', whose \\ ends a folder's name for DuckDB: name another folder.")

    def look(self) -> None:
        """It is a folder, and may be listed."""
        if not (Path(self.uri).is_dir() and os.access(self.uri, os.R_OK | os.X_OK)):
            raise LakeError(f"LAKE_URI is '{self.uri}', which is not a folder that can be read.")

    def names(self, folder: str = "") -> list[str]:
        """As they are on the disk."""
        try:
            return os.listdir(Path(self.uri, folder))  # noqa: PTH208 — names alone
        except FileNotFoundError:
            return []
        except OSError as error:
            raise LakeError(f"LAKE_URI is '{self.uri}', which cannot be read: {error.strerror}.") from error

    def read(self, path: str) -> str | None:
        """As it is on the disk."""
        try:
            return Path(self.uri, path).read_text()
        except FileNotFoundError:
            return None
        except OSError as error:
            raise LakeError(f"LAKE_URI is '{self.uri}', whose {path} cannot be read: {error.strerror}.") from error

    def write(self, path: str, text: str) -> None:
        """In one step too."""
        file = Path(self.uri, path)
        file.parent.mkdir(parents=True, exist_ok=True)
        unfinished = file.with_name(f"_{file.name}.{os.getpid()}")
        unfinished.write_text(text)
        unfinished.rename(file)

    @contextmanager
    def unfinished(self, partition: str) -> Iterator[Path]:
        """In the partition's own folder, from where it can be renamed."""
        folder = Path(self.uri, partition)
        try:
            folder.mkdir(parents=True, exist_ok=True)
            file = folder / f"_{uuid4().hex}.parquet"
            # Not by tempfile, whose files nobody else may read: who may read the lake is for the umask to say.
            file.touch(exist_ok=False)
        except OSError as error:
            raise LakeError(f"LAKE_URI is '{self.uri}', which cannot be written: {error.strerror}.") from error
        for left in folder.glob("_*.parquet"):
            with suppress(FileNotFoundError):
                if time.time() - left.stat().st_mtime > ABANDONED_AFTER:
                    left.unlink()
        try:
            yield file
        finally:
            file.unlink(missing_ok=True)
            with suppress(OSError):
                folder.rmdir()  # where it is empty: nothing was published

    def _publish(self, file: Path, path: str) -> str:
        """By a rename, after the file is on the disk."""
        with file.open("rb") as written:
            os.fsync(written.fileno())
        return str(file.rename(Path(self.uri, path)))


def lake_at(uri: str) -> Lake:
    """The lake at LAKE_URI; raises LakeError where that is neither a folder nor an address of S3."""
    if uri.startswith("s3://"):
        # Only a lake on S3 needs boto3, which takes a moment to import.
        from user_metrics.s3_lake import S3Lake

        return S3Lake(uri)
    if "://" in uri:
        raise LakeError(f"LAKE_URI is '{uri}', but must be a folder or s3://bucket/prefix.")
    return FolderLake(uri)


def partition_of(table: str, day: date) -> str:
    """Where the load of a table and date lies in a lake."""
    return f"{table}/date={day}"


def declaration(table: str) -> str:
    """The columns of a table as `create table` takes them, in DuckDB and in Redshift."""
    return ", ".join(f"{name} {type}" for name, type in COLUMNS[table].items())


def write_file(rows: str, file: Path) -> str:
    """A statement of DuckDB that writes a query's or table's rows into an unfinished file.

    Without a temporary file of DuckDB's own beside it, whose name readers would not pass over.
    """
    return f"copy {rows} to {literal(file)} (format parquet, use_tmp_file false)"
