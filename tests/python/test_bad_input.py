"""Bad input stops the build with a sentence that names it, or is set aside; the tables stay as they were."""

from __future__ import annotations

import gc
import shutil
from datetime import datetime

import duckdb
import pytest
from project import PARSED, ROOT, Project, failure, order, user
from test_incremental import DAY, at, build, loaded, write_days

FILE = f"orders/date={DAY[9]}/part_0.parquet"
ORDER = "1::bigint as id, 1::bigint as user_id, 1::decimal(18, 2) as amount, 'placed' as status, {stamps}"
STAMPS = ", ".join(f"timestamp '2024-01-10 09:00' as {name}" for name in ("created_at", "updated_at", "_loaded_at"))
GOOD = ORDER.format(stamps=STAMPS)


@pytest.fixture
def built(project: Project) -> Project:
    write_days(project, 9)
    build(project)
    return project


def refusal(project: Project, *arguments: str, **variables: object) -> str:
    """Why a build stopped; fails if it did not, or if it changed user_metrics."""
    before = project.metrics() if project.database.exists() else None
    result = project.invoke("run", *arguments, **variables)
    assert not result.success
    reason = failure(result)
    # The error of a hook holds on to its connection.
    del result
    gc.collect()
    if before is not None:
        assert project.metrics() == before
    return reason


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


def test_a_partition_without_a_date_is_named(built: Project) -> None:
    shutil.copytree(built.lake / "orders" / f"date={DAY[0]}", built.lake / "orders" / "date=latest")
    assert "date=latest/part_0.parquet is not in a folder named date=YYYY-MM-DD." in refusal(built)


def test_a_lake_that_is_not_there_is_named(built: Project) -> None:
    built.lake = built.folder / "lake_of_somebody_else"
    assert f"LAKE_URI is '{built.lake}', which is not a folder that can be read." in refusal(built)


def test_a_lake_that_has_lost_its_files_is_refused(built: Project) -> None:
    shutil.rmtree(built.lake)
    built.lake.mkdir()
    assert f"LAKE_URI is '{built.lake}', which holds no parquet file" in refusal(built)


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
        ("load_window_days", -1, "a whole number of days, 0 or more"),
        ("load_window_days", "3", "a whole number of days, 0 or more"),
        ("load_window_days", True, "a whole number of days, 0 or more"),
        ("max_rejected_share", 1.5, "a number from 0 to 1"),
        ("max_rejected_share", "few", "a number from 0 to 1"),
        ("test_all_dates", "yes please", "true or false"),
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
            *({**good, "id": id} for id in range(100, 1_000)),
            {**good, "id": None},
            {**good, "amount": None},
            {**good, "created_at": None},
            {**good, "updated_at": None},
            {**good, "created_at": datetime(1970, 1, 1)},
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
        "created_at is before earliest_date",
        "created_at is null",
        "id is null",
        "updated_at is null",
    ]
    assert built.query(reasons.format("users")) == [("created_at is after the load",)]
    assert built.query("select min(date) from analytics.user_metrics") == [(DAY[0],)]
    assert built.query("select count(*) from analytics.fct_orders") == [(909,)]

    failed = built.invoke("test", "--select", "assert_few_rows_are_rejected", max_rejected_share=0.001)
    assert "Got 2 results, configured to fail if != 0" in failure(failed)
