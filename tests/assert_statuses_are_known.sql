{% set unknown %}
select
    coalesce(orders.status, 'null') as finding,
    orders.orders,
    orders.example
from (
    select status, count(*) as orders, min(order_id) as example
    from {{ ref('fct_orders') }}
    where not is_deleted
    group by status
) as orders
left join {{ ref('order_statuses') }} as statuses on orders.status = statuses.status
where statuses.status is null
{% endset %}
{% do tell(
    unknown, "Statuses of orders that seeds/order_statuses.csv does not have", "Add them, with what they count as."
) %}

{{ unknown }}
