{{ config(severity='warn') }}

select * from {{ ref('loads') }}
where rejected_rows > 0 and {{ just_read() }}
