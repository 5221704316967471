-- user_metrics reaches at least to the newest load that has brought rows. dbt's own freshness looks at sources only.
{% set last_date = newest_date(ref('user_metrics'), ref('dim_users')) %}

with loads as (
    select max(_last_load_date) as newest_load_date from {{ ref('dim_users') }}
    union all
    select max(_last_load_date) as newest_load_date from {{ ref('fct_orders') }}
),

users as (
    select min(cast(signed_up_at as date)) as first_sign_up from {{ ref('dim_users') }}
    where not is_deleted
)

select loads.newest_load_date, {{ date_literal(last_date or var('earliest_date')) }} as last_date
from loads
cross join users
where
    loads.newest_load_date > {{ date_literal(last_date or var('earliest_date')) }}
    and users.first_sign_up <= loads.newest_load_date
