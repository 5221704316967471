{% set waiting %}
select
    'of users who are in no load' as finding,
    count(*) as orders
from {{ ref('fct_orders') }} as orders
left join {{ ref('dim_users') }} as users on orders.user_id = users.user_id and users.is_current
where orders.user_id is not null and not orders.is_deleted
having count(*) > 0 and count(users.user_id) = 0
{% endset %}
{% do tell(
    waiting, "No order counts, as all wait for their users", "Deliver the users: user-metrics extract --table users --whole."
) %}

{{ waiting }}
