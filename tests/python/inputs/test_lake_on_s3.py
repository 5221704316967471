"""A lake on S3 is read as a folder is, and asked no more the more loads it has."""

from __future__ import annotations

import logging
import re
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import date, timedelta
from pathlib import Path

import pytest
from support.days import DAY, at, build, loaded, write_days
from support.project import Project, failure, order, refusal, user
from support.s3 import BUCKET, S3, ProjectOnS3

from user_metrics.lake import FolderLake, LakeError
from user_metrics.s3_lake import S3Lake
from user_metrics.sample import write_lake

pytestmark = pytest.mark.wheels


@pytest.fixture
def on_s3(tmp_path: Path, s3: S3, monkeypatch: pytest.MonkeyPatch) -> ProjectOnS3:
    """The project on an empty lake on S3."""
    for name, value in s3.environment.items():
        monkeypatch.setenv(name, value)
    return ProjectOnS3(tmp_path, s3)


@contextmanager
def requests() -> Iterator[list[str]]:
    """What the server is asked, in a block."""
    asked: list[str] = []
    log = logging.getLogger("werkzeug")
    handler = logging.Handler()
    handler.emit = lambda record: asked.append(record.getMessage())  # type: ignore[method-assign]
    level = log.level
    log.setLevel(logging.INFO)
    log.addHandler(handler)
    yield asked
    log.removeHandler(handler)
    log.setLevel(level)


def test_a_lake_on_s3_makes_the_rows_that_a_folder_makes(on_s3: ProjectOnS3, tmp_path: Path) -> None:
    write_days(on_s3, 5)
    build(on_s3)
    (tmp_path / "folder").mkdir()
    folder = Project(tmp_path / "folder", lake=on_s3.lake)
    build(folder)
    assert on_s3.metrics()
    assert on_s3.metrics() == folder.metrics()


@pytest.mark.parametrize("reads", range(0, 10, 3))
def test_reads_that_fail_for_a_while_stop_a_build_whole_and_the_next_heals(
    on_s3: ProjectOnS3, tmp_path: Path, reads: int
) -> None:
    write_days(on_s3, 4)
    build(on_s3)
    before = on_s3.metrics()
    write_days(on_s3, 5)
    on_s3.sync()
    with on_s3.s3.failing("GET", [200] * reads + [503, 500] * 20):
        reason = refusal(on_s3)
    assert "Service Unavailable" in reason or "Internal Server Error" in reason
    build(on_s3)
    (tmp_path / "folder").mkdir()
    folder = Project(tmp_path / "folder", lake=on_s3.lake)
    build(folder)
    assert on_s3.metrics() == folder.metrics() != before


@pytest.mark.parametrize("are_many", [False, True])
def test_a_day_asks_no_more_the_more_loads_there_are(
    on_s3: ProjectOnS3, are_many: bool, pytestconfig: pytest.Config
) -> None:
    """One listing of each table to begin with, one of each new load after, and the new files themselves."""
    days, first = pytestconfig.getoption("--loads-on-s3") if are_many else 40, date(2023, 1, 1)
    on_s3.write_load("users", first, [user(1, "a@x.org", at(first), at(first), loaded(first))])
    on_s3.write_load("orders", first, [order(1, 1, "1.00", "completed", at(first), at(first), loaded(first))])
    for number in range(1, days):
        # The same again: that is written faster.
        for table in ("users", "orders"):
            partition = on_s3.lake / table / f"date={first}"
            shutil.copytree(partition, partition.with_name(f"date={first + timedelta(days=number)}"))
    build(on_s3)
    day = first + timedelta(days=days)
    on_s3.write_load("orders", day, [order(days, 1, "1.00", "completed", at(day), at(day), loaded(day))])
    on_s3.on_s3.update()
    with requests() as asked:
        build(on_s3)
    assert on_s3.metrics()[-1][0] == day
    assert len(asked) <= 12, "\n".join(asked)
    with requests() as asked:
        build(on_s3)
    assert len(asked) <= 3, "\n".join(asked)


def test_the_sample_on_s3_is_that_in_a_folder_and_only_grows(on_s3: ProjectOnS3, tmp_path: Path) -> None:
    last_date = date(2024, 1, 12)
    folder, bucket = FolderLake(tmp_path / "sample"), S3Lake(f"s3://{BUCKET}/sample")
    for lake in (folder, bucket):
        assert write_lake(lake, last_date, days=10) == 10
        assert write_lake(lake, last_date, days=10) == 0
        assert write_lake(lake, last_date + timedelta(days=2), days=10) == 2
    written = {str(file.relative_to(folder.uri)): file.read_bytes() for file in Path(folder.uri).rglob("*.parquet")}
    for path, content in written.items():
        assert on_s3.s3.client().get_object(Bucket=BUCKET, Key=f"sample/{path}")["Body"].read() == content
    assert len(bucket.loads(["users", "orders"])) == len(written) == 24
    result = on_s3.command("sample", "--lake", f"s3://{BUCKET}/sample/orders")
    assert result.exit_code == 1
    assert f"LAKE_URI is 's3://{BUCKET}/sample/orders', which holds files that are no sample" in result.output


def test_a_load_of_no_date_of_the_calendar_is_named(on_s3: ProjectOnS3) -> None:
    key = "odd/orders/date=2024-02-30/part_0.parquet"
    on_s3.s3.client().put_object(Bucket=BUCKET, Key=key, Body=b"")
    said = f"where s3://{BUCKET}/{key} lies under 2024-02-30, which is no date of the calendar: move it."
    with pytest.raises(LakeError, match=re.escape(said)):
        S3Lake(f"s3://{BUCKET}/odd").loads(["orders"])


def test_a_bucket_that_is_not_there_is_named(on_s3: ProjectOnS3, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(on_s3.on_s3, "uri", "s3://nowhere/lake")
    said = refusal(on_s3)
    assert "LAKE_URI is 's3://nowhere/lake', which S3 refuses: " in said
    assert "NoSuchBucket" in said


def test_a_prefix_that_is_not_one_thing_to_all_is_refused_by_all(
    on_s3: ProjectOnS3, monkeypatch: pytest.MonkeyPatch
) -> None:
    for prefix in ("la#ke", "la//ke", "/lake"):
        with pytest.raises(LakeError, match="is one thing to DuckDB and another to S3"):
            S3Lake(f"s3://{BUCKET}/{prefix}")
    lake = f"s3://{BUCKET}/la?ke"
    monkeypatch.setattr(on_s3.on_s3, "uri", lake)
    said = [refusal(on_s3)]
    for command in (("sample",), ("check-lake",), ("load", "--changed")):
        result = on_s3.command(*command, "--lake", lake)
        assert result.exit_code == 1
        said.append(" ".join(result.output.split()))
    for sentence in said:
        assert f"LAKE_URI is '{lake}', whose " in sentence
        assert "is one thing to DuckDB and another to S3: name another prefix." in sentence


def test_a_prefix_with_other_signs_is_read_as_it_is(on_s3: ProjectOnS3, monkeypatch: pytest.MonkeyPatch) -> None:
    lake = f"s3://{BUCKET}/la ke+%20&=é's"
    written = S3Lake(lake)
    row = order(1, 1, "1.00", "completed", at(DAY[0]), at(DAY[0]), loaded(DAY[0]))
    written.write_rows("users", DAY[0], [user(1, "a@x.org", at(DAY[0]), at(DAY[0]), loaded(DAY[0]))])
    written.write_rows("orders", DAY[0], [row])
    monkeypatch.setattr(on_s3.on_s3, "uri", lake)
    monkeypatch.setattr(on_s3, "sync", lambda: None)
    build(on_s3)
    assert len(on_s3.metrics()) == 1


def test_a_server_that_does_not_answer_is_named(on_s3: ProjectOnS3, monkeypatch: pytest.MonkeyPatch) -> None:
    environment = {**on_s3.environment(), "S3_ENDPOINT": "http://127.0.0.1:9"}
    monkeypatch.setattr(on_s3, "environment", lambda: environment)
    result = on_s3.invoke("run")
    assert not result.success
    assert f"LAKE_URI is '{on_s3.on_s3.uri}', which S3 refuses: " in failure(result)


def test_a_stray_file_on_s3_is_named(on_s3: ProjectOnS3) -> None:
    write_days(on_s3, 2)
    stray = on_s3.lake / "orders" / "2024-01-01" / "part_0.parquet"
    stray.parent.mkdir()
    stray.write_bytes((on_s3.lake / "orders" / f"date={DAY[0]}" / "part_0.parquet").read_bytes())
    assert f"{on_s3.on_s3.uri}/orders/2024-01-01/part_0.parquet" in refusal(on_s3)
