-- Users and orders that a load no longer had when it was extracted again: one row per version of a user and per order.
with users as (
    select * from {{ ref('dim_users') }}
    where is_deleted or _vanished_from is not null
),

orders as (
    select * from {{ ref('fct_orders') }}
    where is_deleted or _vanished_from is not null
)

select
    cast('users' as varchar) as table_name,
    user_id as id,
    coalesce(_vanished_from, _load_date) as vanished_from,
    is_deleted,
    updated_at
from users
union all
select
    cast('orders' as varchar) as table_name,
    order_id as id,
    coalesce(_vanished_from, _load_date) as vanished_from,
    is_deleted,
    updated_at
from orders
