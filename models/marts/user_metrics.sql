-- What each user has ordered and spent so far, day by day: one row per user and date since the sign-up.
-- State of a date = state of the date before + what takes effect on the date. So a run carries on from stored
-- rows and writes what comes after them: of the users to whom something has happened from the first date that it
-- affects, of the others the new dates. restatement_window() finds them, and the strategy changed_rows() puts the
-- rows in place and moves the ranks of the rows that stay.
{% set window = restatement_window(this, ref('fct_orders'), ref('dim_users'), ref('loads')) %}

with dates as (
    {{ date_series(window.from_date, window.to_date) }}
),

changed_users as (
    {{ changed_users(window) }}
),

user_versions as (
    select
        dim_users.*,
        case
            when changed_users.user_id is null then {{ date_literal(window.carried_date) }}
            else {{ date_literal(window.base_date) }}
        end as carried_from
    from {{ ref('dim_users') }} as dim_users
    left join changed_users on dim_users.user_id = changed_users.user_id
    where not dim_users.is_deleted
),

-- Of the dates that are written, and older ones of users who have signed up since.
orders as (
    select * from {{ ref('fct_orders') }}
    where
        is_counted
        and order_date between {{ date_literal(window.from_date) }} and {{ date_literal(window.to_date) }}
    union all
    select * from {{ ref('fct_orders') }}
    where
        is_counted
        and order_date < {{ date_literal(window.from_date) }}
        and user_id in (
            select user_versions.user_id from user_versions
            where cast(user_versions.signed_up_at as date) >= {{ date_literal(window.from_date) }}
        )
),

stored as (
    {{ carried_rows(window) }}
),

-- Every user has a row on every date since the sign-up, with the address that was valid then.
user_dates as (
    select dates.date, user_versions.user_id, user_versions.email, user_versions.carried_from
    from dates
    inner join user_versions
        on
            dates.date > user_versions.carried_from
            and dates.date >= user_versions.valid_from and dates.date < user_versions.valid_to
),

-- An order counts from the later of its own date and its user's sign-up.
order_effects as (
    select
        orders.*,
        greatest(orders.order_date, cast(user_versions.signed_up_at as date)) as effective_date,
        user_versions.carried_from
    from orders
    inner join user_versions on orders.user_id = user_versions.user_id and user_versions.is_current
),

daily_totals as (
    select
        user_id,
        effective_date as date,
        sum(case when counts_as_order then 1 else 0 end) as order_count,
        sum(case when counts_as_spend then amount else 0 end) as total_spent,
        max(case when counts_as_order then created_at end) as last_order_at
    from order_effects
    where effective_date > carried_from
    group by user_id, effective_date
),

-- What a user's orders add up to changes on days with orders alone, and stands until the next.
totals as (
    select
        user_id,
        date as valid_from,
        coalesce(lead(date) over (partition by user_id order by date), {{ date_literal('9999-12-31') }}) as valid_to,
        order_count as daily_order_count,
        total_spent as daily_total_spent,
        sum(order_count) over (partition by user_id order by date rows unbounded preceding) as order_count,
        sum(total_spent) over (partition by user_id order by date rows unbounded preceding) as total_spent,
        max(last_order_at) over (partition by user_id order by date rows unbounded preceding) as last_order_at
    from daily_totals
),

running_totals as (
    select
        user_dates.date,
        user_dates.user_id,
        user_dates.email,
        case when user_dates.date = totals.valid_from then totals.daily_order_count else 0 end as daily_order_count,
        case when user_dates.date = totals.valid_from then totals.daily_total_spent else 0 end as daily_total_spent,
        coalesce(stored.order_count, 0) + coalesce(totals.order_count, 0) as order_count,
        coalesce(stored.total_spent, 0) + coalesce(totals.total_spent, 0) as total_spent,
        greatest(stored.last_order_at, totals.last_order_at) as last_order_at
    from user_dates
    left join stored on user_dates.user_id = stored.user_id and user_dates.carried_from = stored.date
    left join totals
        on
            user_dates.user_id = totals.user_id
            and user_dates.date >= totals.valid_from and user_dates.date < totals.valid_to
),

user_metrics as (
    select
        date,
        user_id,
        email,
        cast(order_count as bigint) as order_count,
        cast(total_spent as decimal(18, 2)) as total_spent,
        cast(total_spent as double precision) / nullif(cast(order_count as double precision), 0) as avg_order_value,
        last_order_at,
        cast(daily_order_count as bigint) as daily_order_count,
        cast(daily_total_spent as decimal(18, 2)) as daily_total_spent,
        rank() over (partition by date order by total_spent desc) as spending_rank,
        {{ date_literal(window.first_date) }} as _restated_from,
        cast({{ window.orders_revision }} as bigint) as _orders_revision,
        cast({{ window.users_revision }} as bigint) as _users_revision,
        {{ run_start() }} as _written_at
    from running_totals
)

select * from user_metrics
order by date asc, total_spent desc
