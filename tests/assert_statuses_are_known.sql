{% set unknown %}
select
    coalesce(orders.status, 'null') as finding,
    count(*) as orders,
    min(orders.order_id) as example
from {{ ref('fct_orders') }} as orders
left join {{ ref('order_statuses') }} as statuses on orders.status = statuses.status
where statuses.status is null and not orders.is_deleted
group by orders.status
{% endset %}
{% do tell(
    unknown, "Statuses of orders that seeds/order_statuses.csv does not have", "Add them, with what they count as."
) %}

{{ unknown }}
