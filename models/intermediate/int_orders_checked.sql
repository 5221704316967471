-- Delivered orders with the reason, if any, why a row cannot be placed: one row per order, version and load.
select
    *,
    {{ rejection_reason('orders', id='order_id') }} as rejection_reason
from {{ ref('stg_orders') }}
