"""A run writes the dates that changed, reads the loads that are new or have changed, and nothing else."""

from __future__ import annotations

import os
import re
from datetime import date, timedelta
from pathlib import Path

import duckdb
import pytest
from support.days import DAY, at, build, build_days, loaded, made, write_days
from support.expectation import expected_metrics
from support.histories import STATUSES
from support.project import BUILD, Project, order, user


def mark(project: Project) -> None:
    """Marks every row of user_metrics by hand, in a column that no later date is worked out from."""
    project.execute("update analytics.user_metrics set spending_rank = -1")


def written(project: Project) -> list[date]:
    """The dates that have been written since the mark."""
    return [
        day
        for (day,) in project.query(
            "select distinct date from analytics.user_metrics where spending_rank <> -1 order by 1"
        )
    ]


@pytest.fixture
def ten_days(project: Project) -> Project:
    return made(project, build_days, 10)


def test_unchanged_data_writes_nothing(ten_days: Project) -> None:
    mark(ten_days)
    build(ten_days)
    build(ten_days, run_date=str(DAY[9]))
    assert written(ten_days) == []


DBTS_OWN = re.compile(
    r"(begin|commit|create|drop|alter|comment|insert|update|delete|truncate|copy|select version|-- build actual)"
    r"|.*(count\(\*\) as failures|information_schema|duckdb_\w+\(|where false|character_maximum_length)",
    re.IGNORECASE | re.DOTALL,
)


def test_a_build_of_unchanged_data_asks_few_questions(ten_days: Project) -> None:
    ten_days.run(*BUILD)
    ten_days.statements.clear()
    ten_days.run(*BUILD)
    bare = [re.sub(r"/\*.*?\*/", "", statement, flags=re.DOTALL).strip() for statement in ten_days.statements]
    questions = [statement for statement in bare if not DBTS_OWN.match(statement)]
    assert len([statement for statement in questions if "where is_clean" in statement]) <= 2, "once a thread"
    # What is written is deleted by what was built, so that nothing can come between two answers.
    assert len([statement for statement in questions if "as orders_taken_in" in statement]) == 1
    assert 10 < len(questions) <= 25, "\n".join(questions)


def test_a_new_load_writes_its_own_date(ten_days: Project) -> None:
    mark(ten_days)
    write_days(ten_days, 11)
    build(ten_days)
    assert written(ten_days) == [DAY[10]]


def test_a_correction_writes_the_dates_from_its_own_on(ten_days: Project) -> None:
    mark(ten_days)
    correction = order(6, 1, "99.00", "completed", at(DAY[6]), at(DAY[9]), loaded(DAY[9]))
    ten_days.write_load("orders", DAY[9], [correction])
    build(ten_days)
    assert written(ten_days) == DAY[6:10]
    assert ten_days.query(
        f"select total_spent from analytics.user_metrics where date = '{DAY[6]}' and user_id = 1"
    ) == [(6 * 10 + 99,)]


def test_a_new_address_writes_the_dates_from_its_own_on(ten_days: Project) -> None:
    mark(ten_days)
    ten_days.write_load("users", DAY[9], [user(2, "new@x.org", at(DAY[0]), at(DAY[7]), loaded(DAY[9]))])
    build(ten_days)
    assert written(ten_days) == DAY[7:10]


def test_a_status_that_counts_the_same_writes_nothing(ten_days: Project) -> None:
    mark(ten_days)
    shipped = order(3, 1, "10.00", "shipped", at(DAY[3]), at(DAY[9]), loaded(DAY[9]))
    ten_days.write_load(
        "orders", DAY[9], [order(9, 1, "10.00", "completed", at(DAY[9]), at(DAY[9]), loaded(DAY[9])), shipped]
    )
    build(ten_days)
    assert written(ten_days) == []
    assert ten_days.query("select status from analytics.fct_orders where order_id = 3") == [("shipped",)]


def test_a_guests_order_writes_nothing(ten_days: Project) -> None:
    mark(ten_days)
    guest = order(50, None, "10.00", "completed", at(DAY[2]), at(DAY[9]), loaded(DAY[9]))
    ten_days.write_load(
        "orders", DAY[9], [order(9, 1, "10.00", "completed", at(DAY[9]), at(DAY[9]), loaded(DAY[9])), guest]
    )
    build(ten_days)
    assert written(ten_days) == []


def test_restate_from_writes_the_dates_from_there_on(ten_days: Project) -> None:
    mark(ten_days)
    build(ten_days, restate_from=str(DAY[4]))
    assert written(ten_days) == DAY[4:10]


def test_an_empty_load_moves_the_calendar_which_never_shrinks(ten_days: Project) -> None:
    ten_days.write_load("users", DAY[10], [])
    ten_days.write_load("orders", DAY[10], [])
    build(ten_days)
    assert ten_days.query("select max(date) from analytics.user_metrics") == [(DAY[10],)]
    build(ten_days, run_date=str(DAY[12]))
    build(ten_days, run_date=str(DAY[3]))
    build(ten_days, "--full-refresh")
    assert ten_days.query("select max(date) from analytics.user_metrics") == [(DAY[12],)], "the calendar has shrunk"


def test_the_calendar_shrinks_when_user_metrics_is_dropped(ten_days: Project) -> None:
    build(ten_days, run_date=str(DAY[15]))
    ten_days.run("run-operation", "drop_user_metrics")
    build(ten_days)
    assert ten_days.query("select max(date) from analytics.user_metrics") == [(DAY[9],)]


def test_an_order_that_left_its_load_gives_way_to_its_older_version(ten_days: Project) -> None:
    """Extracted again, the load of day 9 no longer has the correction that it had; day 6's version is current again."""
    ten_days.write_load("orders", DAY[9], [order(6, 1, "99.00", "completed", at(DAY[6]), at(DAY[9]), loaded(DAY[9]))])
    build(ten_days)
    ten_days.write_load("orders", DAY[9], [])
    build(ten_days)
    assert ten_days.query(
        f"select total_spent from analytics.user_metrics where date = '{DAY[9]}' and user_id = 1"
    ) == [(90,)]
    assert ten_days.query("select order_id, is_deleted from analytics.fct_orders where is_deleted") == [(9, True)]


def test_a_rebuilt_fct_orders_restates_what_it_has_lost(ten_days: Project) -> None:
    """The first order left its load, which only the model rebuilt alone has read again."""
    ten_days.write_load("orders", DAY[0], [])
    total = "select total_spent from analytics.user_metrics where user_id = 1 order by date limit 1"
    build(ten_days, "--select", "fct_orders", "--full-refresh")
    assert ten_days.query(total) == [(10,)]
    build(ten_days)
    assert ten_days.query(total) == [(0,)]


def test_another_meaning_of_a_status_restates_its_orders(project_copy: Path, tmp_path: Path) -> None:
    project = Project(tmp_path / "project_run", root=project_copy)
    write_days(project, 5)
    build(project)
    seed = project_copy / "seeds" / "order_statuses.csv"
    seed.write_text(seed.read_text().replace("completed,true,true", "completed,false,true"))
    build(project)
    assert project.query("select max(order_count), max(total_spent) from analytics.user_metrics") == [(0, 50)]


def far_ahead(project: Project) -> None:
    """The tables are as a run in the far future would have left them."""
    for table, columns in (("fct_orders", ("_revision", "_stamp")), ("dim_users", ("_revision", "_stamp")),
                           ("fct_orders_loads", ("table_stamp",)), ("dim_users_loads", ("table_stamp",)),
                           ("user_metrics", ("_orders_revision", "_users_revision"))):  # fmt: skip
        project.execute(
            f"update analytics.{table} set " + ", ".join(f"{name} = {name} + 1000000000000" for name in columns)
        )


def test_a_clock_set_back_loses_no_change(ten_days: Project) -> None:
    far_ahead(ten_days)
    ten_days.write_load("orders", DAY[9], [order(6, 1, "99.00", "completed", at(DAY[6]), at(DAY[9]), loaded(DAY[9]))])
    build(ten_days)
    assert ten_days.query(
        f"select total_spent from analytics.user_metrics where date = '{DAY[8]}' and user_id = 1"
    ) == [(8 * 10 + 99,)]


@pytest.mark.parametrize("dropped", [["fct_orders"], ["fct_orders", "fct_orders_loads"]])
def test_a_table_dropped_while_the_clock_was_behind_is_made_anew(ten_days: Project, dropped: list[str]) -> None:
    far_ahead(ten_days)
    for table in dropped:
        ten_days.execute(f"drop table analytics.{table}")
    ten_days.write_load("orders", DAY[2], [])
    build(ten_days)
    total = f"select total_spent from analytics.user_metrics where date = '{DAY[8]}' and user_id = 1"
    assert ten_days.query(total) == [(80,)]
    ten_days.write_load("orders", DAY[3], [])
    build(ten_days)
    assert ten_days.query(total) == [(70,)]


def test_lakes_that_have_little_in_them_build(project: Project) -> None:
    build(project)
    build(project, run_date=str(DAY[0]))
    assert project.metrics() == []
    (project.lake / "users" / f"date={DAY[0]}").mkdir(parents=True)
    project.write_load("orders", DAY[0], [])
    build(project)
    assert project.metrics() == []
    users = {DAY[1]: [user(1, "a@x.org", at(DAY[1]), at(DAY[1]), loaded(DAY[1]))]}
    project.write_load("users", DAY[1], users[DAY[1]])
    build(project)
    assert project.metrics() == expected_metrics(users, {}, STATUSES, DAY[1])
    project.run(*BUILD)


def test_a_run_opens_the_loads_that_are_new_of_a_year_and_one_base_partition(project: Project) -> None:
    day_columns = "timestamp '{0} 09:00' as created_at, created_at as updated_at, created_at as _loaded_at"
    user_columns = "{1}::bigint as id, 'a@x.org' as email, " + day_columns
    order_columns = "{1}::bigint as id, id as user_id, 1::decimal(18, 2) as amount, 'placed' as status, " + day_columns
    days = [date(2023, 1, 1) + timedelta(days=number) for number in range(365)]

    def write(number: int, id: int) -> None:
        for table, columns in (("users", user_columns), ("orders", order_columns)):
            folder = project.lake / table / f"date={days[number]}"
            folder.mkdir(parents=True, exist_ok=True)
            file = folder / "part_0.parquet"
            connection.execute(f"copy (select {columns.format(days[number], id)}) to '{file}'")
            os.utime(file, (1_700_000_000 + id,) * 2)

    with duckdb.connect() as connection:
        for number in range(364):
            write(number, number)
        build(project)
        for number in (63, 64, 100, 364):
            write(number, number + 1_000)
    build(project, restate_from="2023-12-31")
    compiled = {path.stem: path.read_text() for path in (project.folder / "target/compiled").rglob("marts/*.sql")}
    loads = (
        "(_load_date between cast('2023-03-05' as date) and cast('2023-03-06' as date)"
        " or _load_date = cast('2023-04-11' as date) or _load_date = cast('2023-12-31' as date))"
    )
    for table, model in (("users", "dim_users"), ("orders", "fct_orders")):
        assert loads in compiled[model]
        plan = project.query(f"explain analyze select * from analytics.int_{table}_checked where {loads}")[0][1]
        assert re.search(r"Scanning Files: 4/365", plan), plan
    base = re.search(r"select \* from \S+ where date in .*", compiled["user_metrics"])
    assert base is not None
    # The day before the first change (rows that were there have vanished), and the last that was built.
    assert project.query(f"select distinct date from ({base.group()}) order by 1") == [
        (date(2023, 3, 4),),
        (date(2023, 12, 30),),
    ]


def test_another_earliest_date_is_taken_in_as_by_a_build_from_nothing(ten_days: Project, tmp_path: Path) -> None:
    ten_days.write_load("users", DAY[3], [user(3, "3@x.org", at(DAY[3]), at(DAY[3]), loaded(DAY[3]))])
    ten_days.write_load("orders", DAY[5], [order(5, 3, "7.00", "completed", at(DAY[2]), at(DAY[5]), loaded(DAY[5]))])
    build(ten_days)
    seen = {len(ten_days.metrics())}
    for number, earliest_date in enumerate((DAY[3], DAY[0], DAY[1], date(2000, 1, 1))):
        build(ten_days, earliest_date=str(earliest_date))
        from_nothing = Project(tmp_path / str(number), lake=ten_days.lake)
        build(from_nothing, earliest_date=str(earliest_date))
        assert ten_days.metrics() == from_nothing.metrics(), earliest_date
        seen.add(sum(row[3] for row in ten_days.metrics()))
    assert len(seen) > 2, "the setting has changed nothing"
