"""Partitions of a lake, in a folder or on S3, that are written whole or not at all."""

import os
import tempfile
import time
from abc import ABC, abstractmethod
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from datetime import date
from pathlib import Path

FILE = "part_0.parquet"
"""The one file of a partition that is written here: a partition of more could be read half."""

ABANDONED_AFTER = 86_400
"""Seconds after which an unfinished file is nobody's."""


class PartitionError(Exception):
    """The partition cannot be written; the message is a sentence."""


@dataclass(frozen=True)
class Partition(ABC):
    """The load of one table and date."""

    lake_uri: str
    table: str
    date: date

    @contextmanager
    @abstractmethod
    def unfinished(self) -> Iterator[Path]:
        """A file to write, which no reader of the lake sees; it is gone after the block, if it was not published."""

    @abstractmethod
    def publish(self, file: Path) -> str:
        """Makes a file the partition, in one step; returns its address. Raises PartitionError."""

    @property
    def path(self) -> str:
        """Where it lies in the lake."""
        return f"{self.table}/date={self.date}"

    def refuse_others(self, names: list[str]) -> None:
        """Raises PartitionError where the partition has files that would stay beside the one written."""
        if others := sorted(name for name in names if name != FILE and not name.startswith(("_", "."))):
            raise PartitionError(
                f"LAKE_URI is '{self.lake_uri}', where {self.path} holds {others[0]}, which was not extracted: move it."
            )


class FolderPartition(Partition):
    """In a folder: the file is written beside, and renamed."""

    @property
    def _folder(self) -> Path:
        return Path(self.lake_uri) / self.path

    @contextmanager
    def unfinished(self) -> Iterator[Path]:
        """In the partition's own folder, from where it can be renamed; readers pass over names that begin with _."""
        try:
            self._folder.mkdir(parents=True, exist_ok=True)
            handle, name = tempfile.mkstemp(prefix="_", suffix=".parquet", dir=self._folder)
        except OSError as error:
            raise PartitionError(
                f"LAKE_URI is '{self.lake_uri}', which cannot be written: {error.strerror}."
            ) from error
        os.close(handle)
        file = Path(name)
        for left in self._folder.glob("_*.parquet"):
            with suppress(FileNotFoundError):
                if time.time() - left.stat().st_mtime > ABANDONED_AFTER:
                    left.unlink()
        try:
            yield file
        finally:
            file.unlink(missing_ok=True)
            with suppress(OSError):
                self._folder.rmdir()  # where it is empty: nothing was published

    def publish(self, file: Path) -> str:
        """By a rename, after the file is on the disk."""
        self.refuse_others([entry.name for entry in self._folder.iterdir()])
        with file.open("rb") as written:
            os.fsync(written.fileno())
        file.chmod(0o644)
        return str(file.rename(self._folder / FILE))


class S3Partition(Partition):
    """On S3: an object appears, or is replaced, when all of it has arrived, also when it comes in parts."""

    @contextmanager
    def unfinished(self) -> Iterator[Path]:
        """On this machine."""
        with tempfile.TemporaryDirectory(prefix="extract-") as folder:
            yield Path(folder) / FILE

    def publish(self, file: Path) -> str:
        """By one upload."""
        from user_metrics.s3_lake import S3Lake

        lake = S3Lake(self.lake_uri)
        self.refuse_others(lake.names(self.path))
        return lake.upload(file, f"{self.path}/{FILE}")


def partition(lake_uri: str, table: str, day: date) -> Partition:
    """A partition of the lake at LAKE_URI."""
    kind = S3Partition if lake_uri.startswith("s3://") else FolderPartition
    return kind(lake_uri.rstrip("/"), table, day)
