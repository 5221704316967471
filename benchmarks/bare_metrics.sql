-- The dates from {first_date} to {day} by hand, from the state of the day before; from the first date of all, the usual model
-- that works out everything each time.
delete from bare.metrics where date >= '{first_date}';
insert into bare.metrics
with daily as (
    select
        orders.user_id, greatest(orders.date, users.signed_up) as date,
        count(*) filter (status = 'completed') as order_count, sum(amount) as total_spent,
        max(created_at) filter (status = 'completed') as last_order_at
    from bare.orders
    inner join bare.users on orders.user_id = users.id and users.valid_to = '9999-12-31'
    where (orders.date >= '{first_date}' or users.signed_up >= '{first_date}') and status <> 'cancelled'
    group by all
),

running as (
    select
        dates.date, users.id as user_id, users.email,
        coalesce(daily.order_count, 0) as daily_order_count, coalesce(daily.total_spent, 0) as daily_total_spent,
        coalesce(base.order_count, 0) + coalesce(sum(daily.order_count) over days, 0) as order_count,
        coalesce(base.total_spent, 0) + coalesce(sum(daily.total_spent) over days, 0) as total_spent,
        greatest(base.last_order_at, max(daily.last_order_at) over days) as last_order_at
    from (select unnest(generate_series('{first_date}'::date, '{day}'::date, interval 1 day))::date as date) as dates
    inner join bare.users on dates.date >= users.valid_from and dates.date < users.valid_to
    left join bare.metrics as base on users.id = base.user_id and base.date = '{first_date}'::date - 1
    left join daily on users.id = daily.user_id and dates.date = daily.date
    window days as (partition by users.id order by dates.date)
)

select
    date, user_id, email, order_count::bigint, total_spent::decimal(18, 2),
    total_spent::double / nullif(order_count, 0)::double, last_order_at,
    daily_order_count::bigint, daily_total_spent::decimal(18, 2),
    rank() over (partition by date order by total_spent desc)
from running;
