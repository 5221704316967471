"""What `make demo` does: set-up once, a sample lake that has everything, and a first look."""

from __future__ import annotations

import os
import shutil
import subprocess
from datetime import date, timedelta
from pathlib import Path

import duckdb
import pytest
from support.project import BUILD, ROOT, Project
from typer.testing import CliRunner

from user_metrics.cli import app
from user_metrics.lake import FolderLake
from user_metrics.sample import write_lake

LAST_DATE = date(2024, 1, 30)


def planned(folder: Path) -> str:
    """What `make setup` would do."""
    environment = {name: value for name, value in os.environ.items() if name != "DBT_PACKAGES_PATH"}
    command = ["make", "-n", "setup"]
    return subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True, check=True).stdout


def test_a_second_set_up_does_no_work(tmp_path: Path) -> None:
    for name in ("Makefile", "packages.yml", "package-lock.yml", "pyproject.toml"):
        shutil.copy(ROOT / name, tmp_path)
    for name in ("requirements", "offline_packages"):
        shutil.copytree(ROOT / name, tmp_path / name)
    assert "--require-hashes -r requirements/runtime.txt" in planned(tmp_path)
    (tmp_path / ".venv/bin").mkdir(parents=True)
    for number, name in enumerate(("bin/python", "uv", "runtime", "packages")):
        made = tmp_path / ".venv" / name
        made.touch()
        os.utime(made, (made.stat().st_mtime + number + 1,) * 2)
    (tmp_path / "dbt_packages/dbt_utils").mkdir(parents=True)
    assert "Nothing to be done" in planned(tmp_path)
    shutil.rmtree(tmp_path / "dbt_packages")
    assert "user-metrics packages" in planned(tmp_path), "packages that are gone are made anew"
    (tmp_path / "dbt_packages/dbt_utils").mkdir(parents=True)
    changed = tmp_path / "requirements/runtime.txt"
    os.utime(changed, (changed.stat().st_mtime + 60, (tmp_path / ".venv/runtime").stat().st_mtime + 60))
    assert "--require-hashes -r requirements/runtime.txt" in planned(tmp_path)


@pytest.fixture(scope="module")
def sample_lake(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A sample lake that no test changes."""
    lake = tmp_path_factory.mktemp("sample") / "lake"
    write_lake(FolderLake(lake), LAST_DATE, days=30)
    return lake


def rows(lake: Path, query: str) -> list[tuple[object, ...]]:
    """The rows of a query on the lake's tables users and orders."""
    with duckdb.connect() as connection:
        for table in ("users", "orders"):
            connection.execute(f"create view {table} as from read_parquet('{lake}/{table}/date=*/*.parquet')")
        return connection.execute(query).fetchall()


@pytest.mark.parametrize(
    "found",
    [
        "select 1 from users where updated_at::date < date",
        "select 1 from orders where created_at::date < date and updated_at = created_at",
        "select 1 from orders where user_id is null",
        "select 1 from orders where status = 'cancelled'",
        "select 1 from orders where status = 'returned' and amount < 0",
        "select 1 from orders group by all having count(*) > 1",
        "select 1 from orders group by id having count(distinct user_id) > 1",
        "select 1 from orders group by id having count(distinct created_at::date) > 1",
        "select 1 from orders group by id having count(distinct amount) > 1",
        "select 1 from users group by id having count(distinct email) > 1",
    ],
)
def test_the_sample_has_what_real_lakes_have(found: str, sample_lake: Path) -> None:
    assert rows(sample_lake, found), f"no row of the sample answers: {found}"


def test_the_sample_has_a_load_of_every_date_and_empty_ones(sample_lake: Path) -> None:
    loads = {folder.name for folder in (sample_lake / "orders").iterdir()}
    assert loads == {f"date={LAST_DATE - timedelta(days=days)}" for days in range(30)}
    assert rows(sample_lake, "select count(distinct date) < 30 from orders") == [(True,)]


def test_the_sample_only_grows(tmp_path: Path) -> None:
    write_lake(FolderLake(tmp_path), LAST_DATE, days=30)
    before = {path: path.read_bytes() for path in tmp_path.rglob("*.parquet")}
    assert write_lake(FolderLake(tmp_path), LAST_DATE, days=30) == 0
    assert write_lake(FolderLake(tmp_path), LAST_DATE + timedelta(days=2), days=30) == 2
    assert {path: path.read_bytes() for path in before} == before


def test_a_lake_of_somebody_else_is_not_written_to(tmp_path: Path) -> None:
    (tmp_path / "mine.parquet").touch()
    said = CliRunner().invoke(app, ["sample", "--lake", str(tmp_path)])
    assert said.exit_code == 1
    assert "which holds files that are no sample: name another." in " ".join(said.output.split())
    assert [path.name for path in tmp_path.iterdir()] == ["mine.parquet"]


def test_the_sample_builds_and_is_shown(project: Project) -> None:
    write_lake(FolderLake(project.lake), LAST_DATE, days=30)
    project.run(*BUILD)
    said = CliRunner().invoke(app, ["summary", "--database", str(project.database)]).output
    leader = project.query(
        f"select user_id, total_spent from analytics.user_metrics where date = '{LAST_DATE}' and spending_rank = 1"
    )
    assert f"Spent most by {LAST_DATE}" in said
    assert f"{leader[0][1]:,.2f}" in said
    assert f"30 dates are built, from 2024-01-01 to {LAST_DATE}" in " ".join(said.split())
    assert "@example" in said
    assert project.query("select email from analytics.dim_users where user_id = 1 limit 1")[0][0] not in said


def test_a_summary_without_a_database_says_what_to_do(tmp_path: Path) -> None:
    said = CliRunner().invoke(app, ["summary", "--database", str(tmp_path / "none.duckdb")])
    assert said.exit_code == 1
    assert "which does not exist yet: run make build." in " ".join(said.output.split())


@pytest.mark.parametrize(
    ("options", "said"),
    [
        (("--days", "0"), "greater than or equal to 1"),
        (("--days", "100000000"), "less than or equal to 3660"),
        (("--until", "2024-13-01"), "does not match the formats '%Y-%m-%d'"),
    ],
)
def test_a_sample_that_cannot_be_made_is_refused(tmp_path: Path, options: tuple[str, str], said: str) -> None:
    result = CliRunner().invoke(app, ["sample", "--lake", str(tmp_path / "lake"), *options])
    assert result.exit_code == 2
    assert said in " ".join(result.output.replace("│", " ").split())
    assert not (tmp_path / "lake").exists()


@pytest.mark.parametrize("content", [None, b"no database"])
def test_a_summary_of_a_file_without_user_metrics_says_what_to_do(tmp_path: Path, content: bytes | None) -> None:
    database = tmp_path / "some.duckdb"
    if content:
        database.write_bytes(content)
    else:
        duckdb.connect(str(database)).close()
    result = CliRunner().invoke(app, ["summary", "--database", str(database)])
    assert result.exit_code == 1
    assert f"DUCKDB_PATH is '{database}', which has no user_metrics: run make build. (" in result.output
