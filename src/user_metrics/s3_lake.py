"""A lake on S3: which loads are delivered, what is in them, and the manifests by which COPY takes them."""

import hashlib
import json
import os
import re
import tempfile
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import date
from functools import cached_property
from pathlib import Path
from typing import Any

import boto3
import duckdb
from boto3.exceptions import Boto3Error
from botocore.exceptions import BotoCoreError, ClientError

from user_metrics.duckdb_s3 import endpoint, sign_in
from user_metrics.lake import FILE, Lake, LakeError
from user_metrics.sql import literal

MANIFESTS = "_manifests"
"""Where manifests lie in the lake: beside the tables, so that whoever may read a load may read its manifest, and for
good, as they tell of what a load was made. Nothing else reads that folder."""

A_LOAD = re.compile(r"(users|orders)/date=(\d{4}-\d\d-\d\d)/(?![._])[^/]+(?<![.]tmp)[.]parquet")


@dataclass(frozen=True)
class Load:
    """The files of one table and date."""

    table: str
    date: date
    files: list[dict[str, Any]] = field(hash=False)
    """url, size in bytes, and S3's etag."""

    @property
    def bytes(self) -> int:
        """Size of the files."""
        return sum(file["size"] for file in self.files)

    @property
    def checksum(self) -> str:
        """Tells this state of the load from another: of the names, sizes and etags of its files."""
        files = sorted([file["url"], file["size"], file["etag"]] for file in self.files)
        return hashlib.md5(json.dumps(files).encode(), usedforsecurity=False).hexdigest()


class S3Lake(Lake):
    """The lake at s3://bucket/prefix; S3_ENDPOINT names a server that is not Amazon's.

    An object appears, or is replaced, when all of it has arrived, also when it comes in parts.
    """

    def __init__(self, uri: str) -> None:
        """Raises LakeError when it is no address of S3."""
        super().__init__(uri)
        scheme, _, path = self.uri.partition("://")
        self._bucket, _, self._prefix = path.partition("/")
        if scheme != "s3" or not self._bucket:
            raise LakeError(f"LAKE_URI is '{uri}', but Redshift loads from S3 alone: name it s3://bucket/prefix.")
        if found := re.search("[#?]|//", path):
            raise LakeError(
                f"LAKE_URI is '{uri}', whose {found[0]} is one thing to DuckDB and another to S3: name another prefix."
            )
        self._session = boto3.Session()
        self._client = self._session.client("s3", endpoint_url=endpoint())

    def look(self) -> None:
        """Asks for what lies first in the lake; raises LakeError where S3 does not answer."""
        with self._told():
            self._client.list_objects_v2(Bucket=self._bucket, Prefix=self._key(""), MaxKeys=1)

    def loads(self, folders: Iterable[str]) -> dict[tuple[str, date], Load]:
        """The loads that are delivered now, by table and date; one request for a thousand files of a folder.

        folders: names of tables, or of partitions in them.
        """
        loads: dict[tuple[str, date], Load] = {}
        for entry in self._listed(folders):
            if found := A_LOAD.fullmatch(entry["Key"].removeprefix(self._key(""))):
                url = f"s3://{self._bucket}/{entry['Key']}"
                key = found[1], self._date(found[2], url)
                file = {"url": url, "size": entry["Size"], "etag": entry["ETag"]}
                loads.setdefault(key, Load(*key, files=[])).files.append(file)
        return loads

    def _date(self, text: str, url: str) -> date:
        try:
            return date.fromisoformat(text)
        except ValueError:
            raise LakeError(
                f"LAKE_URI is '{self.uri}', where {url} lies under {text}, which is no date of the calendar: move it."
            ) from None

    def _listed(self, folders: Iterable[str]) -> Iterator[dict[str, Any]]:
        """What S3 says of each object in some folders."""
        for folder in folders:
            with self._told():
                pages = self._client.get_paginator("list_objects_v2")
                for page in pages.paginate(Bucket=self._bucket, Prefix=self._key(f"{folder}/")):
                    yield from page.get("Contents", [])

    def load(self, table: str, day: date) -> Load:
        """One load as it is now; raises LakeError when there is none."""
        loads = self.loads([f"{table}/date={day}"])
        if (table, day) not in loads:
            raise LakeError(f"LAKE_URI is '{self.uri}', which has no load of {table} for {day}.")
        return loads[table, day]

    def between(self, tables: Sequence[str], first: date, last: date) -> list[tuple[str, date]]:
        """The loads of some dates; raises LakeError when there is none."""
        found = in_order(key for key in self.loads(tables) if first <= key[1] <= last)
        if not found:
            days = f"for {first}" if first == last else f"from {first} to {last}"
            raise LakeError(f"LAKE_URI is '{self.uri}', which has no load of {' or '.join(tables)} {days}.")
        return found

    def columns(self, load: Load) -> list[tuple[str, str, str]]:
        """(url, name, type as DuckDB calls it) of every column of every file, in its order."""
        urls = [file["url"] for file in load.files]
        columns = "select file_name, name, duckdb_type from parquet_schema(?) where duckdb_type is not null"
        with self._told():
            return self._duckdb.execute(columns, [urls]).fetchall()

    def rows(self, load: Load) -> int:
        """How many rows the files have, as their footers say."""
        urls = [file["url"] for file in load.files]
        count = "select coalesce(sum(num_rows), 0) from parquet_file_metadata(?)"
        with self._told():
            return int(self._duckdb.execute(count, [urls]).fetchall()[0][0])

    def write_manifest(self, load: Load) -> str:
        """Writes the manifest of a load and returns its address."""
        entries = [
            {"url": file["url"], "mandatory": True, "meta": {"content_length": file["size"]}} for file in load.files
        ]
        path = f"{MANIFESTS}/{load.table}/date={load.date}.json"
        self.write(path, json.dumps({"entries": entries}, indent=2))
        return self._url(path)

    def names(self, folder: str = "") -> list[str]:
        """By one request for a thousand."""
        prefix = self._key(f"{folder}/") if folder else self._key("")
        found: list[str] = []
        with self._told():
            pages = self._client.get_paginator("list_objects_v2")
            for page in pages.paginate(Bucket=self._bucket, Prefix=prefix, Delimiter="/"):
                found += [entry["Key"] for entry in page.get("Contents", [])]
                found += [entry["Prefix"].rstrip("/") for entry in page.get("CommonPrefixes", [])]
        return [path.removeprefix(prefix) for path in found]

    def read(self, path: str) -> str | None:
        """By one request."""
        with self._told():
            try:
                return str(self._client.get_object(Bucket=self._bucket, Key=self._key(path))["Body"].read().decode())
            except self._client.exceptions.NoSuchKey:
                return None

    def write(self, path: str, text: str) -> None:
        """By one request."""
        with self._told():
            self._client.put_object(Bucket=self._bucket, Key=self._key(path), Body=text.encode())

    @contextmanager
    def unfinished(self, partition: str) -> Iterator[Path]:
        """On this machine."""
        with tempfile.TemporaryDirectory(prefix="load-") as folder:
            yield Path(folder) / FILE

    def _publish(self, file: Path, path: str) -> str:
        """By an upload."""
        with self._told():
            self._client.upload_file(str(file), self._bucket, self._key(path))
        return self._url(path)

    def credentials(self) -> str:
        """How COPY is to sign in: REDSHIFT_COPY_ROLE, an IAM role or `default`, else the credentials of this process.

        Raises LakeError when there are neither.
        """
        role = os.environ.get("REDSHIFT_COPY_ROLE")
        if role:
            return "iam_role default" if role == "default" else f"iam_role {literal(role)}"
        signed_in = self._session.get_credentials()
        if not signed_in:
            raise LakeError("COPY needs REDSHIFT_COPY_ROLE, a role of the cluster's, or AWS credentials.")
        found = signed_in.get_frozen_credentials()
        token = f" session_token {literal(found.token)}" if found.token else ""
        return f"access_key_id {literal(found.access_key)} secret_access_key {literal(found.secret_key)}{token}"

    @contextmanager
    def _told(self) -> Iterator[None]:
        """Has an error of S3 say which lake it is about."""
        try:
            yield
        except (BotoCoreError, Boto3Error, ClientError, duckdb.Error) as error:
            raise LakeError(f"LAKE_URI is '{self.uri}', which S3 refuses: {error}") from error

    def _key(self, path: str) -> str:
        return f"{self._prefix}/{path}" if self._prefix else path

    def _url(self, path: str) -> str:
        return f"s3://{self._bucket}/{self._key(path)}"

    @cached_property
    def _duckdb(self) -> duckdb.DuckDBPyConnection:
        """A session that reads S3."""
        connection = duckdb.connect()
        sign_in(connection)
        return connection


def in_order(loads: Iterable[tuple[str, date]]) -> list[tuple[str, date]]:
    """Table and date of loads, by date."""
    return sorted(loads, key=lambda load: (load[1], load[0]))
