-- The loads that dim_users and fct_orders have read, and what came of it: one row per table and load date.
-- Without the database's name, so that it can be read where a DuckDB file is attached under another.
{{ config(materialized='view', bind=false) }}

with read as (
    select cast('users' as varchar) as table_name, * from {{ ledger_of(ref('dim_users')).include(database=false) }}
    union all
    select cast('orders' as varchar) as table_name, * from {{ ledger_of(ref('fct_orders')).include(database=false) }}
)

select
    table_name,
    load_date,
    delivered_rows,
    rejected_rows,
    vanished_rows,
    first_read_at,
    last_read_at,
    cast(
        case
            when is_archived then 'archived'
            when fingerprint is null then 'to be read again'
            else 'read'
        end as varchar
    ) as state
from read
