-- What the loads until now have brought, by hand.
create schema bare;

create table bare.orders as
select id, user_id, amount, status, created_at, created_at::date as date
from read_parquet('{lake}/orders/*/*.parquet')
qualify row_number() over (partition by id order by updated_at desc) = 1;

create table bare.users as
select
    id, email, min(created_at::date) over (partition by id) as signed_up, updated_at::date as valid_from,
    coalesce(lead(updated_at::date) over (partition by id order by updated_at), '9999-12-31') as valid_to
from read_parquet('{lake}/users/*/*.parquet');

create table bare.metrics (
    date date, user_id bigint, email varchar, order_count bigint, total_spent decimal(18, 2), avg_order_value double,
    last_order_at timestamp, daily_order_count bigint, daily_total_spent decimal(18, 2), spending_rank bigint
);
