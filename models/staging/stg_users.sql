-- Users as they were delivered: one row per user, version and load.
with source as (
    select * from {{ source('raw', 'users') }}
),

renamed as (
    select
        id as user_id,
        email,
        created_at,
        updated_at,
        _loaded_at,
        date as _load_date
    from source
)

select * from renamed
