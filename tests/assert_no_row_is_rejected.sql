-- Warns of rows that the loads just read have brought and that cannot be placed. Nothing is lost: they stay in
-- rejected_users and rejected_orders, and count once the source sends them right.
{{ config(severity='warn') }}

select 'users' as source, load_date, user_id as id, rejection_reason
from {{ ref('rejected_users') }}
where {{ read_loads('load_date', ref('dim_users')) }}
union all
select 'orders' as source, load_date, order_id as id, rejection_reason
from {{ ref('rejected_orders') }}
where {{ read_loads('load_date', ref('fct_orders')) }}
