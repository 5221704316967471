{{ config(severity='warn') }}

select * from {{ ref('loads') }}
where vanished_rows > 0 and {{ just_read() }}
