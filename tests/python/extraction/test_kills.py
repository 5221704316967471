"""An extraction that is killed at any moment leaves the old partition or the new one, for whoever reads meanwhile."""

from __future__ import annotations

import random
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path

import duckdb
import pytest
from support.application import Application
from support.s3 import BUCKET, S3


@contextmanager
def reader(files: Callable[[], list[bytes]], folder: Path) -> Iterator[list[list[tuple[str, int]]]]:
    """Reads a partition again and again: the statuses that were there at once, with how many rows each had."""
    seen: list[list[tuple[str, int]]] = []
    is_over = threading.Event()

    def read() -> None:
        while not is_over.is_set():
            for number, content in enumerate(files()):
                (folder / f"{number}.parquet").write_bytes(content)
            with duckdb.connect() as connection:
                rows = f"select status, count(*) from '{folder}/*.parquet' group by status"
                seen.append(connection.execute(rows).fetchall())

    with ThreadPoolExecutor(max_workers=1) as pool:
        reading = pool.submit(read)
        try:
            yield seen
        finally:
            is_over.set()
        reading.result(timeout=60)


@pytest.mark.kill
@pytest.mark.parametrize("where", ["folder", "s3"])
def test_readers_see_a_whole_partition(
    application: Application, tmp_path: Path, s3: S3, monkeypatch: pytest.MonkeyPatch, where: str,
    pytestconfig: pytest.Config,
) -> None:  # fmt: skip
    for name, value in s3.environment.items():
        monkeypatch.setenv(name, value)
    rows, kills = pytestconfig.getoption("--orders") // 5, pytestconfig.getoption("--kills")
    lake = str(tmp_path) if where == "folder" else f"s3://{BUCKET}/killed"
    extract = ["extract", "--table", "orders", "--date", "2024-01-05", "--lake", lake]
    command = [sys.executable, "-m", "user_metrics", *extract]
    application.sql(
        f"""
        insert into orders select id, 1, 10, 'version 0', '2024-01-05 09:00+00', '2024-01-05 09:00+00'
        from generate_series(1, {rows}) as ids(id)
        """
    )
    started = time.monotonic()
    subprocess.run(command, check=True, timeout=120, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL)
    duration = time.monotonic() - started
    chance, killed = random.Random(), 0

    def files() -> list[bytes]:
        """What a reader takes for the load."""
        if where == "folder":
            partition = tmp_path / "orders" / "date=2024-01-05"
            return [file.read_bytes() for file in partition.glob("[!_]*.parquet")]
        listed = s3.client().list_objects_v2(Bucket=BUCKET, Prefix="killed/orders/date=2024-01-05/")["Contents"]
        return [s3.client().get_object(Bucket=BUCKET, Key=entry["Key"])["Body"].read() for entry in listed]

    (tmp_path / "read").mkdir()
    with reader(files, tmp_path / "read") as seen:
        for number in range(1, 1 + kills):
            application.sql("update orders set status = %s", f"version {number}")
            extraction = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL)
            try:
                # Its last half: before, it has not begun to write.
                extraction.wait(timeout=chance.uniform(duration / 2, duration))
            except subprocess.TimeoutExpired:
                extraction.kill()
                extraction.wait(timeout=30)
                killed += 1
    assert killed > 0, "every extraction was over before it could be killed"
    assert len(seen) > killed
    assert {count for statuses in seen for _, count in statuses} == {rows}
    assert {len(statuses) for statuses in seen} == {1}
    subprocess.run(command, check=True, timeout=120, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL)
    with reader(files, tmp_path / "read") as seen:
        time.sleep(1)
    assert seen[-1] == [(f"version {kills}", rows)]
