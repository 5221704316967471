"""DUCKDB_PATH, LAKE_URI and a memory limit that cannot be are refused in a sentence, and a missing folder is made."""

from __future__ import annotations

import os
import re
import subprocess
import sys
import textwrap
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import duckdb
import pytest
from support.days import DAY, build, write_days
from support.project import BUILD, ROOT, Project, failure, working_folder


@contextmanager
def opened_elsewhere(database: Path) -> Iterator[int]:
    """Another process, by its id, has the file open."""
    program = "import duckdb, sys; held = duckdb.connect(sys.argv[1]); print('open', flush=True); sys.stdin.read()"
    with subprocess.Popen(
        [sys.executable, "-c", program, database], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    ) as process:
        assert process.stdout
        assert process.stdout.readline() == b"open\n"
        yield process.pid
        process.kill()


def refusal(project: Project, path: Path) -> str:
    """Why a run into this file was refused."""
    project.database = path
    result = project.invoke("run")
    assert not result.success
    return failure(result)


@pytest.mark.parametrize(
    "name", ["raw.duckdb", "analytics.db", "TEMP.duckdb", "main.duckdb", "system", "information_schema.duckdb"]
)
def test_a_file_that_would_be_mistaken_for_a_schema_is_refused(project: Project, name: str) -> None:
    path = project.folder / name
    said = f"DUCKDB_PATH is '{path}', whose name DuckDB would mistake for a schema: call the file otherwise."
    assert said in refusal(project, path)
    assert not path.exists()


@pytest.mark.parametrize("name", ["it's.duckdb", 'a"b.duckdb', "x;y.duckdb"])
def test_a_file_whose_name_dbt_cannot_quote_is_refused(project: Project, name: str) -> None:
    assert f"DUCKDB_PATH is '{project.folder / name}', whose name has " in refusal(project, project.folder / name)
    assert not (project.folder / name).exists()


def test_a_folder_whose_name_has_such_signs_is_none_of_them(tmp_path: Path) -> None:
    project = Project(tmp_path / "it's; a \"b")
    write_days(project, 2)
    project.run(*BUILD)
    assert len(project.metrics()) == 4


def test_a_lake_whose_path_has_a_backslash_is_refused_by_all(project: Project) -> None:
    project.lake = project.folder / "a\\b"
    project.lake.mkdir()
    reason = f"LAKE_URI is '{project.lake}', whose \\ ends a folder's name for DuckDB: name another folder."
    assert reason in failure(project.invoke("run"))
    for command in (("check-lake",), ("sample",)):
        assert reason in " ".join(project.command(*command).stderr.split())


def test_a_folder_is_refused(project: Project) -> None:
    said = f"DUCKDB_PATH is '{project.folder}', which is a folder: name a file in it."
    assert said in refusal(project, project.folder)


def test_a_file_of_another_kind_is_refused_and_left_as_it_is(project: Project) -> None:
    path = project.folder / "notes.duckdb"
    path.write_text("dear diary")
    assert f"DUCKDB_PATH is '{path}', which is no DuckDB file: name another, or move it away." in refusal(project, path)
    assert path.read_text() == "dear diary"


def test_a_folder_that_cannot_be_made_is_named(project: Project) -> None:
    (project.folder / "file").touch()
    path = project.folder / "file" / "metrics.duckdb"
    assert f"DUCKDB_PATH is '{path}', whose folder cannot be made (" in refusal(project, path)


def test_a_missing_folder_is_made(project: Project) -> None:
    write_days(project, 2)
    project.database = project.folder / "not" / "there" / "user_metrics.duckdb"
    project.run(*BUILD)
    assert len(project.metrics()) == 4


def test_a_file_that_is_open_elsewhere_is_refused(project: Project) -> None:
    with opened_elsewhere(project.database) as process:
        said = refusal(project, project.database)
    assert f"DUCKDB_PATH is '{project.database}', which python" in said
    assert f" (process {process}) has open: close it there, or wait until it has ended." in said
    write_days(project, 2)
    project.run(*BUILD)


def test_a_copy_and_a_question_at_a_time_as_consumers_are_told_stop_no_build(project: Project) -> None:
    page = (ROOT / "docs" / "consumers.md").read_text()
    (copy,) = re.findall(r"^    (cp .*)$", page, re.MULTILINE)
    (question,) = re.findall(r"^    (with duckdb.*\n.*)$", page, re.MULTILINE)
    project.database = project.folder / "data" / "user_metrics.duckdb"
    for days in (1, 2):
        write_days(project, days)
        build(project)
        subprocess.run(["bash", "-c", copy], cwd=project.folder, timeout=60, check=True)
        found: dict[str, list[tuple[object, ...]]] = {}
        of_the_day = textwrap.dedent(f"    {question}").replace("current_date - 1", f"'{DAY[days - 1]}'")
        with working_folder(project.folder):
            exec(of_the_day, {"duckdb": duckdb}, found)
        assert len(found["rows"]) == 2
    with duckdb.connect(project.folder / "data" / "published.duckdb", read_only=True) as connection:
        ((last,),) = connection.execute("select max(date) from analytics.user_metrics").fetchall()
        write_days(project, 3)
        build(project)
    assert last == DAY[1]


@pytest.mark.parametrize("name", ["DUCKDB_PATH", "LAKE_URI"])
def test_an_empty_variable_is_named(name: str, project: Project, monkeypatch: pytest.MonkeyPatch) -> None:
    project.manifest()
    monkeypatch.setenv(name, "")  # taken back at the end, as the run leaves it in the environment
    environment = {**project.environment(), name: ""}
    monkeypatch.setattr(project, "environment", lambda: environment)
    said = failure(project.invoke("run"))
    assert f"Env var required but not provided: '{name} (it is empty)'" in said


def test_a_memory_limit_is_kept_to(project: Project, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DUCKDB_MEMORY_LIMIT", "300MB")
    limit = project.run("show", "--inline", "select current_setting('memory_limit') as value").result.results[0]
    assert limit.agate_table.rows[0][0] == "286.1 MiB"


# DuckDB 2 takes a share too.
@pytest.mark.parametrize("limit", ["much", "4", pytest.param("80%", marks=pytest.mark.wheels)])
def test_a_memory_limit_that_is_none_is_refused(limit: str, project: Project, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DUCKDB_MEMORY_LIMIT", limit)
    said = f"DUCKDB_MEMORY_LIMIT is '{limit}', which is no amount of memory: write it as 4GB or 500MB."
    assert said in refusal(project, project.database)


def test_what_a_killed_build_has_spilled_is_removed(project: Project) -> None:
    spilled = Path(f"{project.database}.tmp") / "duckdb_temp_storage_DEFAULT-0.tmp"
    spilled.parent.mkdir()
    spilled.write_bytes(b"0" * 1000)
    mine = spilled.with_name("notes.txt")
    mine.touch()
    with opened_elsewhere(project.database):
        refusal(project, project.database)
        assert spilled.exists(), "another process may need it"
    write_days(project, 2)
    project.run(*BUILD)
    assert not spilled.exists()
    assert mine.exists()


def test_a_disk_that_is_full_leaves_no_stub(tmp_path: Path) -> None:
    program = """
import resource, signal, sys
signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
resource.setrlimit(resource.RLIMIT_FSIZE, (5000, 5000))
from user_metrics.duckdb_plugin import open_database
open_database(sys.argv[1], "analytics")
"""
    database = tmp_path / "user_metrics.duckdb"
    done = subprocess.run(
        [sys.executable, "-c", program, database], capture_output=True, text=True, timeout=60, check=False
    )
    assert done.returncode == 1
    assert f"DUCKDB_PATH is '{database}', which DuckDB cannot open: " in done.stderr
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("line", "said"),
    [
        ("            lake_uri: .*\n", "profiles.yml has no lake_uri under user_metrics.duckdb_plugin"),
        ("            memory_limit: .*\n", None),
        ("      path: >-\n.*\n", None),
    ],
)
def test_a_profile_that_lacks_a_line_is_read_or_refused(
    line: str, said: str | None, project: Project, project_copy: Path
) -> None:
    profiles = (project_copy / "profiles.yml").read_text()
    assert re.search(line, profiles)
    (project_copy / "profiles.yml").write_text(re.sub(line, "", profiles, count=1))
    project.root = project_copy
    write_days(project, 1)
    result = project.invoke("compile")
    assert result.success == (said is None), failure(result)
    assert (said or "") in failure(result)


def test_on_the_terminal_a_refusal_has_no_traceback(tmp_path: Path) -> None:
    result = subprocess.run(
        [Path(sys.executable).with_name("dbt"), "run", "--target-path", tmp_path / "target", "--log-path", tmp_path],
        cwd=ROOT, env={**os.environ, "DUCKDB_PATH": str(tmp_path)}, capture_output=True, text=True, timeout=120,
        check=False,
    )  # fmt: skip
    assert result.returncode == 2
    said = result.stdout + result.stderr
    assert f"DUCKDB_PATH is '{tmp_path}', which is a folder: name a file in it." in said
    assert "Traceback" not in said
