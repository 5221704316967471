"""A lake of any size: the shop of the benchmarks, the same whenever it is made.

Of 1,000 users, 140 order on a day. 2 % of the orders come two days late and 1 % are corrected the day after, so that a
new day reaches two dates back. 99 % of the users have signed up on the first day; one in a thousand changes the address
on a day.
"""

from __future__ import annotations

from datetime import date, timedelta
from pathlib import Path

import duckdb

FIRST_DATE = date(2023, 1, 1)

ORDERS = """
with orders as (
    select
        id, day, hash(id) as chance,
        $first_date + day::int + to_seconds(hash(id, 1) % 86400) as created_at,
        case when hash(id, 2) % 50 = 0 then 2 else 0 end as days_late,
        hash(id, 3) % 100 = 0 as is_corrected,
        -- Some order often, most seldom.
        1 + floor($users * pow(hash(id, 4) % 1000003 / 1000003, 1.5))::bigint as user_id,
        case
            when hash(id, 5) % 20 = 0 then 'returned' when hash(id, 5) % 33 = 0 then 'cancelled' else 'completed'
        end as status,
        (5 + hash(id, 6) % 20000 / 100)::decimal(18, 2) as amount
    from (
        select day, day * $orders + number as id
        from range(greatest($first - 2, 0), $last + 1) as days(day), range($orders) as numbers(number)
    )
),

versions as (
    select *, created_at as updated_at, day + days_late as load_day from orders
    union all
    select * replace (amount * 2 as amount), created_at + interval 1 day, day + greatest(days_late, 1)
    from orders where is_corrected
)

select
    id, user_id, case when status = 'returned' then -amount else amount end as amount, status, created_at, updated_at,
    ($first_date + load_day::int + 1)::timestamp as _loaded_at, $first_date + load_day::int as date
from versions
where load_day between $first and $last
"""

USERS = """
with users as (
    select
        id, case when id % 100 = 0 then hash(id, 7) % 365 else 0 end as signed_up
    from range(1, $users + 1) as ids(id)
),

versions as (
    select id, day, 'user' || id || '@example.com' as email, day = signed_up as is_new, signed_up
    from users, range($first, $last + 1) as days(day)
    where day >= signed_up and (day = signed_up or hash(id, day) % 1000 = 0)
)

select
    id, case when is_new then email else 'day' || day || '.' || email end as email,
    $first_date + signed_up::int + interval 1 hour as created_at,
    $first_date + day::int + interval 1 hour as updated_at,
    ($first_date + day::int + 1)::timestamp as _loaded_at, $first_date + day::int as date
from versions
"""


def write(lake: Path, users: int, first: int, last: int) -> None:
    """Writes the loads of the days from `first` to `last`, counted from FIRST_DATE, into a folder."""
    lake.mkdir(parents=True, exist_ok=True)
    chances = {"first_date": FIRST_DATE, "users": users, "first": first, "last": last}
    with duckdb.connect() as connection:
        for table, query in (("users", USERS), ("orders", ORDERS)):
            values = chances | ({"orders": users * 140 // 1000} if table == "orders" else {})
            connection.execute(f"create or replace temp table rows as {query}", values)
            connection.execute(
                f"copy (from rows order by date, id) to '{lake / table}'"
                " (format parquet, partition_by (date), filename_pattern 'part_{i}', overwrite_or_ignore)"
            )


def correct(lake: Path, day: int, load_day: int, orders: int) -> None:
    """Has the load of a day delivered again with corrections of some orders of another day, each of another user."""
    with duckdb.connect() as connection:
        connection.execute(
            f"""
            copy (
                select * exclude (number) replace (
                    amount + 1 as amount, $loaded::timestamp - interval 1 hour as updated_at,
                    $loaded::timestamp as _loaded_at
                )
                from (
                    select *, row_number() over (partition by user_id order by updated_at desc) as number
                    from read_parquet('{lake}/orders/date={date_of(day)}/*.parquet', hive_partitioning = false)
                    where status = 'completed' and created_at::date = $day
                )
                where number = 1
                order by user_id % 1009, id limit $orders
            ) to '{lake}/orders/date={date_of(load_day)}/part_1.parquet' (format parquet)
            """,
            {"loaded": date_of(load_day + 1), "day": date_of(day), "orders": orders},
        )


def deliver_all_users(lake: Path, load_day: int) -> None:
    """Has the load of a day bring all users as they are, as sources do that send the whole table."""
    with duckdb.connect() as connection:
        connection.execute(
            f"""
            copy (
                select * replace ($loaded::timestamp as _loaded_at)
                from read_parquet('{lake}/users/*/*.parquet', hive_partitioning = false)
                qualify row_number() over (partition by id order by updated_at desc) = 1
            ) to '{lake}/users/date={date_of(load_day)}/part_1.parquet' (format parquet)
            """,
            {"loaded": date_of(load_day + 1)},
        )


def date_of(day: int) -> date:
    """The date of a day."""
    return FIRST_DATE + timedelta(days=day)
