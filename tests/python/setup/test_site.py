"""`make docs`: a folder that opens without a server: a landing page, dbt's documentation and true column lineage."""

from __future__ import annotations

import itertools
import json
import re
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from support.days import write_days
from support.project import Project

from user_metrics.site import put_in_place


def test_the_landing_page_says_how_far_the_tables_go_and_what_the_last_run_did(site: Path, sample: Project) -> None:
    page = (site / "index.html").read_text()
    assert "2024-03-15" in page
    assert "6,304 rows of 2024-02-05 to 2024-03-15 were written: built from nothing; 80 loads read." in page
    shown = dict(re.findall(r'user_metrics\.(\w+)">\w+</a></td>\s*<td class="number">([\d,]+)</td>', page))
    assert set(shown) == {
        "dim_users", "fct_orders", "loads", "rejected_orders", "rejected_users", "user_metrics", "user_metrics_report",
        "vanished_rows",
    }  # fmt: skip
    for table, rows in shown.items():
        assert sample.query(f"select format('{{:,}}', count(*)) from analytics.{table}") == [(rows,)]


def test_every_link_of_the_landing_page_leads_somewhere(site: Path) -> None:
    links = set(re.findall(r'<a href="([^"#?]+)', (site / "index.html").read_text()))
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


def test_a_folder_that_holds_something_else_is_left_as_it_is(project: Project, tmp_path: Path) -> None:
    precious = tmp_path / "home" / "precious.txt"
    precious.parent.mkdir()
    precious.write_text("mine")
    done = project.command("docs", "--folder", str(precious.parent))
    assert done.exit_code == 1
    assert f"--folder is '{precious.parent}', which holds other things than a site: name another" in done.output
    assert precious.read_text() == "mine"


@pytest.mark.parametrize("step", range(4))
def test_a_site_is_there_or_beside_wherever_its_replacement_is_stopped(
    step: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Stopped(BaseException):
        pass

    folder, new, old = tmp_path / "site", tmp_path / ".site.new", tmp_path / ".site.old"
    steps = itertools.count()

    def stopping(function: Callable[..., Any]) -> Callable[..., Any]:
        def run(*arguments: Any, **options: Any) -> Any:
            if next(steps) == step:
                raise Stopped
            return function(*arguments, **options)

        return run

    for site, content in ((folder, "before"), (new, "after")):
        site.mkdir()
        (site / "index.html").write_text(content)
    with monkeypatch.context() as patched:
        patched.setattr(shutil, "rmtree", stopping(shutil.rmtree))
        patched.setattr(Path, "rename", stopping(Path.rename))
        with pytest.raises(Stopped):
            put_in_place(new, folder)
    assert any((site / "index.html").exists() for site in (folder, old))
    new.mkdir(exist_ok=True)
    (new / "index.html").write_text("after")
    put_in_place(new, folder)
    assert (folder / "index.html").read_text() == "after"
    assert not old.exists()


def test_nothing_built_yet_is_a_sentence(project: Project, tmp_path: Path) -> None:
    write_days(project, 1)
    done = project.command("docs", "--folder", str(tmp_path / "site"))
    assert done.exit_code == 1
    assert done.output == "There is no analytics.user_metrics yet: run make build.\n"
    assert not (tmp_path / "site").exists()
