with metrics as (
    select * from {{ ref('user_metrics') }}
    where date >= {{ dbt.dateadd('day', -1, first_changed_date(ref('user_metrics'))) }}
),

with_day_before as (
    select
        *,
        lag(order_count) over (partition by user_id order by date) as order_count_before,
        lag(total_spent) over (partition by user_id order by date) as total_spent_before
    from metrics
)

select * from with_day_before
where
    order_count <> order_count_before + daily_order_count
    or total_spent <> total_spent_before + daily_total_spent
    or order_count < order_count_before
