-- One date as tools without a state work it out: from all orders so far. Of the date {day}; DuckDB and Spark both read it.
select
    date '{day}' as date, user_id, email, order_count, total_spent,
    cast(total_spent as double) / nullif(order_count, 0) as avg_order_value, last_order_at,
    daily_order_count, daily_total_spent, rank() over (order by total_spent desc) as spending_rank
from (
    select
        users.id as user_id, users.email,
        count(case when orders.status = 'completed' then 1 end) as order_count,
        cast(coalesce(sum(orders.amount), 0) as decimal(18, 2)) as total_spent,
        max(case when orders.status = 'completed' then orders.created_at end) as last_order_at,
        count(
            case
                when
                    orders.status = 'completed'
                    and greatest(cast(orders.created_at as date), users.signed_up) = date '{day}'
                    then 1
            end
        ) as daily_order_count,
        cast(coalesce(sum(
            case when greatest(cast(orders.created_at as date), users.signed_up) = date '{day}' then orders.amount end
        ), 0) as decimal(18, 2)) as daily_total_spent
    from (
        select id, email, signed_up from (
            select
                id, email, min(cast(created_at as date)) over (partition by id) as signed_up,
                row_number() over (partition by id order by updated_at desc) as version_number
            from {users}
            where cast(updated_at as date) <= date '{day}'
        ) as versions
        where version_number = 1
    ) as users
    left join (
        select id, user_id, amount, status, created_at from (
            select *, row_number() over (partition by id order by updated_at desc) as version_number
            from {orders}
        ) as versions
        where version_number = 1 and status <> 'cancelled'
    ) as orders
        on users.id = orders.user_id and cast(orders.created_at as date) <= date '{day}'
    group by users.id, users.email
) as totals
