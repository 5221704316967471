-- Warns of rows that the loads just read have brought and that cannot be placed. Nothing is lost: they stay in
-- rejected_users and rejected_orders, and count once the source sends them right.
{{ config(severity='warn') }}

select * from {{ ref('loads') }}
where rejected_rows > 0 and {{ just_read() }}
