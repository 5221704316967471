-- Delivered users with the reason, if any, why a row cannot be placed: one row per user, version and load.
select
    *,
    {{ rejection_reason('users', id='user_id') }} as rejection_reason
from {{ ref('stg_users') }}
