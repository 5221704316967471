"""Reads a lake without building anything and tells all that is wrong or suspicious in it at once.

The macro check_lake decides what is wrong, by the macros that a build asks; this module runs it and shows the answer.
"""

import csv
import json
import os
import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import duckdb
from rich import box
from rich.console import Console
from rich.table import Table
from rich.text import Text

from user_metrics.dbt_command import DbtCommandError, run
from user_metrics.duckdb_s3 import sign_in
from user_metrics.lake import COLUMNS, lake_at
from user_metrics.printable import printable

SEED = Path("seeds/order_statuses.csv")
STATUS_COLUMNS = ["status", "counts_as_order", "counts_as_spend"]
FLAGS = {"true", "false", "t", "f", "1", "0", "yes", "no"}

SEVERITIES = {"error": "red", "warning": "yellow", "note": "cyan"}


@dataclass(frozen=True)
class Report:
    """What lies in a lake, table by table, and the findings, the severest first."""

    lake: str
    tables: list[dict[str, Any]]
    findings: list[dict[str, Any]]

    def count(self, severity: str) -> int:
        """How many findings are of a severity: error, warning or note."""
        return sum(finding["severity"] == severity for finding in self.findings)

    @property
    def build_would_stop(self) -> bool:
        """Whether a first build of this lake would stop, or leave user_metrics unbuilt."""
        return self.count("error") > 0

    def as_json(self) -> str:
        """The report for programs."""
        result = {"lake": self.lake, "build_would_stop": self.build_would_stop}
        return json.dumps({**result, "tables": self.tables, "findings": self.findings}, indent=2)


def check(lake: str, variables: str = "{}") -> Report:
    """Checks a lake, from the folder of the dbt project, with dbt's vars as YAML.

    Raises LakeError when LAKE_URI is no address, DbtCommandError when it cannot be read, or a var is wrong.
    """
    lake_at(lake)
    check_seed()
    arguments = json.dumps({"damaged": damaged_files(lake)})
    command = ["run-operation", "check_lake", "--args", arguments, "--vars", variables]
    # A target folder of its own, as dbt parses the project anew when the environment is another than in the last run.
    options = ["--target", "dev", "--target-path", "target/check_lake", "--no-write-json"]
    printed = run(*command, *options, LAKE_URI=lake, DUCKDB_PATH=":memory:")
    report = json.loads(printed[-1])
    order = list(SEVERITIES)
    findings = sorted(report["findings"], key=lambda finding: (order.index(finding["severity"]), -finding["count"]))
    return Report(report["lake"], report["tables"], findings)


def check_seed() -> None:
    """Raises DbtCommandError where dbt would not take seeds/order_statuses.csv."""
    try:
        with SEED.open(newline="", encoding="utf-8-sig") as file:
            header, *rows = [*csv.reader(file)] or [[]]
    except (OSError, UnicodeDecodeError) as error:
        raise DbtCommandError(f"{SEED} cannot be read as UTF-8: {error}.") from None
    if not set(STATUS_COLUMNS) <= set(header):
        raise DbtCommandError(
            f"{SEED} begins with {','.join(header)}: its first line must be {','.join(STATUS_COLUMNS)}, with commas."
        )
    for number, row in enumerate(rows, start=2):
        status, *flags = (dict(zip(header, row, strict=False)).get(name, "") for name in STATUS_COLUMNS)
        if row and not (status and {flag.lower() for flag in flags} <= FLAGS):
            raise DbtCommandError(f"Line {number} of {SEED} is {','.join(row)}: write it like returned,false,true.")


def damaged_files(lake: str) -> dict[str, str]:
    """The files of loads that cannot be read, and what is so of each."""
    damaged = {}
    with duckdb.connect() as connection:
        if lake.startswith("s3://"):
            sign_in(connection)
        for table in COLUMNS:
            pattern = f"{as_pattern(lake.rstrip('/'))}/{table}/date=*/*.parquet"
            for (file,) in connection.execute("select file from glob(?) order by file", [pattern]).fetchall():
                try:
                    connection.execute("select 1 from parquet_schema(?)", [as_pattern(file)])
                except duckdb.Error as error:
                    what = "is no parquet file: extract that load again"
                    if "encrypted" in str(error):
                        what = "is encrypted: write it without encryption"
                    damaged[os.path.abspath(file) if "://" not in file else file] = what  # noqa: PTH100 — follows links
    return damaged


def as_pattern(path: str) -> str:
    """A path as a pattern that matches itself alone."""
    return re.sub(r"([][*?])", r"[\1]", path)


def show(report: Report, console: Console) -> None:
    """Prints a report as tables."""
    tables = Table(title=f"LAKE_URI is {printable(report.lake)}", title_justify="left", box=box.SIMPLE_HEAD)
    for heading in ("table", "loads", "first", "last", "files", "rows", "MB"):
        tables.add_column(heading, justify="right" if heading in ("loads", "files", "rows", "MB") else "left")
    for size in report.tables:
        tables.add_row(
            size["table"], f"{size['loads']:,}", size["first"] or "", size["last"] or "", f"{size['files']:,}",
            f"{size['rows']:,}", f"{size['bytes'] / 1e6:,.1f}",
        )  # fmt: skip
    console.print(tables)
    for finding in report.findings:
        # A line each, which the terminal may wrap: cells of a table would cut paths.
        severity, example = finding["severity"], (finding["example"] or "").removeprefix(f"{report.lake}/")
        what = printable(finding["what"] + (f" ({example})" if example else ""))
        counted = f"{finding['table'] or '':<7}{finding['count']:>7,}  "
        line = Text.assemble((f"  {severity:<8}", SEVERITIES[severity]), counted, what)
        console.print(line, highlight=False, soft_wrap=True)
    console.print()
    counts = ", ".join(_counted(report.count(severity), severity) for severity in SEVERITIES)
    verdict = "A build of this lake would stop" if report.build_would_stop else "A build takes this lake"
    console.print(f"{verdict}: {counts}.", highlight=False)


def _counted(count: int, noun: str) -> str:
    return f"{count} {noun}" if count == 1 else f"{count} {noun}s"
