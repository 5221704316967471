-- Fails when more than var max_rejected_share of the rows of the loads just read cannot be placed: then it is the
-- extraction that is wrong, not a row.
with delivered as (
    select 'users' as source, rejection_reason from {{ ref('int_users_checked') }}
    where {{ read_loads('load_date', ref('dim_users')) }}
    union all
    select 'orders' as source, rejection_reason from {{ ref('int_orders_checked') }}
    where {{ read_loads('load_date', ref('fct_orders')) }}
)

select source, count(*) as delivered_rows, count(rejection_reason) as rejected_rows
from delivered
group by source
having count(rejection_reason) > {{ var('max_rejected_share') }} * count(*)
