{{ config(severity='warn') }}

select user_id, count(distinct created_at) as different_sign_ups
from {{ ref('dim_users') }}
where not is_deleted
group by user_id
having count(distinct created_at) > 1
