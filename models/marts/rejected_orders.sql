-- Delivered orders that cannot be placed, with the reason: one row per order, version and load.
{% set dates = loads_with_new_rejects('orders', 'fct_orders', ref('stg_loads')) %}

with checked as (
    select * from {{ ref('int_orders_checked') }}
    where rejection_reason is not null and {{ in_dates('_load_date', dates) }}
),

loads as (
    select * from {{ ref('stg_loads') }}
    where table_name = 'orders'
)

select
    checked.*,
    loads.fingerprint as _fingerprint
from checked
inner join loads on checked._load_date = loads.load_date
