"""A range of dates is extracted and built in one process, and a backfill that was stopped goes on."""

from __future__ import annotations

import json
import subprocess
from datetime import date, timedelta
from typing import Any

import pytest
from support.application import Application
from support.project import Project
from support.s3 import ON_S3
from typer.testing import Result

FIRST, LAST = date(2024, 1, 1), date(2024, 1, 3)


@pytest.fixture
def shop(application: Application) -> Application:
    """A user from the first day, and an order of 10 a day."""
    application.sql("insert into users values (1, '1@x.org', '2024-01-01 08:00+00', '2024-01-01 08:00+00')")
    application.sql(
        """
        insert into orders select id, 1, 10, 'completed', placed, placed
        from (select id, timestamptz '2024-01-01 09:00+00' + (id - 1) * interval '1 day' as placed
        from generate_series(1, 3) as ids(id)) as days
        """
    )
    return application


def backfill(project: Project, *options: str) -> Result:
    return project.command("backfill", "--from", str(FIRST), "--to", str(LAST), *options)


def events(result: Result | subprocess.CompletedProcess[str], event: str) -> list[dict[str, Any]]:
    """What was logged under a name, a line of JSON each."""
    logged = [json.loads(line) for line in result.stderr.splitlines() if line.startswith("{")]
    return [entry for entry in logged if entry["event"] == event]


def spent(project: Project) -> list[tuple[Any, ...]]:
    return project.query("select date, total_spent from analytics.user_metrics order by date")


WHOLE = [(FIRST + timedelta(days=number), 10 * (number + 1)) for number in range(3)]


def test_each_date_is_extracted_and_built(shop: Application, project: Project) -> None:
    project.lake = project.folder / "not there" / "yet"
    dates = ("--from", str(FIRST), "--to", str(LAST))
    result = project.installed_command("backfill", *dates)
    assert result.returncode == 0, result.stderr
    assert result.stdout == f"3 dates were taken in, up to {LAST}.\n"
    assert spent(project) == WHOLE
    extracted = [(entry["date"], entry["table"], entry["rows"]) for entry in events(result, "extracted")]
    assert extracted == [(f"2024-01-0{day}", table, 1) for day in range(1, 4) for table in ("users", "orders")]
    built = events(result, "built")
    assert [entry["date"] for entry in built] == [f"2024-01-0{day}" for day in range(1, 4)]
    assert built[-1]["summary"].startswith("1 row of 2024-01-03 was written: new dates; ")


@ON_S3
def test_one_that_was_stopped_goes_on_and_one_that_has_ended_begins_anew(shop: Application, project: Project) -> None:
    shop.sql("update orders set amount = 0.001 where id = 2")
    result = backfill(project)
    assert result.exit_code == 1
    said = " ".join(result.stderr.split())
    assert "A row of public.orders does not fit the lake: " in said
    assert said.endswith("The dates up to 2024-01-01 are built; the same command goes on after them.")
    assert spent(project) == WHOLE[:1]
    shop.sql("update orders set amount = 10 where id = 2")
    result = backfill(project)
    assert result.exit_code == 0, result.output
    assert [entry["date"] for entry in events(result, "built")] == ["2024-01-02", "2024-01-03"]
    assert spent(project) == WHOLE
    result = backfill(project, "--parallel-extract", "3")
    assert result.stdout == f"3 dates were taken in, up to {LAST}.\n"
    assert spent(project) == WHOLE


def test_users_by_change_leave_orders_waiting_which_is_said(shop: Application, project: Project) -> None:
    shop.sql("update users set updated_at = '2023-12-01 08:00+00'")
    result = backfill(project, "--by-change")
    assert result.exit_code == 1
    assert "assert_an_order_has_its_user" in result.stderr
    assert "are built" not in result.stderr


def test_a_state_that_is_damaged_is_named(shop: Application, project: Project) -> None:
    for damaged in ("{", "[]", '{"done_to": 1}', '{"done_to": "soon"}'):
        (project.lake / "_backfill.json").write_text(damaged)
        result = backfill(project)
        assert result.exit_code == 1
        said = (
            f"LAKE_URI is '{project.lake}', whose _backfill.json is damaged: delete it, and the backfill begins anew."
        )
        assert said in result.stderr
        assert [file.name for file in project.lake.iterdir()] == ["_backfill.json"]


@pytest.mark.parametrize(
    ("options", "reason"),
    [
        (["--vars", "{earliest_dat: 2015-01-01}"], "earliest_dat"),
        (["--vars", "{a"], "--vars is '{a': write it like '{earliest_date: 2015-01-01}'."),
        (["--vars", "max_rejected_share"], "--vars is 'max_rejected_share': write it like "),
        (["--target", "production"], "does not have a target named 'production'"),
    ],
)
def test_what_dbt_would_refuse_stops_it_before_anything_is_extracted(
    shop: Application, project: Project, options: list[str], reason: str
) -> None:
    result = backfill(project, *options)
    assert result.exit_code == 1, result.output
    assert reason in " ".join(result.stderr.split())
    assert "Traceback" not in result.stderr
    assert list(project.lake.iterdir()) == []


def test_dates_that_are_extracted_at_once_are_built_together(shop: Application, project: Project) -> None:
    result = backfill(project, "--parallel-extract", "2")
    assert result.exit_code == 0, result.output
    assert [entry["date"] for entry in events(result, "built")] == ["2024-01-02", "2024-01-03"]
    assert spent(project) == WHOLE


def test_a_failed_test_stops_it(shop: Application, project: Project) -> None:
    shop.sql("update orders set status = 'lost' where id = 2")
    result = backfill(project)
    assert result.exit_code == 1
    assert "assert_statuses_are_known" in result.stderr
    assert [entry["date"] for entry in events(result, "built")] == ["2024-01-01"]


@pytest.mark.parametrize(
    ("options", "said"),
    [
        (["--from", "2024-02-01"], "--from must not be after --to."),
        (["--to", "2999-01-01"], "--to is 2999-01-01, which has not begun: today is "),
        (["--whole", "sales"], "'sales' is not one of 'users', 'orders'"),
        (["--lake", "gs://bucket/lake"], "LAKE_URI is 'gs://bucket/lake', but must be a folder or s3://bucket/prefix."),
        (["--target", "nowhere"], "does not have a target named 'nowhere'"),
        (["--vars", "{rundate: 2024-01-05}"], "There is no setting rundate: did you mean run_date?"),
    ],
)
def test_what_cannot_be_done_is_said(shop: Application, project: Project, options: list[str], said: str) -> None:
    result = backfill(project, *options)
    assert result.exit_code in (1, 2)
    assert said in " ".join(result.stderr.replace("│", " ").split())
    assert "Traceback" not in result.output
