-- Delivered users that cannot be placed, with the reason: one row per user, version and load.
select * from {{ ref('int_users_checked') }}
where rejection_reason is not null
