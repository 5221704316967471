-- The partition before {day} copied to it, and ranked.
insert into bare.metrics
select
    '{day}'::date, * exclude (date, spending_rank), rank() over (order by total_spent desc)
from bare.metrics
where date = '{day}'::date - 1;
