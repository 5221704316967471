-- Fails, before user_metrics is built, when more than var max_vanished_share of what the loads just read had brought is
-- no longer in them: then most likely they were extracted in part.
select
    table_name,
    sum(delivered_rows) as delivered_rows,
    sum(vanished_rows) as vanished_rows
from {{ ref('loads') }}
where vanished_rows > 0 and {{ just_read() }}
group by table_name
having sum(vanished_rows) > {{ var('max_vanished_share') }} * sum(delivered_rows + vanished_rows)
