"""`make docs`: a folder that opens without a server: a landing page, dbt's documentation and true column lineage."""

from __future__ import annotations

import json
import re
from pathlib import Path

import duckdb
import pytest
from support.days import build, write_days
from support.project import Project


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The site of five days that were built."""
    folder = tmp_path_factory.mktemp("site")
    project = Project(folder / "project")
    write_days(project, 5)
    build(project)
    done = project.command("docs", "--folder", str(folder / "site"))
    assert done.output == f"Open {folder / 'site' / 'index.html'}\n"
    return folder / "site"


def test_the_landing_page_says_how_far_the_tables_go_and_what_the_last_run_did(site: Path) -> None:
    page = (site / "index.html").read_text()
    assert "2024-01-05" in page
    assert "2024-01-01 to 2024-01-05 were written: built from nothing; 10 loads read." in page
    with duckdb.connect(str(site.parent / "project" / "user_metrics.duckdb"), read_only=True) as connection:
        (rows,) = connection.execute("select count(*) from analytics.user_metrics").fetchall()[0]
    assert rows == 10
    shown = dict(re.findall(r'user_metrics\.(\w+)">\w+</a></td>\s*<td class="number">([\d,]+)</td>', page))
    assert shown == {
        "dim_users": "2", "fct_orders": "5", "loads": "10", "rejected_orders": "0", "rejected_users": "0",
        "user_metrics": "10", "user_metrics_report": "10", "vanished_rows": "0",
    }  # fmt: skip


def test_every_link_of_the_landing_page_leads_somewhere(site: Path) -> None:
    links = set(re.findall(r'<a href="([^"#]+)', (site / "index.html").read_text()))
    assert links == {"report.html", "dbt/index.html", "columns/index.html"}
    assert all((site / link).is_file() for link in links)


def test_the_lineage_of_columns_is_true_and_whole(site: Path) -> None:
    assert not (site / "columns" / "colibri-parsing-errors.json").exists()
    edges = json.loads((site / "columns" / "colibri-manifest.json").read_text())["lineage"]["edges"]
    found = {
        (edge["source"].split(".", 2)[-1], edge["sourceColumn"], edge["target"].split(".")[-1], edge["targetColumn"])
        for edge in edges
    }
    assert found >= {
        ("user_metrics", "total_spent", "user_metrics_report", "total_spent"),
        ("fct_orders", "amount", "user_metrics", "total_spent"),
        ("int_orders_checked", "amount", "fct_orders", "amount"),
        ("stg_orders", "amount", "int_orders_checked", "amount"),
        ("raw.orders", "amount", "stg_orders", "amount"),
        ("fct_orders", "amount", "user_metrics", "spending_rank"),
        ("dim_users", "email", "user_metrics", "email"),
        ("int_users_checked", "email", "dim_users", "email"),
        ("stg_users", "email", "int_users_checked", "email"),
        ("raw.users", "email", "stg_users", "email"),
    }
    assert not [edge for edge in edges if edge["source"].startswith("_")], "a table was not known again"


def test_nothing_built_yet_is_a_sentence(project: Project, tmp_path: Path) -> None:
    write_days(project, 1)
    done = project.command("docs", "--folder", str(tmp_path / "site"))
    assert done.exit_code == 1
    assert done.output == "There is no analytics.user_metrics yet: run make build.\n"
    assert not (tmp_path / "site").exists()
