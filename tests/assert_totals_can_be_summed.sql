select
    user_id,
    sum(abs(amount)) as total_amount,
    max(abs(amount)) as greatest_amount
from {{ ref('fct_orders') }}
where is_counted
group by user_id
having sum(abs(amount)) >= 10000000000000000
