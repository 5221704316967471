"""Every data test can fail: each damage, done to the tables by hand, is noticed by the test that is there for it."""

from __future__ import annotations

import pytest
from support.days import DAY, at, loaded, made, write_days
from support.project import BUILD, Project, order, unhappy_tests, user

METRICS = "analytics.user_metrics"
LAST_DATE = f"where date = '{DAY[9]}'"

JUST_READ = "update analytics.fct_orders_loads set last_read_at = '2999-01-01'"

DAMAGES = {
    "dbt_utils_unique_combination_of_columns_user_metrics_date__user_id": (
        f"insert into {METRICS} select * from {METRICS} {LAST_DATE}"
    ),
    "relationships_user_metrics_user_id__user_id__ref_dim_users_": f"update {METRICS} set user_id = 77 {LAST_DATE}",
    "not_null_user_metrics_spending_rank": f"update {METRICS} set spending_rank = null {LAST_DATE}",
    "dbt_utils_accepted_range_user_metrics_order_count__0": (f"update {METRICS} set order_count = -1 {LAST_DATE}"),
    "dbt_utils_accepted_range_user_metrics_spending_rank__1": (f"update {METRICS} set spending_rank = 0 {LAST_DATE}"),
    "assert_totals_add_up_day_by_day": f"update {METRICS} set daily_order_count = 5 {LAST_DATE}",
    "assert_ranks_follow_spend": f"update {METRICS} set spending_rank = 2 {LAST_DATE}",
    "assert_no_date_is_missing": f"delete from {METRICS} {LAST_DATE} and user_id = 2",
    "assert_last_date_reconciles_with_orders": (f"update {METRICS} set total_spent = 7 {LAST_DATE} and user_id = 1"),
    "assert_metrics_are_as_new_as_the_loads": f"delete from {METRICS} {LAST_DATE}",
    "assert_sign_up_does_not_change": """
        insert into analytics.dim_users
        select * replace (updated_at + interval 1 day as updated_at, created_at + interval 1 day as created_at)
        from analytics.dim_users
    """,
    "dim_users_has_one_current_version_per_user": """
        insert into analytics.dim_users
        select * replace (updated_at + interval 1 day as updated_at) from analytics.dim_users
    """,
    "dbt_utils_unique_combination_of_columns_dim_users_user_id__updated_at": (
        "insert into analytics.dim_users select * from analytics.dim_users"
    ),
    "dbt_expectations_expect_column_pair_values_A_to_be_greater_than_B_dim_users": (
        "update analytics.dim_users set valid_to = '2000-01-01'"
    ),
    "unique_fct_orders_order_id": """
        insert into analytics.fct_orders select * replace (_stamp + 1000000000000 as _stamp) from analytics.fct_orders
    """,
    "assert_statuses_are_known": "update analytics.fct_orders set status = 'lost' where order_id = 3",
    "assert_signs_follow_status": "update analytics.fct_orders set amount = -amount where order_id = 3",
    "assert_totals_can_be_summed": "update analytics.fct_orders set amount = 9999999999999999.99",
    "not_null_rejected_orders_rejection_reason": """
        insert into analytics.rejected_orders (order_id, _load_date, _fingerprint) values (1, '2024-01-01', 'x')
    """,
    "dbt_utils_unique_combination_of_columns_vanished_rows": """
        insert into analytics.vanished_rows by name
        select 'orders' as table_name, 1 as id, timestamp '2024-01-01' as updated_at from range(2)
    """,
    "not_null_vanished_rows_id": "insert into analytics.vanished_rows (table_name) values ('orders')",
    "assert_orders_have_their_user": "update analytics.fct_orders set user_id = 77 where order_id = 3",
    "assert_an_order_has_its_user": "update analytics.fct_orders set user_id = 77",
    "assert_no_row_has_vanished": f"{JUST_READ}, vanished_rows = 1",
    "assert_few_rows_have_vanished": f"{JUST_READ}, vanished_rows = 1",
    "assert_few_rows_are_rejected": f"{JUST_READ}, rejected_rows = 1",
    "unique_order_statuses_status": "insert into analytics.order_statuses select * from analytics.order_statuses",
}


def ten_days_tested(project: Project) -> None:
    """Ten days built, where the last run has written the last two dates only."""
    for days in (8, 10):
        write_days(project, days)
        project.run(*BUILD)


@pytest.fixture
def ten_days(project: Project) -> Project:
    return made(project, ten_days_tested)


def test_sound_tables_pass_and_each_damage_is_noticed(ten_days: Project) -> None:
    assert unhappy_tests(ten_days.run("test")) == set()
    sound = ten_days.database.read_bytes()
    for test, damage in DAMAGES.items():
        ten_days.database.write_bytes(sound)
        ten_days.execute(damage)
        found = unhappy_tests(ten_days.invoke("test", "--select", f"{test}*"))
        assert found, f"{test} did not notice"


def test_tests_look_at_the_dates_that_were_written_unless_told_to_look_at_all(ten_days: Project) -> None:
    select = ("test", "--select", "user_metrics", "--exclude-resource-type", "unit_test")
    ten_days.execute(f"update {METRICS} set spending_rank = 0 where date = '{DAY[2]}'")
    assert unhappy_tests(ten_days.run(*select)) == set()
    found = unhappy_tests(ten_days.invoke(*select, test_all_dates=True))
    assert any(name.startswith("dbt_utils_accepted_range_user_metrics_spending_rank") for name in found)
    assert "assert_ranks_follow_spend" in found
    ten_days.execute("insert into analytics.fct_orders select * from analytics.fct_orders")
    unique = ("test", "--select", "unique_fct_orders_order_id")
    assert unhappy_tests(ten_days.run(*unique)) == set()
    assert unhappy_tests(ten_days.invoke(*unique, test_all_dates=True)) == {"unique_fct_orders_order_id"}


def test_an_order_that_waits_for_its_user_is_a_warning(ten_days: Project) -> None:
    early = order(70, 9, "5.00", "completed", at(DAY[9]), at(DAY[9]), loaded(DAY[9]))
    usual = order(9, 1, "10.00", "completed", at(DAY[9]), at(DAY[9]), loaded(DAY[9]))
    ten_days.write_load("orders", DAY[9], [usual, early])
    assert unhappy_tests(ten_days.run(*BUILD)) == {"assert_orders_have_their_user"}


def test_an_order_whose_user_has_left_the_loads_is_a_warning(ten_days: Project) -> None:
    ten_days.write_load("users", DAY[0], [user(2, "2@x.org", at(DAY[0]), at(DAY[0]), loaded(DAY[0]))])
    other = order(71, 2, "5.00", "completed", at(DAY[9]), at(DAY[9]), loaded(DAY[9]))
    usual = order(9, 1, "10.00", "completed", at(DAY[9]), at(DAY[9]), loaded(DAY[9]))
    ten_days.write_load("orders", DAY[9], [usual, other])
    found = unhappy_tests(ten_days.run(*BUILD, max_vanished_share=1))
    assert found == {"assert_orders_have_their_user", "assert_no_row_has_vanished"}


def test_an_order_of_unknown_status_fails_until_it_has_left_its_load(ten_days: Project) -> None:
    usual = order(9, 1, "10.00", "completed", at(DAY[9]), at(DAY[9]), loaded(DAY[9]))
    lost = order(70, 1, "5.00", "lost", at(DAY[9]), at(DAY[9]), loaded(DAY[9]))
    ten_days.write_load("orders", DAY[9], [usual, lost])
    assert "assert_statuses_are_known" in unhappy_tests(ten_days.invoke(*BUILD))
    ten_days.write_load("orders", DAY[9], [usual])
    assert unhappy_tests(ten_days.run(*BUILD, max_vanished_share=1)) == {"assert_no_row_has_vanished"}


def test_where_every_order_waits_a_build_fails_and_says_so(project: Project) -> None:
    write_days(project, 2)
    project.remove_load("users", DAY[0])
    assert "assert_an_order_has_its_user" in unhappy_tests(project.invoke(*BUILD))
    said = "No order counts, as all wait for their users: of users who are in no load (2). Deliver the users: "
    assert any(line.startswith(said) for line in project.printed), project.printed


def test_an_empty_run_ends_nothing_in_the_snapshot(ten_days: Project) -> None:
    recorded = "select * from analytics.users_snapshot order by user_id, recorded_from"
    ten_days.run("snapshot")
    before = ten_days.query(recorded)
    for command in (("snapshot", "--empty"), (*BUILD, "--empty")):
        ten_days.run(*command)
        assert ten_days.query(recorded) == before
    ten_days.execute("update analytics.dim_users set email = 'new@x.org' where user_id = 2")
    ten_days.execute("delete from analytics.dim_users where user_id = 1")
    ten_days.run("snapshot")
    ended = "select user_id, count(*) from analytics.users_snapshot where recorded_to is not null group by 1 order by 1"
    assert ten_days.query(ended) == [(1, 1), (2, 1)]


def test_the_snapshot_keeps_what_was_said_before(ten_days: Project) -> None:
    ten_days.run("snapshot")
    ten_days.execute("update analytics.dim_users set email = 'new@x.org' where user_id = 2")
    ten_days.run("snapshot")
    said = "select email, recorded_to is null from analytics.users_snapshot where user_id = 2 order by recorded_from"
    assert ten_days.query(said) == [("2@x.org", False), ("new@x.org", True)]
