"""What the documentation says is where people meet it: in the database too, and personal data is marked as such."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

from commands_page import PAGE, page
from support.days import build, write_days
from support.project import Project

HOLD = "import duckdb, sys, time; held = duckdb.connect(sys.argv[1]); print('held', flush=True); time.sleep(120)"


def test_every_address_is_marked_as_personal_data(project: Project) -> None:
    manifest = project.manifest()
    columns = [
        (node.name, name, column.config.meta.get("contains_pii", False))
        for node in (*manifest.nodes.values(), *manifest.sources.values())
        for name, column in node.columns.items()
    ]
    assert {node for node, _, is_marked in columns if is_marked} == {
        "users", "stg_users", "int_users_checked", "dim_users", "rejected_users", "user_metrics", "user_metrics_report",
        "users_snapshot",
    }  # fmt: skip
    assert {name for _, name, is_marked in columns if is_marked} == {"email"}
    assert all(is_marked for _, name, is_marked in columns if name == "email")


def test_descriptions_are_comments_in_the_database(project: Project) -> None:
    write_days(project, 1)
    project.run("build", "--exclude-resource-type", "test", "unit_test")
    tables = project.query(
        "select table_name, comment from duckdb_tables() where schema_name = 'analytics'"
        " union all select view_name, comment from duckdb_views() where schema_name = 'analytics' and not internal"
    )
    without = {name for name, comment in tables if not comment}
    assert without == {"dim_users_loads", "fct_orders_loads", "user_metrics_runs"}
    assert project.query(
        "select comment from duckdb_columns() where table_name = 'user_metrics' and column_name = 'total_spent'"
    ) == [("Spend so far, in the shop's currency; 0 when none, negative when more was returned than bought.",)]


def test_the_page_of_commands_is_what_they_say() -> None:
    assert PAGE.read_text() == page(), "make commands writes it anew"


def test_a_database_that_somebody_else_writes_is_told_by_every_command(project: Project, tmp_path: Path) -> None:
    write_days(project, 1)
    build(project)
    holder = subprocess.Popen(
        [sys.executable, "-c", HOLD, project.database], stdout=subprocess.PIPE, stdin=subprocess.DEVNULL, text=True
    )
    try:
        assert holder.stdout is not None
        assert holder.stdout.readline() == "held\n"
        for command in (
            ("why", "--user", "1"),
            ("report", "--page", str(tmp_path / "report.html")),
            ("docs", "--folder", str(tmp_path / "site")),
        ):
            done = project.command(*command)
            assert done.exit_code == 1, command
            assert f"DUCKDB_PATH is '{project.database}', which python" in done.output, command
            assert f" (process {holder.pid}) has open: close it there" in done.output, command
            assert "Traceback" not in done.output
    finally:
        holder.kill()
        holder.wait(timeout=20)
    assert not (tmp_path / "report.html").exists()
    assert not (tmp_path / "site").exists()
