-- Loads as they are delivered now: one row per table and load date.
with source as (
    select * from {{ source('raw', 'loads') }}
),

renamed as (
    select
        table_name,
        date as load_date,
        bytes,
        loaded_at,
        {{ fingerprint() }} as fingerprint
    from source
)

select * from renamed
