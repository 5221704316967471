"""docs/your_data.md is run as it stands: its files and SQL make a lake, and the build gives the numbers on the page."""

from __future__ import annotations

import csv
import re
import shutil
import subprocess
import sys
from decimal import Decimal
from pathlib import Path

import duckdb
from support.days import build
from support.project import BUILD, ROOT, Project, working_folder

PAGE = (ROOT / "docs" / "your_data.md").read_text()
EXAMPLES = {section.split("\n")[0]: section for section in re.split(r"^## (?=\d\. )", PAGE, flags=re.MULTILINE)[1:]}


def files_of(example: str) -> dict[str, str]:
    """The named blocks of an example."""
    return dict(re.findall(r"^```\w+ (\S+)\n(.*?)^```$", EXAMPLES[example], flags=re.MULTILINE | re.DOTALL))


def test_there_are_three_examples_of_less_than_forty_lines() -> None:
    assert len(EXAMPLES) == 3
    for example in EXAMPLES:
        sql = files_of(example)["my_lake.sql"]
        assert len([line for line in sql.splitlines() if line.strip()]) < 40, example


def test_examples_give_the_numbers_on_the_page(project_copy: Path, tmp_path: Path) -> None:
    """At once, and load by load; all with the statuses of all, so that dbt parses one copy of the project."""
    seed = (ROOT / "seeds" / "order_statuses.csv").read_text()
    with (project_copy / "seeds" / "order_statuses.csv").open("a") as statuses:
        lines = [line for example in EXAMPLES for line in files_of(example)["order_statuses.csv"].splitlines(True)]
        statuses.writelines(dict.fromkeys(lines))
    for number, example in enumerate(EXAMPLES):
        folder = tmp_path / str(number)
        files = files_of(example)
        for name, content in files.items():
            (folder / name).parent.mkdir(parents=True, exist_ok=True)
            (folder / name).write_text(content)
        for command in re.findall(r"^    (mkdir .*|\.venv/bin/python .*)$", PAGE, flags=re.MULTILINE):
            here = command.replace(".venv/bin/python", sys.executable)
            subprocess.run(["bash", "-c", here], cwd=folder, timeout=60, check=True)
        project = Project(folder, root=project_copy)
        checked = project.command("check-lake", "--lake", str(folder / "lake"))
        assert checked.exit_code == 0, checked.output

        project.run(*BUILD)
        expected = [
            (row["date"], row["user"], int(row["order_count"]), Decimal(row["total_spent"]), int(row["spending_rank"]))
            for row in csv.DictReader(files["expected.csv"].splitlines())
        ]
        described = csv.DictReader((seed + files["order_statuses.csv"]).splitlines())
        unknown = project.query("select distinct status from analytics.fct_orders where status is not null")
        assert {status for (status,) in unknown} <= {row["status"] for row in described}, example
        ids = folder / "user_ids.csv"
        assert figures(project, ids) == expected, example

        step_by_step = Project(folder / "step_by_step", root=project_copy)
        for load in sorted({folder.name for folder in project.lake.glob("*/date=*")}):
            for partition in project.lake.glob(f"*/{load}"):
                shutil.copytree(partition, step_by_step.lake / partition.parent.name / load)
            build(step_by_step)
        step_by_step.run(*BUILD)
        assert figures(step_by_step, ids) == expected, example


def test_whole_tables_can_be_taken_in_day_by_day(tmp_path: Path) -> None:
    (example,) = [name for name in EXAMPLES if name.startswith("2.")]
    files = files_of(example)
    for name in [name for name in files if name.startswith("exports/")]:
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text(files[name])
    sql = files["my_lake.sql"]
    days = ["2024-03-01", "2024-03-02"]
    with working_folder(tmp_path), duckdb.connect() as connection:
        (tmp_path / "lake").mkdir()
        connection.execute(sql)
        lake = "select * from 'lake/{0}/*/*.parquet' order by all"
        at_once = {table: connection.execute(lake.format(table)).fetchall() for table in ("users", "orders")}
        shutil.rmtree("lake")
        (tmp_path / "lake").mkdir()
        for number, day in enumerate(days):
            of_the_day = sql
            for table in ("users", "orders"):
                read = [f"exports/{before}/{table}.csv" for before in days[max(0, number - 1) : number + 1]]
                of_the_day = of_the_day.replace(f"'exports/*/{table}.csv'", str(read))
            of_the_day = re.sub(r"\n\) to 'lake/", f"\n    where date = '{day}'\n) to 'lake/", of_the_day)
            of_the_day = of_the_day.replace("create temp table", "create or replace temp table")
            connection.execute(of_the_day)
        for table, rows in at_once.items():
            assert connection.execute(lake.format(table)).fetchall() == rows
            assert rows


def figures(project: Project, ids: Path) -> list[tuple[object, ...]]:
    """user_metrics as the page shows it: users by their address, or by their own id where they have none."""
    names = "email"
    if ids.exists():
        names = f"(select customer_unique_id from '{ids}' as ids where ids.user_id = metrics.user_id)"
    return project.query(
        f"select date::text, {names} as name, order_count, total_spent, spending_rank"
        " from analytics.user_metrics as metrics order by date, name"
    )
