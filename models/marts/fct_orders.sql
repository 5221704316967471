-- Orders as their newest version has them: one row per order, guests and orders of unknown users included.
{% set loads = loads_to_read('orders', ref('stg_loads'), ref('int_orders_checked'), key=['order_id']) %}

with clock as (
    {{ next_stamp() }}
),

statuses as (
    select * from {{ ref('order_statuses') }}
),

-- Besides the orders of the loads, those whose status has been given another meaning in the seed.
touched as (
    {{ touched_ids(ref('int_orders_checked'), loads, id='order_id') }}
    union
    select orders.order_id
    from ({{ stored_rows() }}) as orders
    left join statuses on orders.status = statuses.status
    where
        orders.counts_as_order <> coalesce(statuses.counts_as_order, false)
        or orders.counts_as_spend <> coalesce(statuses.counts_as_spend, false)
),

stored as (
    select held.* from ({{ stored_rows() }}) as held
    where held.order_id in (select touched.order_id from touched)
),

versions as (
    {{ known_versions(
        ref('int_orders_checked'), loads, id='order_id', stored='stored',
        columns=['order_id', 'user_id', 'status', 'amount', 'created_at', 'updated_at'],
    ) }}
),

numbered as (
    select
        *,
        min(first_load_date) over (partition by order_id) as _first_load_date,
        row_number() over (
            partition by order_id
            order by
                is_deleted asc, updated_at desc, _loaded_at desc, _load_date desc,
                amount desc, created_at desc, status desc nulls last, user_id desc nulls last
        ) as version_number
    from versions
),

newest as (
    select
        numbered.*,
        coalesce(statuses.counts_as_order, false) as counts_as_order,
        coalesce(statuses.counts_as_spend, false) as counts_as_spend,
        numbered.user_id is not null and not numbered.is_deleted
        and coalesce(statuses.counts_as_order or statuses.counts_as_spend, false) as is_counted
    from numbered
    left join statuses on numbered.status = statuses.status
    where numbered.version_number = 1
),

fct_orders as (
    select
        newest.order_id,
        newest.user_id,
        newest.status,
        newest.amount,
        newest.counts_as_order,
        newest.counts_as_spend,
        newest.is_counted,
        newest.is_deleted,
        cast(newest.created_at as date) as order_date,
        newest.created_at,
        newest.updated_at,
        newest._loaded_at,
        newest._load_date,
        newest._first_load_date,
        -- Only what changes a number gets a new revision: a parcel that was shipped restates nothing.
        case
            when not newest.is_counted and not stored.is_counted then stored._revision
            when
                newest.is_counted and stored.is_counted
                and newest.user_id = stored.user_id
                and newest.created_at = stored.created_at
                and newest.amount = stored.amount
                and newest.counts_as_order = stored.counts_as_order
                and newest.counts_as_spend = stored.counts_as_spend
                then stored._revision
            else clock.stamp
        end as _revision,
        least(
            stored._affected_from, case when newest.is_counted then cast(newest.created_at as date) end
        ) as _affected_from,
        -- Whose figures change with it: its user, the one who had it before, and whoever else is known no longer.
        case
            when newest.user_id = stored.user_id or stored.user_id is null then stored._former_user_id
            else stored.user_id
        end as _former_user_id,
        coalesce(stored._had_more_users, false) or coalesce(
            stored.user_id <> stored._former_user_id
            and (newest.user_id is null or newest.user_id not in (stored.user_id, stored._former_user_id)),
            false
        ) as _had_more_users,
        clock.stamp as _stamp,
        case
            when
                {{ in_dates('stored._load_date', loads.dates) }} and not stored.is_deleted
                and (newest.is_deleted or newest.updated_at < stored.updated_at)
                then stored._load_date
        end as _vanished_from
    from newest
    cross join clock
    left join stored on newest.order_id = stored.order_id and not {{ loads.is_void }}
)

-- Stored in this order, the orders of some dates, and mostly those of some ids, lie together.
select * from fct_orders
order by order_date, order_id
