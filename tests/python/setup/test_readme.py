"""What README.md shows is what comes: the worked picture, the rows of the real year, and the messages in its table."""

from __future__ import annotations

import re
import shutil
from collections.abc import Iterator
from datetime import date, datetime, timedelta
from pathlib import Path

import duckdb
import pytest
from support.days import DAY, build, write_days
from support.project import ROOT, Project, failure, order, user

README = (ROOT / "README.md").read_text()
SUNDAY = datetime(2024, 3, 3, 9)
DAYS = ["Sun 3", "Mon 4", "Tue 5", "Wed 6", "Thu 7"]


def test_the_picture_is_what_happens(project: Project, capsys: pytest.CaptureFixture[str]) -> None:
    picture = README.split("```text\n")[1].split("```")[0].splitlines()
    brings = {
        day: re.findall(r"order (\d): (\d+\.\d\d)(, placed on Monday)?", picture[1][picture[0].index(day) :])[:1]
        for day in DAYS[1:]
        if picture[1][picture[0].index(day) :].startswith("order")
    }
    late = ", placed on Monday"
    assert brings == {"Mon 4": [("1", "10.00", "")], "Wed 6": [("2", "5.00", "")], "Thu 7": [("3", "20.00", late)]}
    found = {}
    for number, name in enumerate(DAYS):
        day = SUNDAY + timedelta(days=number)
        loaded = day + timedelta(hours=16)
        project.write_load("users", day.date(), [user(1, None, day, day, loaded)] if name == "Sun 3" else [])
        rows = [
            order(int(id), 1, amount, "completed", SUNDAY + timedelta(days=1) if is_late else day, day, loaded)
            for id, amount, is_late in brings.get(name, [])
        ]
        project.write_load("orders", day.date(), rows)
        project.run("build", "--exclude-resource-type", "test", "unit_test")
        found[name] = [str(row[4]) for row in project.metrics()]
    assert picture[4].split()[2:] == found["Wed 6"]
    assert picture[5].split()[2:] == found["Thu 7"]
    assert picture[-1] == capsys.readouterr().out.splitlines()[-1]


@pytest.mark.online_retail
def test_the_rows_of_the_real_year_are_real(online_retail: Path, tmp_path: Path) -> None:
    project = Project(tmp_path, lake=online_retail)
    project.run("build", "--exclude-resource-type", "test", "unit_test")
    rows = project.query(
        "select date, user_id, order_count, total_spent, format('{:.2f}', avg_order_value), last_order_at,"
        " daily_order_count, daily_total_spent, spending_rank from analytics.user_metrics_report"
        " where date = '2011-12-09' order by spending_rank limit 5"
    )
    shown = ["| " + " | ".join(re.sub(r":00$", "", str(value)) for value in row) + " |" for row in rows]
    assert "\n".join(shown) in README


TRIED_ELSEWHERE = {
    "The database … has no table raw.…": "redshift/test_build.py",
    "LAKE_URI is 's3://…', which S3 refuses: …": "inputs/test_lake_on_s3.py",
    "Another run has written …, or what it is built from, while this one was at work": "redshift/test_faults.py",
}


def test_the_messages_in_the_table_are_those_that_come(project: Project, monkeypatch: pytest.MonkeyPatch) -> None:
    said = "\n".join(messages_of(project, monkeypatch))
    table = README.split("| message | what to do |")[1].split("\n\n")[0]
    messages = [message for row in table.splitlines()[2:] for message in re.findall(r"`([^`]+)`", row.split("|")[1])]
    assert len(messages) > 20
    for message in messages:
        if message.startswith("assert_"):
            assert (ROOT / "tests" / f"{message}.sql").exists(), message
        elif message not in TRIED_ELSEWHERE:
            pattern = ".*".join(re.escape(part) for part in message.split("…"))
            assert re.search(pattern, said), f"{message}\n\n{said}"


def messages_of(project: Project, monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    """What is said of one thing after the other that goes wrong."""
    build(project)
    yield from project.warnings
    write_days(project, 5)
    build(project)

    def refusal(*arguments: str, **variables: object) -> str:
        result = project.invoke(*(arguments or ("run",)), **variables)
        assert not result.success
        return failure(result)

    yield refusal(run_date="tomorrow")
    yield refusal(rundate="2024-01-05")
    lake, project.lake = project.lake, project.folder / "nowhere"
    yield refusal()
    project.lake = lake
    project.remove_load("orders", DAY[2])
    yield refusal()
    project.bring_back_load("orders", DAY[2], [])
    project.write_load("orders", date(2042, 1, 6), [])
    yield refusal()
    stray = project.lake / "orders" / "date=2042-01-06"
    stray.rename(stray.with_name("2042"))
    yield refusal()
    shutil.rmtree(stray.with_name("2042"))
    with duckdb.connect() as connection:
        file = project.lake / "orders" / f"date={DAY[4]}" / "part_0.parquet"
        for columns in ("1 as id", "'a' as id, 1::bigint as user_id"):
            connection.execute(f"copy (select {columns}) to '{file}' (format parquet)")
            yield refusal()
    write_days(project, 5)
    project.execute("drop table analytics.dim_users_loads; alter table analytics.dim_users drop column _stamp")
    yield refusal()
    project.database = project.folder / "user_metrics.db" / "user_metrics.duckdb"
    yield refusal("run", "--select", "user_metrics")
    project.database = project.folder
    yield refusal()
    monkeypatch.delenv("REDSHIFT_HOST", raising=False)
    project.target = "prod"
    yield refusal()
