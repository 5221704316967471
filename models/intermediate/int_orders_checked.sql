-- Delivered orders with the reason, if any, why a row cannot be placed: one row per order, version and load.
with orders as (
    select * from {{ ref('stg_orders') }}
),

checked as (
    select
        *,
        case
            when order_id is null then 'id is null'
            when amount is null then 'amount is null'
            when created_at is null then 'created_at is null'
            when updated_at is null then 'updated_at is null'
            when _loaded_at is null then '_loaded_at is null'
            when cast(created_at as date) < {{ date_setting('earliest_date') }}
                then 'created_at is before earliest_date'
            -- One day of grace: a load may be extracted just after midnight of the next day.
            when cast(created_at as date) > {{ dbt.dateadd('day', 1, '_load_date') }}
                then 'created_at is after the load'
            when cast(updated_at as date) > {{ dbt.dateadd('day', 1, '_load_date') }}
                then 'updated_at is after the load'
        end as rejection_reason
    from orders
)

select * from checked
