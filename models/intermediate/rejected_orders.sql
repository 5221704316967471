-- Delivered orders that cannot be placed, with the reason: one row per order, version and load.
select * from {{ ref('int_orders_checked') }}
where rejection_reason is not null
