{{ config(severity='warn') }}

{% set wrong_signs %}
select
    case when counts_as_order then status || ' and negative' else status || ' and positive' end as finding,
    count(*) as orders,
    sum(amount) as amount,
    min(order_id) as example
from {{ ref('fct_orders') }}
where
    counts_as_spend and not is_deleted
    and ((counts_as_order and amount < 0) or (not counts_as_order and amount > 0))
group by status, counts_as_order
{% endset %}
{% do tell(
    wrong_signs, "Orders whose amount has an unlikely sign", "docs/your_data.md has how returns count."
) %}

{{ wrong_signs }}
