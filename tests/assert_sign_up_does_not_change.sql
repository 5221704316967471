-- A user's created_at is the same in every version. A warning, as the figures stay well defined where it is not:
-- the earliest is taken.
{{ config(severity='warn') }}

select user_id, count(distinct created_at) as different_sign_ups
from {{ ref('dim_users') }}
where not is_deleted
group by user_id
having count(distinct created_at) > 1
