{% set last_date = newest_date(ref('user_metrics')) %}

with orders as (
    select * from {{ ref('fct_orders') }}
    where user_id is not null and not is_deleted and order_date <= {{ last_date }}
),

recomputed as (
    select
        user_id,
        sum(case when counts_as_order then 1 else 0 end) as order_count,
        sum(case when counts_as_spend then amount else 0 end) as total_spent
    from orders
    group by user_id
),

metrics as (
    select * from {{ ref('user_metrics') }}
    where date = {{ last_date }}
)

select
    metrics.user_id,
    metrics.order_count,
    recomputed.order_count as recomputed_order_count,
    metrics.total_spent,
    recomputed.total_spent as recomputed_total_spent
from metrics
left join recomputed on metrics.user_id = recomputed.user_id
where
    metrics.order_count <> coalesce(recomputed.order_count, 0)
    or metrics.total_spent <> coalesce(recomputed.total_spent, 0)
