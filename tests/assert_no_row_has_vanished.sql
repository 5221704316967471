-- Warns of rows that a load just read had brought before and no longer has. They are marked is_deleted, or an older
-- version has taken over: _vanished_from in dim_users and fct_orders tells which.
{{ config(severity='warn') }}

select * from {{ ref('loads') }}
where vanished_rows > 0 and {{ just_read() }}
