-- The same day by hand: the least that a database has to do for it. It knows which load is new and that nothing reaches
-- back further than {first_date}, and it checks nothing.
create or replace temp table new_orders as
select * from read_parquet('{lake}/orders/date={day}/*.parquet', hive_partitioning = false)
qualify row_number() over (partition by id order by updated_at desc) = 1;

delete from bare.orders where id in (select id from new_orders);
insert into bare.orders
select id, user_id, amount, status, created_at, created_at::date as date from new_orders;

create or replace temp table new_users as
select * from read_parquet('{lake}/users/date={day}/*.parquet', hive_partitioning = false);

update bare.users set valid_to = '{day}' from new_users where users.id = new_users.id and valid_to = '9999-12-31';
insert into bare.users
select
    new_users.id, new_users.email, coalesce(known.signed_up, new_users.created_at::date) as signed_up,
    new_users.updated_at::date as valid_from, '9999-12-31'::date as valid_to
from new_users
left join (select id, min(signed_up) as signed_up from bare.users group by id) as known on new_users.id = known.id;
