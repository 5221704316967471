"""`user-metrics check-lake` tells all that is wrong or suspicious in a lake at once, and builds nothing."""

from __future__ import annotations

import json
import shutil
from datetime import date
from pathlib import Path
from typing import Any

import duckdb
import pytest
from support.days import DAY, at, loaded, write_days
from support.project import BUILD, Project, failure, order, user, working_folder
from support.s3 import ON_BOTH
from typer.testing import CliRunner, Result

from user_metrics.check_lake import SEED
from user_metrics.cli import app

PASSED_OVER = "is passed over, as a name with a leading . or _ or with .tmp is not finished"
POSITIVE_RETURN = "is returned and positive: docs/your_data.md has how returns count"


def check(project: Project, *options: str) -> Result:
    return project.command("check-lake", *options)


def findings(project: Project, *options: str) -> dict[tuple[Any, ...], tuple[int, str | None]]:
    """Count and example of each finding, by severity, check, table and what is so."""
    report = json.loads(check(project, "--json", *options).stdout)
    assert report["build_would_stop"] == any(finding["severity"] == "error" for finding in report["findings"])
    return {
        (finding["severity"], finding["check"], finding["table"], finding["what"]): (
            finding["count"],
            finding["example"],
        )
        for finding in report["findings"]
    }


@ON_BOTH
def test_a_lake_that_is_right_has_no_findings_and_its_sizes(project: Project) -> None:
    write_days(project, 5)
    result = check(project, "--json")
    report = json.loads(result.stdout)
    assert result.exit_code == 0
    assert (report["build_would_stop"], report["findings"]) == (False, [])
    size = sum(file.stat().st_size for file in project.lake.glob("orders/*/*.parquet"))
    span = {"first": str(DAY[0]), "last": str(DAY[4])}
    assert report["tables"][1] == {"table": "orders", "loads": 5, **span, "files": 5, "bytes": size, "rows": 5}
    assert not project.database.exists()


@pytest.fixture
def bad_lake(project: Project) -> Project:
    """A project on a lake with one of everything that can be wrong."""
    write_days(project, 5)
    usual = order(1, 1, "10.00", "completed", at(DAY[6]), at(DAY[6]), loaded(DAY[6]))
    rows = [
        {**usual, "id": 60, "status": "on hold"},
        {**usual, "id": 61, "status": "on hold"},
        {**usual, "id": 62, "status": "returned"},
        {**usual, "id": 63, "amount": "-1.00"},
        {**usual, "id": None},
        {**usual, "id": 64, "created_at": at(DAY[9]), "updated_at": at(DAY[9])},
        {**usual, "id": 65, "user_id": None},
        {**usual, "id": 66, "user_id": 77},
        {**usual, "id": 67},
        {**usual, "id": 67},
        {**usual, "id": 68, "updated_at": at(DAY[5])},
        {**usual, "id": 69},
    ]
    project.write_load("orders", DAY[6], rows)
    project.write_load("orders", DAY[7], [{**usual, "id": 69, "amount": "11.00"}])
    project.write_load("users", DAY[6], [user(9, None, at(DAY[6]), at(DAY[5]), loaded(DAY[6]))])
    project.write_load("users", date(2042, 1, 6), [])
    orders = project.lake / "orders"
    (orders / "notes.csv").touch()
    (orders / f"date={DAY[6]}" / "_part_2.parquet").write_text("unfinished")
    (orders / f"date={DAY[6]}" / "part_1.parquet").write_text("PAR1 and no more")
    with duckdb.connect() as connection:
        select = "select 'a1' as id, 1.5::double as amount"
        connection.execute(f"copy ({select}) to '{orders}/date={DAY[7]}/part_1.parquet' (format parquet)")
    return project


def test_encrypted_files_columns_that_are_not_read_and_marks_of_hadoop_are_told_apart(project: Project) -> None:
    write_days(project, 3)
    first, second = (project.lake / "orders" / f"date={DAY[number]}" for number in (0, 1))
    with duckdb.connect() as connection:
        connection.execute("set force_mbedtls_unsafe = 'true'; pragma add_parquet_key('key', '0123456789112345')")
        orders = f"select *, 'PT' as country, 1 as \"Ship To\" from '{first}/part_0.parquet'"
        connection.execute(f"copy ({orders}) to '{second}/part_0.parquet' (encryption_config {{footer_key: 'key'}})")
        connection.execute(f"copy ({orders}) to '{first}/part_1.parquet'")
    for mark in (project.lake / "orders_$folder$", project.lake / "orders" / f"date={DAY[0]}_$folder$"):
        mark.touch()
    found = findings(project)
    assert found["error", "files", None, "is encrypted: write it without encryption"] == (
        1, f"{second}/part_0.parquet",
    )  # fmt: skip
    assert found["note", "columns", "orders", "has columns that are not read: country, Ship To"] == (2, None)
    assert found["note", "files", None, PASSED_OVER] == (1, f"{first}_$folder$")
    assert not [finding for finding in found if finding[3].startswith("lies where no load is")]
    shutil.rmtree(second)
    project.run(*BUILD, "--exclude", "test_type:singular")


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        (",", ";", "begins with status;counts_as_order;counts_as_spend: its first line must be status,counts_as_order"),
        ("returned,false,true", "returned,,true", "is returned,,true: write it like returned,false,true."),
        ("returned,false,true", "returned,never,true", "is returned,never,true: write it like returned,false,true."),
        ("completed,true,true\n", "", None),
        ("status,", "\ufeffstatus,", None),
        ("returned,false,true", "returned,0,yes", None),
        ("returned,false,true", "returned,false", "is returned,false: write it like returned,false,true."),
    ],
)
def test_a_seed_that_would_stop_a_build_is_told(
    old: str, new: str, said: str | None, project: Project, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    seed = tmp_path / "order_statuses.csv"
    seed.write_text(SEED.read_text().replace(old, new))
    monkeypatch.setattr("user_metrics.check_lake.SEED", seed)
    write_days(project, 1)
    result = check(project)
    assert result.exit_code == (1 if said else 0), result.output
    assert (said or "") in " ".join(result.stderr.split())


def test_a_seed_that_is_empty_or_not_there_is_told(
    project: Project, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    seed = tmp_path / "order_statuses.csv"
    monkeypatch.setattr("user_metrics.check_lake.SEED", seed)
    for content, said in (
        (None, "cannot be read as UTF-8: "),
        (b"", "its first line must be status,"),
        (b"status,\xff", "cannot be read as UTF-8: "),
    ):
        if content is not None:
            seed.write_bytes(content)
        result = check(project)
        assert result.exit_code == 1
        assert said in " ".join(result.stderr.split())


@ON_BOTH
def test_everything_is_told_at_once(bad_lake: Project) -> None:
    day, lake = f"date={DAY[6]}", bad_lake.lake_uri
    gap_days = (date(2042, 1, 6) - DAY[6]).days
    found = findings(bad_lake)
    columns = {what: counted for (_, check, _, what), counted in found.items() if check == "columns"}
    assert len(columns) == 7
    assert any("the column id as VARCHAR" in what for what in columns)
    assert any("the column amount as DOUBLE" in what for what in columns)
    assert "has no column created_at; it must be timestamp" in columns
    assert set(columns.values()) == {(1, f"{lake}/orders/date={DAY[7]}/part_1.parquet")}
    on_the_day = f"of {DAY[6]}"
    assert {finding: counted for finding, counted in found.items() if finding[1] != "columns"} == {
        ("error", "files", None, "is no parquet file: extract that load again"): (
            1, f"{lake}/orders/{day}/part_1.parquet",
        ),
        ("error", "files", None, "lies where no load is: a load is <table>/date=YYYY-MM-DD/*.parquet"): (
            1, f"{lake}/orders/notes.csv",
        ),
        ("note", "files", None, PASSED_OVER): (
            1, f"{lake}/orders/{day}/_part_2.parquet",
        ),
        ("error", "loads", "users", "has a load that is dated after tomorrow: move it to its date"): (
            1, f"{lake}/users/date=2042-01-06/part_0.parquet",
        ),
        ("error", "rejected", "orders", "is rejected: more than max_rejected_share allows"): (2, None),
        ("error", "statuses", "orders", "has the status on hold, which the seed order_statuses does not have"): (
            2, f"order 60 {on_the_day}",
        ),
        ("warning", "gaps", "users", "has no load for a date between its first and its last"): (gap_days, str(DAY[5])),
        ("warning", "gaps", "orders", "has no load for a date between its first and its last"): (1, str(DAY[5])),
        ("warning", "rejected", "orders", "is rejected (5.6 %): id is null"): (1, f"order without id {on_the_day}"),
        ("warning", "rejected", "orders", "is rejected (5.6 %): created_at is after the load"): (
            1, f"order 64 {on_the_day}",
        ),
        ("warning", "duplicates", "orders", "has other values under the same updated_at: the one loaded last counts"): (
            1, f"order 69 of {DAY[7]}",
        ),
        ("warning", "times", "orders", "was updated before it was created"): (1, f"order 68 {on_the_day}"),
        ("warning", "times", "users", "was updated before it was created"): (1, f"user 9 {on_the_day}"),
        ("warning", "signs", "orders", "is completed and negative"): (1, f"order 63 {on_the_day}"),
        ("warning", "signs", "orders", POSITIVE_RETURN): (1, f"order 62 {on_the_day}"),
        ("warning", "users", "orders", "waits for its user, whom no load has"): (1, f"order 66 {on_the_day}"),
        ("note", "users", "orders", "has no user: the orders of guests count nowhere"): (1, f"order 65 {on_the_day}"),
        ("note", "duplicates", "orders", "is more than once in its load, and counts once"): (
            1, f"order 67 {on_the_day}",
        ),
    }  # fmt: skip


def test_people_get_tables_and_a_verdict(bad_lake: Project) -> None:
    result = check(bad_lake)
    assert result.exit_code == 1
    said = " ".join(result.stdout.split())
    assert "orders 7 2024-01-01 2024-01-08 9 18" in said
    assert "A build of this lake would stop: 12 errors, 10 warnings, 3 notes." in said


def test_what_stops_a_build_is_an_error_and_nothing_else_is(bad_lake: Project) -> None:
    project, lake = bad_lake, bad_lake.lake
    assert not project.invoke(*BUILD).success
    shutil.rmtree(lake / "users" / "date=2042-01-06")
    shutil.rmtree(lake / "orders" / f"date={DAY[7]}")
    for name in (f"date={DAY[6]}/_part_2.parquet", "notes.csv", f"date={DAY[6]}/part_1.parquet"):
        (lake / "orders" / name).unlink()
    left = [finding[1] for finding in findings(project) if finding[0] == "error"]
    assert left == ["rejected", "statuses"] or left == ["statuses", "rejected"]
    said = failure(project.invoke(*BUILD, max_vanished_share=1))
    assert "assert_statuses_are_known" in said
    usual = order(1, 1, "10.00", "completed", at(DAY[6]), at(DAY[6]), loaded(DAY[6]))
    project.write_load("orders", DAY[6], [{**usual, "id": None}, *({**usual, "id": id} for id in range(60, 62))])
    assert [finding[1] for finding in findings(project) if finding[0] == "error"] == ["rejected"]
    assert "assert_few_rows_are_rejected" in failure(project.invoke(*BUILD, max_vanished_share=1))
    assert findings(project, "--vars", "{max_rejected_share: 0.5}").keys() == {
        ("warning", "gaps", "users", "has no load for a date between its first and its last"),
        ("warning", "gaps", "orders", "has no load for a date between its first and its last"),
        ("warning", "rejected", "orders", "is rejected (12.5 %): id is null"),
        ("warning", "times", "users", "was updated before it was created"),
    }
    project.run(*BUILD, max_rejected_share=0.5, max_vanished_share=1)


@ON_BOTH
def test_an_empty_lake_is_a_warning(project: Project) -> None:
    assert findings(project).keys() == {("warning", "loads", table, "has no load yet") for table in ("users", "orders")}


@pytest.mark.parametrize(
    ("options", "said"),
    [
        (("--lake", "/nowhere"), "LAKE_URI is '/nowhere', which is not a folder that can be read."),
        (("--vars", "{rundate: 2024-01-05}"), "There is no setting rundate: did you mean run_date?"),
        (
            ("--vars", "{max_rejected_share: 2}"),
            "The setting max_rejected_share is '2', but must be a number from 0 to 1.",
        ),
    ],
)
def test_what_cannot_be_checked_is_a_sentence(project: Project, options: tuple[str, ...], said: str) -> None:
    result = check(project, *options)
    assert result.exit_code == 1
    assert said in " ".join(result.output.split())
    assert "macro" not in result.output


def test_elsewhere_than_in_the_project_it_says_so(tmp_path: Path) -> None:
    with working_folder(tmp_path):
        result = CliRunner().invoke(app, ["check-lake"])
    assert result.exit_code == 1
    assert "There is no dbt_project.yml here: run user-metrics in the folder of the project." in result.output


def test_a_lake_with_quotes_in_its_path_is_read(tmp_path: Path) -> None:
    project = Project(tmp_path / "db", lake=tmp_path / "la[k]e 'of' mine")
    write_days(project, 3)
    assert findings(project) == {}
    damaged = project.lake / "users" / f"date={DAY[1]}" / "[a] part.parquet"
    damaged.touch()
    assert list(findings(project).values()) == [(1, str(damaged))]
    assert f"users/date={DAY[1]}/[a] part.parquet" in check(project).stdout


def test_a_status_that_the_seed_has_twice_is_an_error(project: Project, project_copy: Path) -> None:
    write_days(project, 1)
    with (project_copy / "seeds" / "order_statuses.csv").open("a") as statuses:
        statuses.write("completed,true,true\n")
    with working_folder(project_copy):
        result = CliRunner().invoke(app, ["check-lake", "--lake", str(project.lake), "--json"])
    (finding,) = json.loads(result.stdout)["findings"]
    assert finding["what"] == "has the status completed more than once in the seed order_statuses"
    assert result.exit_code == 1
