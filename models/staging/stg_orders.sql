-- Orders as they were delivered: one row per order, version and load.
with source as (
    select * from {{ source('raw', 'orders') }}
),

renamed as (
    select
        id as order_id,
        user_id,
        status,
        amount,
        created_at,
        updated_at,
        _loaded_at,
        date as _load_date
    from source
)

select * from renamed
