"""The histories can fail: each key line of the models, broken in a copy, makes some history differ."""

from __future__ import annotations

from pathlib import Path

import pytest
from histories import play_history

MUTATIONS = {
    "the earliest date that an order affected": (
        "models/marts/fct_orders.sql",
        "stored._affected_from, case when newest.is_counted",
        "null, case when newest.is_counted",
    ),
    "run_date's own partition": (
        "macros/load_window.sql",
        "({{ column }} > {{ date_literal(window.after) }} or {{ column }} = {{ window.run_date }})",
        "{{ column }} > {{ date_literal(window.after) }}",
    ),
    "the base partition": (
        "macros/restatement_window.sql",
        "'base_date': (first_date - one_day) | string",
        "'base_date': (first_date - one_day - one_day) | string",
    ),
    "the status flags": (
        "models/marts/user_metrics.sql",
        "case when counts_as_order then 1 else 0 end",
        "1",
    ),
    "the window of loads": (
        "macros/load_window.sql",
        "modules.datetime.timedelta(days=var('load_window_days'))}) %}",
        "modules.datetime.timedelta(days=0)}) %}",
    ),
    "a version that vanished from its load": (
        "macros/load_window.sql",
        "{% if first_load is not none %}",
        "{% if false %}",
    ),
    "the sign-up date of an order": (
        "models/marts/user_metrics.sql",
        "greatest(orders.order_date, cast(users.signed_up_at as date))",
        "orders.order_date",
    ),
}


@pytest.mark.mutations
@pytest.mark.parametrize("mutation", MUTATIONS)
def test_histories_notice(mutation: str, project_copy: Path, tmp_path: Path) -> None:
    file, line, broken = MUTATIONS[mutation]
    path = project_copy / file
    assert line in path.read_text(), f"{file} no longer has the line to break"
    path.write_text(path.read_text().replace(line, broken))
    for seed in range(1, 40):
        try:
            play_history(seed, tmp_path / str(seed), project_copy)
        except AssertionError:
            return
    pytest.fail(f"no history noticed that {mutation} is broken")
