with metrics as (
    select * from {{ ref('user_metrics') }}
    where date >= {{ first_changed_date(ref('user_metrics')) }}
),

spenders as (
    select date, total_spent, count(*) as users
    from metrics
    group by date, total_spent
),

users_above as (
    select
        date,
        total_spent,
        sum(users) over (
            partition by date order by total_spent desc rows between unbounded preceding and current row
        ) - users as users_above
    from spenders
)

select metrics.date, metrics.user_id, metrics.total_spent, metrics.spending_rank, users_above.users_above
from metrics
inner join users_above
    on metrics.date = users_above.date and metrics.total_spent = users_above.total_spent
where metrics.spending_rank <> users_above.users_above + 1
