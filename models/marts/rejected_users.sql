-- Delivered users that cannot be placed, with the reason: one row per user, version and load.
{% set dates = loads_with_new_rejects('users', 'dim_users', ref('stg_loads')) %}

with checked as (
    select * from {{ ref('int_users_checked') }}
    where rejection_reason is not null and {{ in_dates('_load_date', dates) }}
),

loads as (
    select * from {{ ref('stg_loads') }}
    where table_name = 'users'
)

select
    checked.*,
    loads.fingerprint as _fingerprint
from checked
inner join loads on checked._load_date = loads.load_date
