{{ config(severity='warn') }}

select orders.order_id, orders.user_id
from {{ ref('fct_orders') }} as orders
left join {{ ref('dim_users') }} as users on orders.user_id = users.user_id and users.is_current
where orders.user_id is not null and not orders.is_deleted and users.user_id is null
