-- A user's created_at is the same in every version; the earliest is taken where it is not.
select user_id, count(distinct created_at) as different_sign_ups
from {{ ref('dim_users') }}
where not is_deleted
group by user_id
having count(distinct created_at) > 1
