"""Bad input stops the build with a sentence that names it, or is set aside; the tables stay as they were."""

from __future__ import annotations

import json
import re
import shutil
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

import duckdb
import pytest
from support.days import DAY, at, build, build_days, loaded, made, write_days
from support.project import BUILD, PARSED, ROOT, Project, failure, order, refusal, user
from support.s3 import ON_BOTH

STAMP = "timestamp '2024-01-10 09:00:00'"
STAMPS = dict.fromkeys(("created_at", "updated_at", "_loaded_at"), STAMP)
ORDER = {"id": "77::bigint", "user_id": "1::bigint", "amount": "1::decimal(18, 2)", "status": "'completed'", **STAMPS}
USER = {"id": "1::bigint", "email": "'1@x.org'", **STAMPS}


@pytest.fixture
def built(project: Project) -> Project:
    """Nine days that are built."""
    return made(project, build_days, 9)


def write_file(project: Project, table: str, part: int = 0, **columns: str | None) -> Path:
    """Writes a row of these expressions instead of the usual ones; none leaves a column out."""
    path = project.lake / table / f"date={DAY[9]}" / f"part_{part}.parquet"
    path.parent.mkdir(parents=True, exist_ok=True)
    all_columns = {**(ORDER if table == "orders" else USER), **columns}
    select = ", ".join(f"{value} as {name}" for name, value in all_columns.items() if value)
    with duckdb.connect() as connection:
        connection.execute("set timezone = 'UTC'")
        connection.execute(f"copy (select {select}) to '{path}' (format parquet)")
    return path


TOMORROW = datetime.now(UTC).date() + timedelta(days=1)
NINE = datetime(2024, 1, 10, 9)
MIDNIGHT = datetime(2024, 1, 10)

# Columns of order 77 that are nearly as they are declared, and the row that is stored.
TAKEN: dict[str, tuple[dict[str, Any], dict[str, Any]]] = {
    "names in another case": (
        {**dict.fromkeys(ORDER), **{name.upper(): value for name, value in ORDER.items()}},
        {"order_id": 77, "amount": Decimal("1.00"), "created_at": NINE},
    ),
    "columns in another order": (
        {**dict.fromkeys(ORDER), **{name.title(): ORDER[name] for name in reversed(ORDER)}},
        {"order_id": 77, "amount": Decimal("1.00"), "created_at": NINE},
    ),
    "further columns": ({"date": "date '2000-01-01'", "note": "{'id': 'x'}"}, {"_load_date": DAY[9]}),
    "ids of 32 bits": ({"id": "77::integer", "user_id": "1::integer"}, {"order_id": 77, "user_id": 1}),
    "ids of 16 and 8 bits": ({"id": "77::smallint", "user_id": "1::utinyint"}, {"order_id": 77, "user_id": 1}),
    "a decimal of smaller precision": ({"amount": "12.3::decimal(4, 1)"}, {"amount": Decimal("12.30")}),
    "a decimal without a fraction": ({"amount": "123::decimal(16, 0)"}, {"amount": Decimal("123.00")}),
    "seconds": ({"created_at": f"{STAMP}::timestamp_s"}, {"created_at": NINE}),
    "milliseconds": ({"created_at": f"{STAMP}::timestamp_ms"}, {"created_at": NINE}),
    "nanoseconds that are microseconds": ({"created_at": f"{STAMP}::timestamp_ns"}, {"created_at": NINE}),
    "dates": ({"created_at": "date '2024-01-10'"}, {"created_at": MIDNIGHT, "order_date": DAY[9]}),
    "a time zone": (
        {"created_at": "timestamptz '2024-01-11 01:30:00+02'"},
        {"created_at": datetime(2024, 1, 10, 23, 30), "order_date": DAY[9]},
    ),
    "guests alone, as numbers of 32 bits": ({"user_id": "null::integer"}, {"user_id": None}),
    "guests alone, as truth values": ({"user_id": "null::boolean"}, {"user_id": None}),
    "guests alone, as text": ({"user_id": "null::varchar"}, {"user_id": None}),
}


@ON_BOTH
def test_columns_that_lose_nothing_are_taken(built: Project) -> None:
    """All in one load, a file each, in which order 77 has an id of its own."""
    for id, (columns, _) in enumerate(TAKEN.values(), 77):
        named = {"id": ORDER["id"]} if "ID" not in columns and "Id" not in columns else {}
        numbered = {name: value and value.replace("77::", f"{id}::") for name, value in {**named, **columns}.items()}
        write_file(built, "orders", part=id, **numbered)
    write_file(built, "users", id="9::bigint", email="null::integer")
    build(built)
    found, expected = {}, {}
    for id, (case, (_, stored)) in enumerate(TAKEN.items(), 77):
        found[case] = repr(built.query(f"select {', '.join(stored)} from analytics.fct_orders where order_id = {id}"))
        expected[case] = repr([tuple(id if name == "order_id" else value for name, value in stored.items())])
    assert found == expected
    assert built.query("select email from analytics.dim_users where user_id = 9") == [(None,)], "an address of nobody"


def test_files_of_different_types_are_read_together(built: Project) -> None:
    """DuckDB by itself takes the types of the first file for those of all."""
    built.remove_load("orders", DAY[0])
    first = write_file(built, "orders", id="5::smallint", amount="1::decimal(3, 0)", created_at="date '2024-01-10'")
    first.parent.rename(first.parent.with_name(f"date={DAY[0] - timedelta(days=1)}"))
    write_file(built, "orders", id="5000000000::bigint", amount="999999999999.99::decimal(18, 2)")
    build(built, "--full-refresh", accept_missing_loads=True)
    assert built.query("select order_id, amount from analytics.fct_orders where order_id > 77 or amount = 1") == [
        (5_000_000_000, Decimal("999999999999.99"))
    ]
    assert built.query("select order_id, rejection_reason from analytics.rejected_orders") == [
        (5, "created_at is after the load")
    ]


# Columns that would lose something, and how the sentence on them ends.
REFUSED: dict[str, tuple[dict[str, Any], str]] = {
    "no amount": ({"amount": None}, "has no column amount; it must be decimal(18, 2)."),
    "an amount of text": (
        {"amount": "'12.50'"},
        "the column amount as VARCHAR; it must be decimal(18, 2): write cast(amount as decimal(18, 2)).",
    ),
    "an amount of floating point": (
        {"amount": "12.5::double"},
        "the column amount as DOUBLE; it must be decimal(18, 2): write cast(amount as decimal(18, 2)).",
    ),
    "an amount that may be cents": (
        {"amount": "1250"},
        "as INTEGER; it must be decimal(18, 2): write cast(amount as decimal(18, 2)), or cast(amount / 100 as "
        "decimal(18, 2)) where it is cents.",
    ),
    "an amount of three places": ({"amount": "1::decimal(18, 3)"}, "as DECIMAL(18,3); it must be decimal(18, 2)"),
    "an amount of too many digits": ({"amount": "1::decimal(17, 0)"}, "as DECIMAL(17,0); it must be decimal(18, 2)"),
    "an id of text": (
        {"id": "'a1b2'"},
        "the column id as VARCHAR; it must be bigint: write cast(id as bigint) where it holds numbers, else number it "
        "as docs/your_data.md shows.",
    ),
    "an id that is a UUID": ({"id": "uuid()"}, "as UUID; it must be bigint: write cast(id as bigint) where it holds"),
    "an id of 128 bits": ({"id": "1::hugeint"}, "it must be bigint: write cast(id as bigint)."),
    "a user's id of floating point, as pandas makes it of nulls": (
        {"user_id": "1::double"},
        "the column user_id as DOUBLE; it must be bigint: write cast(user_id as bigint).",
    ),
    "a status that is a number": ({"status": "3"}, "the column status as INTEGER; it must be varchar: write cast("),
    "a time of text": (
        {"created_at": "'2024-01-10'"},
        "the column created_at as VARCHAR; it must be timestamp: write cast(created_at as timestamp).",
    ),
    "a time that is a number": (
        {"updated_at": "1704877200::bigint"},
        "as BIGINT; it must be timestamp: write to_timestamp(updated_at) where it is seconds since 1970, "
        "epoch_ms(updated_at) where milliseconds.",
    ),
    "nanoseconds that are none": (
        {"updated_at": "'2024-01-10 09:00:00.123456789'::timestamp_ns"},
        "as TIMESTAMP_NS; it must be timestamp: it has fractions of a microsecond, which cast(updated_at as timestamp) "
        "drops.",
    ),
    "a column that is a list": (
        {"status": "['completed']"},
        "; it must be varchar: write cast(status as varchar).",
    ),
}


@ON_BOTH
def test_columns_that_would_lose_something_are_refused(built: Project) -> None:
    """All in one load, of which check-lake tells each; a build stops at one of them."""
    parts = {case: part for part, case in enumerate(REFUSED)}
    files = {case: write_file(built, "orders", parts[case], **wrong) for case, (wrong, _) in REFUSED.items()}
    report = json.loads(built.command("check-lake", "--json").stdout)
    told = {
        finding["example"]: f"{finding['what']}." for finding in report["findings"] if finding["check"] == "columns"
    }
    assert set(told) == {built.address(file) for file in files.values()}
    for case, ([name], said) in REFUSED.items():
        sentence = told[built.address(files[case])]
        assert f" the column {name} as " in sentence or f" no column {name};" in sentence, case
        assert said in sentence, case
    for arguments in ([], ["--full-refresh"]):
        reason = refusal(built, *arguments)
        assert re.search(rf"The file {re.escape(built.lake_uri)}\S+ has the column id as \w+; it must be", reason)


def test_of_many_files_that_are_wrong_one_is_named_and_the_others_are_counted(built: Project) -> None:
    file = write_file(built, "orders", amount="1.5::double")
    for number in range(1, 4):
        shutil.copy(file, file.with_name(f"part_{number}.parquet"))
    assert f"The file {built.address(file)} has the column amount as DOUBLE" in refusal(built)
    assert "So have 3 more." in refusal(built)


@ON_BOTH
def test_a_damaged_file_is_named(built: Project) -> None:
    file = write_file(built, "orders")
    file.write_bytes(file.read_bytes()[:100])
    assert built.address(file) in refusal(built)


STRAYS = (
    "2024-01-06/part_0.parquet",
    "dt=2024-01-06/part_0.parquet",
    "Date=2024-01-06/part_0.parquet",
    "date=latest/part_0.parquet",
    "date=2024-02-30/part_0.parquet",
    "date=2024-01-06/hour=01/part_0.parquet",
    "date=2024-01-06/part_0.PARQUET",
    "date=2024-01-06/part_0.csv",
    "part_0.parquet",
)


@ON_BOTH
def test_files_where_no_load_has_them_stop_a_build(project: Project) -> None:
    write_days(project, 2)
    for is_first in (True, False):
        for path in STRAYS:
            stray = project.lake / "orders" / path
            stray.parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(project.lake / "orders" / f"date={DAY[0]}" / "part_0.parquet", stray)
            if path in (STRAYS[0], STRAYS[-1]):
                there = f"{STRAYS.index(path) + 1} files are not so and would never be read: "
                assert there in refusal(project)
        for path in STRAYS[:-1]:
            (project.lake / "orders" / path).unlink()
        assert f"1 files are not so and would never be read: {project.address(stray)}. Move them" in refusal(project)
        stray.unlink()
        if is_first:
            build(project)


def test_of_many_such_files_three_are_named(built: Project) -> None:
    for number in range(5):
        (built.lake / "users" / f"{number}.txt").touch()
    names = ", ".join(f"{built.lake_uri}/users/{number}.txt" for number in range(3))
    assert f"5 files are not so and would never be read: {names}, …." in refusal(built)


@ON_BOTH
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


def test_rows_from_beyond_the_calendar_and_amounts_that_cannot_be_summed_are_rejected(built: Project) -> None:
    """All in one load; a row is taken whose only fault is that it was changed long ago."""
    moments = ("infinity", "-infinity", "9999-12-31 23:59:59", "2510-01-01", "0001-01-01")
    rows = [{column: f"timestamp '{moment}'"} for column in ("created_at", "updated_at") for moment in moments]
    amounts = ("9999999999999999.99", "-1000000000000", "999999999999.99")
    rows += [{"amount": f"{amount}::decimal(18, 2)"} for amount in amounts]
    for id, columns in enumerate(rows, 100):
        write_file(built, "orders", part=id, id=f"{id}::bigint", **columns)
    result = built.invoke(*BUILD, max_rejected_share=1)
    assert result.success, failure(result)
    rejected = built.query("select order_id, rejection_reason from analytics.rejected_orders order by order_id")
    taken = [106, 109, 112]
    assert [id for id, _ in rejected] == [id for id in range(100, 113) if id not in taken]
    assert rejected[-2:] == [(id, "amount is a trillion or more") for id in (110, 111)]
    assert built.query("select order_id from analytics.fct_orders where order_id >= 100 order by 1") == [
        (id,) for id in taken
    ]
    assert built.query("select max(date), max(total_spent) from analytics.user_metrics") == [
        (DAY[9], Decimal("92.00") + Decimal("999999999999.99"))
    ]


def test_orders_that_together_cannot_be_summed_are_told_before_user_metrics_is_built(built: Project) -> None:
    before = built.metrics()
    usual = order(0, 1, "999999999999.99", "completed", NINE, NINE, loaded(DAY[9]))
    built.write_load("orders", DAY[9], [{**usual, "id": id} for id in range(100, 10_101)])
    assert "assert_totals_can_be_summed: Got 1 result" in failure(built.invoke(*BUILD))
    assert built.metrics() == before


def test_a_load_dated_after_tomorrow_is_refused(built: Project) -> None:
    for table in ("users", "orders"):
        built.write_load(table, date(2042, 1, 6), [])
        said = f"LAKE_URI is '{built.lake_uri}', which has a load of {table} for 2042-01-06, which is after tomorrow"
        assert said in refusal(built)
        built.remove_load(table, date(2042, 1, 6))
    assert built.query("select max(date) from analytics.user_metrics") == [(DAY[8],)]


def test_a_run_date_after_tomorrow_is_refused(built: Project) -> None:
    expected = f"The setting run_date is '2042-01-05', but must be no later than tomorrow ({TOMORROW}, UTC)."
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


WRONG_SETTINGS: list[tuple[str, object, str]] = [
    ("run_date", "05.01.2024", "a date written YYYY-MM-DD, such as 2024-01-05"),
    ("run_date", "2024-1-5", "a date written YYYY-MM-DD, such as 2024-01-05"),
    ("run_date", "2024-01-05 00:00:00", "a date written YYYY-MM-DD, such as 2024-01-05"),
    ("run_date", "2023-02-29", "a date of the calendar"),
    ("run_date", "1999-12-31", "a date on or after earliest_date (2000-01-01)"),
    ("restate_from", "yesterday", "a date written YYYY-MM-DD, such as 2024-01-05"),
    ("restate_from", "0000-01-01", "a date written YYYY-MM-DD, such as 2024-01-05"),
    ("earliest_date", "2000", "a date written YYYY-MM-DD, such as 2024-01-05"),
    ("earliest_date", "0001-01-01", f"from 1900-01-01 to tomorrow ({TOMORROW}, UTC)"),
    ("earliest_date", "2999-01-01", f"from 1900-01-01 to tomorrow ({TOMORROW}, UTC)"),
    ("max_rejected_share", float("nan"), "a number from 0 to 1"),
    ("max_vanished_share", 1e300, "a number from 0 to 1"),
    ("max_rejected_share", 1.5, "a number from 0 to 1"),
    ("max_rejected_share", "few", "a number from 0 to 1"),
    ("max_vanished_share", -0.1, "a number from 0 to 1"),
    ("test_all_dates", "yes please", "true or false"),
    ("accept_missing_loads", "yes", "true or false"),
    ("max_days_per_build", 0, "a whole number from 1 on"),
    ("max_days_per_build", 2.5, "a whole number from 1 on"),
    ("max_days_per_build", "30", "a whole number from 1 on"),
]

UNKNOWN_SETTINGS = [
    ("rundate", "There is no setting rundate: did you mean run_date? docs/settings.md has all of them."),
    ("RUN_DATE", "did you mean run_date?"),
    ("max-rejected", "did you mean max_rejected_share?"),
    ("restate", "did you mean restate_from?"),
    ("load_window_days", "There is no setting load_window_days"),
    ("zzz", "There is no setting zzz. docs/settings.md has all of them."),
]


def test_wrong_and_unknown_settings_are_named(built: Project) -> None:
    """Each by the operation that begins every run."""
    refusals = [
        (setting, value, f"The setting {setting} is '{value}', but must be {allowed}.")
        for setting, value, allowed in WRONG_SETTINGS
    ]
    refusals += [(name, "2024-01-05", said) for name, said in UNKNOWN_SETTINGS]
    for setting, value, said in refusals:
        assert not built.invoke("run-operation", "validate_settings", **{setting: value}).success
        assert said in built.errors[-1], f"{setting}: {value}"
    built.run("run-operation", "validate_settings", **{"dbt_date:time_zone": "Europe/Paris"})
    for setting, value, said in (refusals[0], refusals[-1]):
        assert said in refusal(built, **{setting: value})


def test_wrong_dates_are_named_also_when_dbt_parses_the_project_with_them(
    built: Project, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delitem(PARSED, (ROOT, built.target))
    reason = refusal(built, **dict.fromkeys(("run_date", "restate_from", "earliest_date"), "2024-1-5"))
    assert "The setting earliest_date is '2024-1-5', but must be a date written YYYY-MM-DD" in reason


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
    result = built.run(*BUILD)
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
