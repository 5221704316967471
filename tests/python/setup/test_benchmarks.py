"""The benchmarks run, compare what the programs have made, and write their page."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from benchmarks.bench import Case, Program, measure, one_more_day
from benchmarks.lake import write
from benchmarks.page import write_page


def test_a_day_is_measured_and_shown(tmp_path: Path) -> None:
    rows = measure(one_more_day(users=5_000, days=5, others=True), tmp_path, repetitions=1)
    assert {row["program"] for row in rows} >= {
        "user_metrics", "user_metrics, with all tests", "by hand", "recomputed by hand", "rank and copy by hand",
        "dbt microbatch",
    }  # fmt: skip
    assert all(row["models"][0] > 0 and row["peak_mb"][0] > 50 for row in rows)
    write_page(
        tmp_path / "page.md", {"machine": "this one", "measured_at": "now", "rows": json.loads(json.dumps(rows))}
    )
    page = (tmp_path / "page.md").read_text()
    assert page.count("| one more day after 5 | 5,000 |") == len(rows)
    assert "<svg" in (tmp_path / "images" / "performance.svg").read_text()


def test_programs_that_do_not_agree_are_no_measurement(tmp_path: Path) -> None:
    case = Case(
        "too short a reach", 5_000, 5, lambda lake: write(lake, 5_000, 5, 5),
        tuple(Program(f"from {first}", "bare", {"day": 5, "first": first}, base="by_hand") for first in (3, 5)),
    )  # fmt: skip
    with pytest.raises(SystemExit, match="the programs do not agree"):
        measure(case, tmp_path, repetitions=1)
