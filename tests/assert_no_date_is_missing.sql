{% set first_date = first_changed_date(ref('user_metrics')) %}

with metrics as (
    select
        user_id,
        count(distinct date) as dates,
        min(date) as first_date,
        max(date) as last_date
    from {{ ref('user_metrics') }}
    where date >= {{ first_date }}
    group by user_id
),

calendar as (
    select max(last_date) as last_date from metrics
),

users as (
    select
        dim_users.user_id,
        greatest(cast(dim_users.signed_up_at as date), {{ first_date }}) as first_date,
        calendar.last_date
    from {{ ref('dim_users') }} as dim_users
    cross join calendar
    where dim_users.is_current and cast(dim_users.signed_up_at as date) <= calendar.last_date
)

select users.*, metrics.dates
from users
left join metrics on users.user_id = metrics.user_id
where
    metrics.user_id is null
    or metrics.first_date <> users.first_date
    or metrics.last_date <> users.last_date
    or metrics.dates <> {{ dbt.datediff('users.first_date', 'users.last_date', 'day') }} + 1  -- noqa: LT05
