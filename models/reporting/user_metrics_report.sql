-- What consumers read: user_metrics without its bookkeeping, one row per user and date. Without the database's name, so
-- that it can be read where a DuckDB file is attached under another.
select
    date,
    user_id,
    email,
    order_count,
    total_spent,
    avg_order_value,
    last_order_at,
    daily_order_count,
    daily_total_spent,
    spending_rank
from {{ ref('user_metrics').include(database=false) }}
