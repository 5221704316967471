select
    table_name,
    sum(delivered_rows) as delivered_rows,
    sum(vanished_rows) as vanished_rows
from {{ ref('loads') }}
where vanished_rows > 0 and {{ just_read() }}
group by table_name
having sum(vanished_rows) > {{ var('max_vanished_share') }} * sum(delivered_rows + vanished_rows)
