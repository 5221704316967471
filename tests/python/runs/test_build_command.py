"""`user-metrics build` is dbt build, with the run's sentence at the end and dbt's exit codes."""

from __future__ import annotations

import os
import re
import shutil
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from support.days import DAY, at, build, loaded, write_days
from support.project import ROOT, Project, order, user, working_folder
from typer.testing import CliRunner

from user_metrics.cli import app

BUILD = ("build", "--no-use-colors", "--exclude-resource-type", "unit_test")


def test_the_last_line_says_what_was_done(project: Project) -> None:
    write_days(project, 3)
    installed = project.installed_command(*BUILD)
    assert installed.returncode == 0, installed.stdout
    said = installed.stdout.splitlines()[-1]
    assert said.startswith("6 rows of 2024-01-01 to 2024-01-03 were written: built from nothing; 6 loads read; ")
    lost = order(1, 1, "1.00", "lost", at(DAY[2]), at(DAY[2]), loaded(DAY[2]))
    project.write_load("orders", DAY[2], [lost])
    result = project.command(*BUILD)
    assert result.exit_code == 1
    said = result.stdout.splitlines()[-1]
    assert "1 load read; " in said
    assert said.endswith("1 failed; stopped at assert_statuses_are_known.")


def test_a_build_says_where_it_reads_and_writes_and_a_line_for_each_model(project: Project) -> None:
    write_days(project, 2)
    late = order(9, 1, "1.00", "completed", at(DAY[9]), at(DAY[9]), loaded(DAY[1]))
    rows = [order(id, 1, "1.00", "completed", at(DAY[1]), at(DAY[1]), loaded(DAY[1])) for id in range(10, 300)]
    project.write_load("orders", DAY[1], [late, *rows])
    result = project.command(*BUILD)
    assert result.exit_code == 0, result.output
    lines = result.stdout.splitlines()
    assert lines[:2] == [f"LAKE_URI is {project.lake}", f"DUCKDB_PATH is {project.database}"]
    told = [line.split()[1] for line in lines if re.fullmatch(r"  (model|seed|snapshot) +\w+ +\d+[.]\d s", line)]
    models = {file.stem for file in (ROOT / "models").rglob("*.sql")}
    assert sorted(told) == sorted({*models, "order_statuses", "users_snapshot"})
    warned = [line for line in lines if line.startswith("  warning")]
    assert warned == ["  warning  assert_no_row_is_rejected: 1"]
    assert len(lines) == 2 + len(told) + 1 + 1, result.stdout
    verbose = project.command(*BUILD, "--verbose").stdout
    assert "Finished running" in verbose
    assert verbose.splitlines()[-1].startswith("No date of user_metrics was written; ")


def test_a_build_without_a_setting_says_what_it_takes_and_env_is_read(
    project: Project, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / ".env").write_text(f"LAKE_URI={tmp_path}/from_env\nDUCKDB_PATH={tmp_path}/not_this.duckdb\n")
    monkeypatch.setenv("LAKE_URI", "to be taken back at the end")
    monkeypatch.delenv("LAKE_URI")
    monkeypatch.setenv("DUCKDB_PATH", f"{tmp_path}/of_the_environment.duckdb")
    with working_folder(tmp_path):
        assert CliRunner().invoke(app, ["sample", "--days", "1"]).exit_code == 0
    assert len(list((tmp_path / "from_env").rglob("*.parquet"))) == 2
    assert os.environ["DUCKDB_PATH"] == f"{tmp_path}/of_the_environment.duckdb"
    monkeypatch.delenv("LAKE_URI")
    monkeypatch.setattr(project, "environment", lambda: {"DUCKDB_PATH": str(project.database)})
    said = project.command("build", "--vars", "{rundate: 2024-01-05}").stdout
    assert "LAKE_URI is not set: data/lake, which the sample is in\n" in said


def test_all_loads_are_shown_with_what_came_of_them(project: Project) -> None:
    assert project.command("loads").output == "There is no analytics.loads yet: run make build.\n"
    write_days(project, 30)
    build(project)
    project.execute(f"update analytics.fct_orders_loads set delivered_rows = 1234567890 where load_date = '{DAY[5]}'")
    result = project.command("loads").stdout
    assert " 1,234,567,890 " in result
    assert "\u2026" not in result
    shown = [line.split() for line in result.splitlines() if " 2024-01-" in line]
    assert {(line[-1], len(line)) for line in shown} == {("read", 8)}
    assert [line[:3] for line in shown if line[1] != str(DAY[5])] == [
        [table, str(day), "1" if table == "orders" else "2" if day == DAY[0] else "0"]
        for day in DAY[:30] if day != DAY[5] for table in ("orders", "users")
    ]  # fmt: skip


def test_freshness_is_said_in_hours_and_limits(project: Project) -> None:
    now = datetime.now(UTC).replace(tzinfo=None)
    hours = {"users": 5, "orders": 40}

    def deliver() -> None:
        for table, ago in hours.items():
            loaded_at = now - timedelta(hours=ago)
            made_at = loaded_at - timedelta(hours=1)
            row = user(1, "a@x.org", made_at, made_at, loaded_at)
            if table == "orders":
                row = order(1, 1, "1.00", "completed", made_at, made_at, loaded_at)
            project.write_load(table, loaded_at.date(), [row])

    deliver()
    result = project.command("freshness")
    assert result.exit_code == 0, result.output
    limits = "from 36 hours on it is a warning, from 60 hours on an error"
    for table, status in (("users", "pass"), ("orders", "warn")):
        loaded_at = now - timedelta(hours=hours[table])
        said = f"{table}: the newest row was loaded {hours[table]} hours ago ({loaded_at:%Y-%m-%d %H:%M} UTC); {limits}"
        assert f"{said}: {status}.\n" in result.output
    for day in (now.date() - timedelta(days=ago) for ago in range(4)):
        shutil.rmtree(project.lake / "orders" / f"date={day}", ignore_errors=True)
    hours = {"orders": 100}
    deliver()
    result = project.command("freshness")
    assert result.exit_code == 1
    assert "orders: the newest row was loaded 4 days ago (" in result.output
    shutil.rmtree(project.lake / "orders")
    assert "orders: no row of a load of the last 30 days: error.\n" in project.command("freshness").output


@pytest.mark.parametrize(
    ("options", "said"),
    [
        (["--no-such-option"], "No such option"),
        (["--vars", "{rundate: 2024-01-05}"], "There is no setting rundate: did you mean run_date?"),
    ],
)
def test_where_nothing_was_run_the_code_is_2(project: Project, options: list[str], said: str) -> None:
    result = project.command("build", *options)
    assert result.exit_code == 2
    assert said in result.stderr
    assert "Traceback" not in result.output
