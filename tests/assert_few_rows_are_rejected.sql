select
    table_name,
    sum(delivered_rows) as delivered_rows,
    sum(rejected_rows) as rejected_rows
from {{ ref('loads') }}
where {{ just_read() }}
group by table_name
having sum(rejected_rows) > {{ var('max_rejected_share') }} * sum(delivered_rows)
