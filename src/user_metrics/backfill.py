"""Extracts, loads and builds a range of dates, and goes on where it was stopped."""

import json
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from dataclasses import dataclass
from datetime import date, timedelta
from functools import cached_property
from typing import Any

import structlog
import yaml
from dbt.contracts.graph.manifest import Manifest
from rich.progress import Progress

from user_metrics import dbt_command
from user_metrics.extract import extract
from user_metrics.lake import COLUMNS, Lake, LakeError
from user_metrics.source import Source

STATE = "_backfill.json"
"""Where the lake keeps how far the last backfill has come; readers of loads pass over it."""

LOADED_TARGET = "prod"
"""The target whose warehouse does not read the lake itself."""


def settings(text: str) -> dict[str, Any]:
    """Vars of dbt, as a command is given them; raises DbtCommandError where they are not YAML of names and values."""
    try:
        found = yaml.safe_load(text)
    except yaml.YAMLError:
        found = None
    if not isinstance(found, dict):
        raise dbt_command.DbtCommandError(f"--vars is '{text}': write it like '{{earliest_date: 2015-01-01}}'.")
    return found


@dataclass(frozen=True)
class Backfill:
    """Loads of both tables for each date from first to last, into a lake and from there into a target."""

    source: Source
    lake: Lake
    first: date
    last: date
    whole: frozenset[str]
    """Tables that are extracted as a whole."""
    target: str
    """Of profiles.yml; only a backfill into the same one goes on."""
    variables: dict[str, Any]
    """Vars for dbt."""
    at_once: int = 1
    """How many dates are extracted at the same time, and then built together."""

    def check(self) -> None:
        """Raises DbtCommandError where dbt would refuse the target or the vars, before anything is extracted."""
        dbt_command.run("run-operation", "validate_settings", *self._options(self.last), manifest=self._manifest)

    def run(self, progress: Progress) -> int:
        """Returns how many dates were taken in, without those of a run that was stopped before.

        Raises ExtractionError, LakeError, LoadError, DbtCommandError, or dbt's errors where Redshift cannot be reached;
        what was built before stays.
        """
        dates = list(self._dates())
        task = progress.add_task("", total=len(dates))
        with ThreadPoolExecutor(self.at_once) as pool:
            for start in range(0, len(dates), self.at_once):
                group = dates[start : start + self.at_once]
                progress.update(task, description=f"{group[0]}: extracting")
                list(pool.map(lambda day: self._extract(day, progress), group))
                progress.update(task, description=f"{group[0]}: building")
                self._load_and_build(group)
                self.lake.write(STATE, json.dumps({**self._asked, "done_to": str(group[-1])}))
                progress.update(task, advance=len(group))
        return len(dates)

    @property
    def _asked(self) -> dict[str, Any]:
        """What tells this backfill from another."""
        days = {"from": str(self.first), "to": str(self.last)}
        return {**days, "whole": sorted(self.whole), "target": self.target}

    def done_to(self) -> date | None:
        """The last date that this backfill has built; none where it has built none, or has come to its end."""
        try:
            state = json.loads(self.lake.read(STATE) or "{}")
            done_to = date.fromisoformat(state.pop("done_to", str(self.last)))
        except (ValueError, TypeError, AttributeError):
            raise LakeError(
                f"LAKE_URI is '{self.lake.uri}', whose {STATE} is damaged: delete it, and the backfill begins anew."
            ) from None
        return done_to if state == self._asked and done_to != self.last else None

    def _dates(self) -> Iterator[date]:
        """Those that are left to do: all, where the last backfill was another or has come to its end."""
        done_to = self.done_to()
        day = done_to + timedelta(days=1) if done_to else self.first
        while day <= self.last:
            yield day
            day += timedelta(days=1)

    def _extract(self, day: date, progress: Progress) -> None:
        for table in COLUMNS:
            extract(self.source, self.lake, table, day, table in self.whole, progress)

    def _load_and_build(self, days: list[date]) -> None:
        if self.target == LOADED_TARGET:
            # Only a warehouse needs its driver, which takes a moment to import.
            from user_metrics import load, s3_lake, warehouse

            lake = s3_lake.S3Lake(self.lake.uri)
            with closing(warehouse.connect()) as session:
                for day in days:
                    for table in COLUMNS:
                        load.load(session, warehouse.raw_schema(), lake, table, day)
        options = self._options(days[-1])
        said = dbt_command.run("build", *options, manifest=self._manifest, LAKE_URI=self.lake.uri)
        structlog.get_logger().info("built", date=str(days[-1]), summary=said[-1])

    def _options(self, run_date: date) -> list[str]:
        """Of dbt."""
        variables = yaml.safe_dump({**self.variables, "run_date": run_date})
        return ["--target", self.target, "--vars", variables, "--no-write-json"]

    @cached_property
    def _manifest(self) -> Manifest:
        """The project, which is parsed once for all builds."""
        return dbt_command.parse(self.target)
