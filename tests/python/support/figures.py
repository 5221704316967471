"""What must come out of the real year in ONLINE_RETAIL, on every engine: query to rows."""

from datetime import date
from decimal import Decimal

# The figures of the README beside the data, which come from the published data set and not from these models.
FIGURES = {
    "select count(*), sum(case when user_id is null then 1 else 0 end) from analytics.fct_orders": [(25_900, 3_710)],
    "select count(distinct user_id) from analytics.dim_users": [(4_372,)],
    "select count(*), count(distinct date) from analytics.user_metrics": [(989_402, 374)],
    "select sum(order_count), sum(total_spent) from analytics.user_metrics": [(2_999_854, Decimal("1307340778.92"))],
    """
    select date, count(*), sum(order_count), sum(total_spent) from analytics.user_metrics
    where date in ('2010-12-01', '2011-06-30', '2011-12-09') group by date order by date
    """: [
        (date(2010, 12, 1), 98, 121, Decimal("46051.26")),
        (date(2011, 6, 30), 3_002, 8_803, Decimal("3728501.25")),
        (date(2011, 12, 9), 4_372, 18_536, Decimal("8300065.81")),
    ],
    """
    select user_id, order_count, total_spent from analytics.user_metrics
    where date = '2011-12-09' and spending_rank <= 5 order by spending_rank
    """: [
        (14646, 74, Decimal("279489.02")),
        (18102, 60, Decimal("256438.49")),
        (17450, 46, Decimal("187482.17")),
        (14911, 201, Decimal("132572.62")),
        (12415, 21, Decimal("123725.45")),
    ],
    """
    select sum(case when total_spent < 0 then 1 else 0 end), sum(case when order_count = 0 then 1 else 0 end)
    from analytics.user_metrics where date = '2011-12-09'
    """: [(41, 33)],
}
