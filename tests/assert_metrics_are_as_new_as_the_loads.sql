with metrics as (
    select max(date) as last_date from {{ ref('user_metrics') }}
),

newest as (
    select max(load_date) as newest_load_date from {{ ref('loads') }}
),

users as (
    select min(cast(signed_up_at as date)) as first_sign_up from {{ ref('dim_users') }}
    where not is_deleted
)

select newest.newest_load_date, metrics.last_date
from newest
cross join metrics
cross join users
where
    users.first_sign_up <= newest.newest_load_date
    and (metrics.last_date is null or metrics.last_date < newest.newest_load_date)
