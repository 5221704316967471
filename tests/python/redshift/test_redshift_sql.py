"""The deny-list for Redshift: every rule fires on what it is there for, and lets its allowed neighbour pass."""

from __future__ import annotations

import pytest
from redshift_sql import LEADER_ONLY_RULE, RULES, refused

pytestmark = pytest.mark.redshift

# The beginning of the rule, what it refuses, and what stands beside it and is allowed.
PAIRS = [
    (
        "aggregate with filter",
        "select count(*) filter (where a = 1) from t",
        "select sum(case when a = 1 then 1 else 0 end) from t",
    ),
    ("distinct on", "select distinct on (a) a, b from t", "select distinct a, b from t"),
    ("unnest", "select * from unnest(array[1, 2]) as u", "select * from u"),
    ("lateral", "select * from t, lateral (select t.a) as x", "select * from t inner join x on t.a = x.a"),
    ("values", "select * from (values (1), (2)) as v (a)", "select 1 as a union all select 2 as a"),
    ("values", "with v as (values (1)) select * from v", "insert into t values (1)"),
    ("generate_series", "select * from generate_series(1, 3) as g", "select generated_number from numbers"),
    (
        "window aggregate",
        "select sum(a) over (partition by b order by c) from t",
        "select sum(a) over (partition by b order by c rows unbounded preceding) from t",
    ),
    ("window aggregate", "select first_value(a) over (order by c) from t", "select rank() over (order by c) from t"),
    ("window aggregate", "select max(a) over (order by c) from t", "select max(a) over (partition by b) from t"),
    (
        "frame of range",
        "select sum(a) over (order by c range between unbounded preceding and current row) from t",
        "select sum(a) over (order by c rows between unbounded preceding and current row) from t",
    ),
    ("is distinct from", "select 1 from t where a is distinct from b", "select 1 from t where a <> b or a is null"),
    ("is distinct from", "select 1 from t where a is not distinct from b", "select 1 from t where a is not null"),
    (
        "division",
        "select a / b from t",
        "select cast(a as double precision) / nullif(cast(b as double precision), 0) from t",
    ),
    ("division", "select cast(a as double precision) / 2 from t", "select a * 2 from t"),
    ("function of the leader", "select now()", "select getdate()"),
    ("function of the leader", "select current_timestamp", "select current_date"),
    ("function of the leader", "select substr(a, 1) from t", "select substring(a, 1) from t"),
    ("string_agg", "select string_agg(a, ',') from t", "select max(a) from t"),
    ("array", "select array_agg(a) from t", "select count(a) from t"),
    (
        "descending order",
        "select row_number() over (partition by a order by email desc) from t",
        "select row_number() over (partition by a order by email desc nulls last) from t",
    ),
    (
        "descending order",
        "select row_number() over (order by status desc nulls first) from t",
        "select row_number() over (order by updated_at desc) from t",
    ),
]


@pytest.mark.parametrize(("rule", "bad", "good"), PAIRS)
def test_a_rule_fires_and_its_neighbour_passes(rule: str, bad: str, good: str) -> None:
    assert any(reason.startswith(rule) for reason in refused(bad)), f"{bad}: {refused(bad)}"
    assert refused(good) == []


def test_every_rule_has_a_pair() -> None:
    rules = {*RULES, LEADER_ONLY_RULE}
    assert {rule for rule in rules if any(rule.startswith(pair[0]) for pair in PAIRS)} == rules
