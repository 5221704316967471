"""Bad input stops the build with a sentence that names it, or is set aside; the tables stay as they were."""

from __future__ import annotations

import shutil
from datetime import UTC, date, datetime, timedelta
from pathlib import Path

import duckdb
import pytest
from support.days import DAY, at, build, loaded, write_days
from support.project import PARSED, ROOT, Project, failure, order, refusal, user

FILE = f"orders/date={DAY[9]}/part_0.parquet"
ORDER = "1::bigint as id, 1::bigint as user_id, 1::decimal(18, 2) as amount, 'placed' as status, {stamps}"
STAMPS = ", ".join(f"timestamp '2024-01-10 09:00' as {name}" for name in ("created_at", "updated_at", "_loaded_at"))
GOOD = ORDER.format(stamps=STAMPS)


@pytest.fixture
def built(project: Project) -> Project:
    write_days(project, 9)
    build(project)
    return project


def write_orders(project: Project, columns: str) -> None:
    path = project.lake / FILE
    path.parent.mkdir(parents=True, exist_ok=True)
    with duckdb.connect() as connection:
        connection.execute(f"copy (select {columns}) to '{path}' (format parquet)")


@pytest.mark.parametrize("full_refresh", [False, True])
@pytest.mark.parametrize(
    ("columns", "message"),
    [
        (GOOD.replace("1::decimal(18, 2) as amount, ", ""), "has no column amount; it must be DECIMAL(18,2)"),
        (GOOD.replace("1::decimal(18, 2)", "'12.50'"), "has the column amount as VARCHAR; it must be DECIMAL(18,2)"),
        (GOOD.replace("1::bigint as id", "1::integer as id"), "has the column id as INTEGER; it must be BIGINT"),
        (
            GOOD.replace("timestamp '2024-01-10 09:00' as updated_at", "timestamptz '2024-01-10 09:00' as updated_at"),
            "has the column updated_at as TIMESTAMP WITH TIME ZONE; it must be TIMESTAMP",
        ),
    ],
)
def test_a_file_with_wrong_columns_is_named(built: Project, columns: str, message: str, full_refresh: bool) -> None:
    write_orders(built, columns)
    reason = refusal(built, *["--full-refresh"][:full_refresh])
    assert f"The file {built.lake / FILE} {message}." in reason


def test_a_corrupt_file_is_named(built: Project) -> None:
    write_orders(built, GOOD)
    (built.lake / FILE).write_bytes((built.lake / FILE).read_bytes()[:-20])
    assert FILE in refusal(built)


@pytest.mark.parametrize(
    "path",
    [
        "2024-01-06/part_0.parquet",
        "dt=2024-01-06/part_0.parquet",
        "Date=2024-01-06/part_0.parquet",
        "date=latest/part_0.parquet",
        "date=2024-02-30/part_0.parquet",
        "date=2024-01-06/hour=01/part_0.parquet",
        "date=2024-01-06/part_0.PARQUET",
        "date=2024-01-06/part_0.csv",
        "part_0.parquet",
    ],
)
@pytest.mark.parametrize("first", [True, False])
def test_a_file_where_no_load_has_it_is_named(first: bool, path: str, project: Project) -> None:
    write_days(project, 2)
    if not first:
        build(project)
    stray = project.lake / "orders" / path
    stray.parent.mkdir(parents=True, exist_ok=True)
    shutil.copy(project.lake / "orders" / f"date={DAY[0]}" / "part_0.parquet", stray)
    reason = refusal(project)
    assert f"1 files are not so and would never be read: {stray}. Move them" in reason


def test_of_many_such_files_three_are_named(built: Project) -> None:
    for number in range(5):
        (built.lake / "users" / f"{number}.txt").touch()
    names = ", ".join(str(built.lake / "users" / f"{number}.txt") for number in range(3))
    assert f"5 files are not so and would never be read: {names}, …." in refusal(built)


def test_what_is_hidden_or_unfinished_is_no_load(built: Project) -> None:
    folder = built.lake / "orders" / f"date={DAY[8]}"
    before = built.metrics()
    for name in ("_SUCCESS", ".part_0.parquet.crc", "_part_1.parquet", ".part_1.parquet", "part_1.tmp.parquet"):
        (folder / name).write_text("no parquet")
    (built.lake / "orders" / "_delta_log").mkdir()
    (built.lake / "orders" / "_delta_log" / "0.json").touch()
    build(built)
    assert built.metrics() == before


def test_a_lake_whose_path_has_signs_of_patterns_is_read(tmp_path: Path) -> None:
    project = Project(tmp_path / "db", lake=tmp_path / "la[k]e * 'of' mine? {x}")
    write_days(project, 2)
    build(project)
    assert project.query("select count(*) from analytics.fct_orders") == [(2,)]


def test_a_lake_that_is_a_link_or_holds_links_is_read(project: Project, tmp_path: Path) -> None:
    elsewhere = Project(tmp_path / "elsewhere")
    write_days(elsewhere, 3)
    (project.lake / "users").symlink_to(elsewhere.lake / "users")
    (project.lake / "orders").mkdir()
    for day in DAY[:3]:
        (project.lake / "orders" / f"date={day}").symlink_to(elsewhere.lake / "orders" / f"date={day}")
    build(project)
    assert project.query("select count(*) from analytics.fct_orders") == [(3,)]
    assert project.query("select count(*) from analytics.dim_users") == [(2,)]


@pytest.mark.parametrize("moment", ["infinity", "-infinity", "9999-12-31 23:59:59", "2510-01-01", "0001-01-01"])
@pytest.mark.parametrize("column", ["created_at", "updated_at"])
def test_a_row_from_beyond_the_calendar_is_rejected(built: Project, column: str, moment: str) -> None:
    wrong = GOOD.replace(f"timestamp '2024-01-10 09:00' as {column}", f"timestamp '{moment}' as {column}")
    write_orders(built, f"{wrong.replace('1::bigint as id', '77::bigint as id')} union all select {GOOD}")
    build(built)
    if column == "created_at" or moment not in ("-infinity", "0001-01-01"):
        assert built.query("select order_id from analytics.rejected_orders") == [(77,)]
    assert built.query("select max(date) from analytics.user_metrics") == [(DAY[9],)]
    assert built.query("select count(*) from analytics.fct_orders where order_id = 1") == [(1,)]


@pytest.mark.parametrize("table", ["users", "orders"])
def test_a_load_dated_after_tomorrow_is_refused(built: Project, table: str) -> None:
    built.write_load(table, date(2042, 1, 6), [])
    reason = refusal(built)
    assert f"LAKE_URI is '{built.lake}', which has a load of {table} for 2042-01-06, which is after tomorrow" in reason
    assert built.query("select max(date) from analytics.user_metrics") == [(DAY[8],)]


def test_a_run_date_after_tomorrow_is_refused(built: Project) -> None:
    tomorrow = datetime.now(UTC).date() + timedelta(days=1)
    expected = f"The setting run_date is '2042-01-05', but must be no later than tomorrow ({tomorrow}, UTC)."
    assert expected in refusal(built, run_date="2042-01-05")


def test_a_lake_without_any_load_warns_on_the_first_build(project: Project) -> None:
    build(project)
    assert [warning for warning in project.warnings if "which holds no load yet" in warning]
    (project.lake / "users").mkdir()
    write_days(project, 1)
    project.warnings.clear()
    build(project)
    assert [warning for warning in project.warnings if "which holds no load yet" in warning] == []


def test_a_fresh_database_can_be_compiled_for_and_says_what_user_metrics_needs(project: Project) -> None:
    project.run("compile")
    project.run("docs", "generate")
    result = project.invoke("build", "--select", "user_metrics")
    assert "user_metrics is built from fct_orders, which is not there yet: run 'dbt build'" in failure(result)


def test_a_lake_that_is_not_there_is_named(built: Project) -> None:
    built.lake = built.folder / "lake_of_somebody_else"
    assert f"LAKE_URI is '{built.lake}', which is not a folder that can be read." in refusal(built)


@pytest.mark.parametrize(
    ("setting", "value", "allowed"),
    [
        ("run_date", "05.01.2024", "a date written YYYY-MM-DD, such as 2024-01-05"),
        ("run_date", "2024-1-5", "a date written YYYY-MM-DD, such as 2024-01-05"),
        ("run_date", "2024-01-05 00:00:00", "a date written YYYY-MM-DD, such as 2024-01-05"),
        ("run_date", "2023-02-29", "a date of the calendar"),
        ("run_date", "1999-12-31", "a date on or after earliest_date (2000-01-01)"),
        ("restate_from", "yesterday", "a date written YYYY-MM-DD, such as 2024-01-05"),
        ("restate_from", "0000-01-01", "a date written YYYY-MM-DD, such as 2024-01-05"),
        ("earliest_date", "2000", "a date written YYYY-MM-DD, such as 2024-01-05"),
        ("max_rejected_share", 1.5, "a number from 0 to 1"),
        ("max_rejected_share", "few", "a number from 0 to 1"),
        ("max_vanished_share", -0.1, "a number from 0 to 1"),
        ("test_all_dates", "yes please", "true or false"),
        ("accept_missing_loads", "yes", "true or false"),
    ],
)
def test_a_wrong_setting_is_named(built: Project, setting: str, value: object, allowed: str) -> None:
    assert f"The setting {setting} is '{value}', but must be {allowed}." in refusal(built, **{setting: value})


@pytest.mark.parametrize("setting", ["run_date", "restate_from", "earliest_date"])
def test_a_wrong_date_is_named_also_when_dbt_parses_the_project_with_it(built: Project, setting: str) -> None:
    PARSED.pop((ROOT, built.target))
    reason = refusal(built, **{setting: "2024-1-5"})
    assert f"The setting {setting} is '2024-1-5', but must be a date written YYYY-MM-DD" in reason


def test_rows_that_cannot_be_placed_are_set_aside_with_a_reason(built: Project) -> None:
    good = order(9, 1, "10.00", "completed", at(DAY[9]), at(DAY[9]), loaded(DAY[9]))
    built.write_load(
        "orders",
        DAY[9],
        [
            *({**good, "id": id} for id in range(100, 2_000)),
            {**good, "id": None},
            {**good, "amount": None},
            {**good, "created_at": None},
            {**good, "updated_at": None},
            {**good, "created_at": datetime(1970, 1, 1)},
            {**good, "created_at": datetime(2510, 1, 1)},
            {**good, "created_at": datetime.max},
            {**good, "updated_at": datetime(2099, 1, 1)},
        ],
    )
    late = user(9, "late@x.org", at(DAY[11]), at(DAY[11]), loaded(DAY[9]))
    built.write_load(
        "users", DAY[9], [late, *(user(id, None, at(DAY[9]), at(DAY[9]), loaded(DAY[9])) for id in range(200, 400))]
    )
    result = built.run("build")
    warned = [line.node.name for line in result.result if line.status == "warn"]
    assert warned == ["assert_no_row_is_rejected"]
    reasons = "select rejection_reason from analytics.rejected_{} order by 1"
    assert [reason for (reason,) in built.query(reasons.format("orders"))] == [
        "amount is null",
        "created_at is after the load",
        "created_at is after the load",
        "created_at is before earliest_date",
        "created_at is null",
        "id is null",
        "updated_at is after the load",
        "updated_at is null",
    ]
    assert built.query(reasons.format("users")) == [("created_at is after the load",)]
    assert built.query("select min(date) from analytics.user_metrics") == [(DAY[0],)]
    assert built.query("select count(*) from analytics.fct_orders") == [(1909,)]

    failed = built.invoke(
        "test", "--select", "assert_few_rows_are_rejected", max_rejected_share=0.001, test_all_dates=True
    )
    assert "Got 2 results, configured to fail if != 0" in failure(failed)
