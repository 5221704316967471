"""A server of S3 on this machine, and lakes on it that are written as folders."""

from __future__ import annotations

import functools
import itertools
import logging
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from http import HTTPStatus
from pathlib import Path
from typing import Any

import boto3
import pytest
from moto.core.models import DEFAULT_ACCOUNT_ID
from moto.s3.models import s3_backends
from moto.server import ThreadedMotoServer
from support.project import Project

BUCKET = "shop"

ON_BOTH = pytest.mark.parametrize("project", ["folder", pytest.param("s3", marks=pytest.mark.wheels)], indirect=True)
"""Runs tests on a lake in a folder, and on one on S3."""

ON_S3 = pytest.mark.parametrize("project", [pytest.param("s3", marks=pytest.mark.wheels)], indirect=True)
"""Runs tests on a lake on S3 alone, where others do the same in a folder."""

_numbers = itertools.count()


@dataclass(frozen=True)
class S3:
    """A running server with one bucket."""

    endpoint: str
    answers: dict[str, list[int]] = field(default_factory=lambda: defaultdict(list), hash=False)
    """By method: statuses of its next answers to requests for a parquet file; 200 does what is asked."""

    keys = {"region_name": "us-east-1", "aws_access_key_id": "any", "aws_secret_access_key": "any"}  # noqa: RUF012

    @functools.cache  # noqa: B019 — a server lives as long as the tests
    def client(self, **keys: str) -> Any:
        """A client of S3, which signs in by these keys, or as somebody who may do all."""
        return boto3.client("s3", endpoint_url=self.endpoint, **{**self.keys, **keys})

    @contextmanager
    def failing(self, method: str, answers: Sequence[int]) -> Iterator[None]:
        """Answers so when loads are written or read in the block, as an overloaded server does."""
        self.answers[method].extend(answers)
        yield
        assert len(self.answers[method]) < len(answers), "the server was not asked"
        self.answers[method].clear()

    @property
    def environment(self) -> dict[str, str]:
        """What names the server, and signs in to it."""
        return {
            "S3_ENDPOINT": self.endpoint, "AWS_DEFAULT_REGION": "us-east-1",
            "AWS_ACCESS_KEY_ID": "any", "AWS_SECRET_ACCESS_KEY": "any",
        }  # fmt: skip


@contextmanager
def s3_server() -> Iterator[S3]:
    """A server of S3 with an empty bucket, until the end of the block."""
    logging.getLogger("werkzeug").setLevel(logging.WARNING)  # not a line for each request
    server = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    server.start()
    host, port = server.get_host_and_port()
    try:
        s3 = S3(f"http://{host}:{port}")
        assert server._server is not None
        works = server._server.app

        def app(request: dict[str, Any], respond: Callable[..., Any]) -> Iterable[bytes]:
            answers = s3.answers[request["REQUEST_METHOD"]] if request["PATH_INFO"].endswith(".parquet") else []
            status = answers.pop(0) if answers else HTTPStatus.OK
            if status != HTTPStatus.OK:
                respond(f"{status} Slow Down", [("Content-Length", "0"), ("Connection", "close")])
                return []
            return works(request, respond)

        server._server.app = app
        s3.client().create_bucket(Bucket=BUCKET)
        yield s3
    finally:
        server.stop()


class Mirror:
    """A lake on S3 that is made what a folder is."""

    def __init__(self, s3: S3, folder: Path) -> None:
        self._client, self._folder = s3.client(), folder
        self._prefix = f"lake_{next(_numbers)}"
        self._there: dict[str, tuple[int, int]] = {}
        self.uri = f"s3://{BUCKET}/{self._prefix}"

    def update(self) -> None:
        """Uploads what is new or another in the folder, and deletes what is no longer there."""
        now = {}
        for file in filter(Path.is_file, self._folder.rglob("*")):
            is_now = file.stat()
            now[str(file.relative_to(self._folder))] = is_now.st_mtime_ns, is_now.st_size
        for path in self._there.keys() - now.keys():
            self._client.delete_object(Bucket=BUCKET, Key=f"{self._prefix}/{path}")
        for path, state in now.items():
            if self._there.get(path) != state:
                body = (self._folder / path).read_bytes()
                self._client.put_object(Bucket=BUCKET, Key=f"{self._prefix}/{path}", Body=body)
                # As old as the file, like a load that was not written just now.
                written = s3_backends[DEFAULT_ACCOUNT_ID]["aws"].buckets[BUCKET].keys[f"{self._prefix}/{path}"]
                written.last_modified = datetime.fromtimestamp(state[0] / 1e9, UTC).replace(tzinfo=None)
        self._there = now


class ProjectOnS3(Project):
    """A project whose lake is on S3: what a folder is, before each command."""

    def __init__(self, folder: Path, s3: S3) -> None:
        super().__init__(folder)
        self.s3, self.on_s3 = s3, Mirror(s3, self.lake)

    @property
    def lake_uri(self) -> str:
        """Where the lake is."""
        return self.on_s3.uri

    def environment(self) -> dict[str, str]:
        """What profiles.yml asks for."""
        return {**super().environment(), **self.s3.environment}

    def sync(self) -> None:
        """Makes the lake what the folder is now."""
        self.on_s3.update()
