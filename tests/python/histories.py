"""Random histories of a lake: what arrives, when it is run, and what goes wrong in between."""

from __future__ import annotations

import random
from dataclasses import dataclass, field
from datetime import date, datetime, time, timedelta
from pathlib import Path

from expectation import Metrics, expected_metrics, is_placeable, newest_load_date
from project import Project, Row, order, user

STATUSES = {
    "completed": (True, True), "placed": (True, True), "shipped": (True, True),
    "returned": (False, True), "cancelled": (False, False),
}  # fmt: skip
START = date(2024, 1, 1)
ONE_DAY = timedelta(days=1)
LOAD_WINDOW = timedelta(days=3)
MODELS = ("dim_users", "fct_orders", "user_metrics")


@dataclass
class History:
    """One random history, played load by load on a project and compared after every run."""

    seed: int
    project: Project
    loads: dict[str, dict[date, list[Row]]] = field(default_factory=lambda: {"users": {}, "orders": {}})
    last_built: date | None = None
    runs: int = 0

    def __post_init__(self) -> None:
        self.random = random.Random(self.seed)
        self.newest = START - ONE_DAY
        self.versions: dict[str, list[Row]] = {"users": [], "orders": []}
        self.log: list[str] = []

    def play(self) -> None:
        """Plays 8 to 15 loads, then compares with a full refresh."""
        for _ in range(self.random.randint(8, 15)):
            load_date = self.choose_load_date()
            self.deliver(load_date)
            # A load older than the window must be run under its own date; a newer one may wait for the next run.
            is_in_window = load_date > self.newest - LOAD_WINDOW
            if is_in_window and self.random.random() < 0.15:
                continue
            self.mishap(load_date)
            with_run_date = not is_in_window or self.random.random() < 0.8
            self.run(run_date=load_date if with_run_date else None)
        self.run(run_date=self.newest)
        self.run("--full-refresh")

    # What arrives

    def choose_load_date(self) -> date:
        """Mostly the next date; sometimes one after a gap, the same again, or an old one."""
        kind = self.random.random()
        if kind < 0.65 or self.newest < START:
            self.newest += ONE_DAY
            return self.newest
        if kind < 0.75:
            self.newest += self.random.randint(2, 5) * ONE_DAY
            return self.newest
        return self.newest - self.random.choice([0, 0, 1, 2, 3, 5, 8]) * ONE_DAY

    def deliver(self, load_date: date) -> None:
        """Writes the partitions of one load date, over what was there before."""
        loaded_at = datetime.combine(load_date + ONE_DAY, time(0, self.random.randint(0, 59)))
        loaded_at += timedelta(seconds=self.random.randint(0, 3599), days=self.random.choice([0, 0, 0, 1, 4]))
        for table, new_version in (("users", self.new_user), ("orders", self.new_order)):
            kind = self.random.choices(["changes", "whole", "empty", "none"], [12, 3, 1, 1])[0]
            before = self.loads[table].get(load_date, [])
            if kind == "none":
                continue
            rows: list[Row] = []
            if kind == "whole":
                newest = {row["id"]: row for row in sorted(self.versions[table], key=lambda row: row["updated_at"])}
                rows += newest.values()
            if kind != "empty":
                rows += [new_version(load_date) for _ in range(self.random.randint(0, 4))]
                rows += self.random.sample(
                    self.versions[table], min(len(self.versions[table]), self.random.randint(0, 2))
                )
                rows += [row for row in before if self.random.random() < 0.7]
            rows = [{**row, "_loaded_at": loaded_at} for row in rows]
            placeable = [row for row in rows if is_placeable(row, load_date, is_user=table == "users")]
            self.versions[table] += [row for row in placeable if row not in self.versions[table]]
            rows += self.random.choices(rows, k=self.random.choice([0, 0, 1])) if rows else []
            if self.random.random() < 0.15:
                rows.append(self.unplaceable(table, load_date, loaded_at))
            self.random.shuffle(rows)
            self.loads[table][load_date] = rows
            self.project.write_load(table, load_date, rows)
            self.log.append(f"{table} of {load_date}: {kind}, {len(rows)} rows")

    def moment(self, day: date) -> datetime:
        """Some time on a date; few different ones, so that versions collide."""
        return datetime.combine(day, time(self.random.choice([0, 9, 9, 23]), self.random.choice([0, 30])))

    def new_user(self, load_date: date) -> Row:
        """A new user, or a version of a known one, from the load's date or some days before."""
        id = self.random.randint(1, 6)
        known = [row for row in self.versions["users"] if row["id"] == id]
        if known:
            created_at = known[0]["created_at"]
            updated_at = self.moment(load_date - self.random.choice([0, 0, 0, 1, 3, 7]) * ONE_DAY)
        else:
            created_at = updated_at = self.moment(load_date - self.random.choice([-1, 0, 0, 0, 2, 6]) * ONE_DAY)
        email = self.random.choice(["a@x.org", "b@x.org", "c@x.org", None])
        return user(id, email, created_at, updated_at, updated_at)

    def new_order(self, load_date: date) -> Row:
        """A new order, or a known one with up to two of user, date, amount and status changed."""
        id = self.random.randint(1, 12)
        known = [row for row in self.versions["orders"] if row["id"] == id]
        changes = self.random.sample(["user_id", "created_at", "amount", "status"], self.random.randint(0, 2))
        created_at = self.moment(load_date - self.random.choice([-4, -1, 0, 0, 0, 1, 2, 9]) * ONE_DAY)
        user_id = self.random.choice([None, 1, 2, 3, 4, 5, 6, 7])
        amount = self.random.choice(["10.00", "20.00", "12.34", "0.01"])
        status = self.random.choices([*STATUSES, "lost", None], [6, 2, 2, 2, 2, 1, 1])[0]
        row = order(id, user_id, amount, status, created_at, created_at, created_at)
        if row["status"] == "returned":
            row["amount"] = -row["amount"]
        if known:
            kept = self.random.choice(known)
            row.update(
                {name: kept[name] for name in ("user_id", "created_at", "amount", "status") if name not in changes}
            )
            row["updated_at"] = self.moment(load_date - self.random.choice([0, 0, 0, 1, 3]) * ONE_DAY)
        return row

    def unplaceable(self, table: str, load_date: date, loaded_at: datetime) -> Row:
        """A row that must be rejected."""
        row = {**(self.new_user if table == "users" else self.new_order)(load_date), "_loaded_at": loaded_at}
        too_late = datetime.combine(load_date + 2 * ONE_DAY, time())
        faults: list[tuple[str, datetime | None]] = [
            ("id", None),
            ("created_at", None),
            ("updated_at", None),
            ("created_at", datetime(1970, 1, 1)),
            ("amount", None) if table == "orders" else ("created_at", too_late),
        ]
        column, value = self.random.choice(faults)
        return {**row, column: value}

    # What is run

    def mishap(self, load_date: date) -> None:
        """What may come before a run: one that failed half-way, a model rebuilt alone, a table lost."""
        kind = self.random.random()
        if kind < 0.10:
            self.log.append("a run fails")
            done = self.random.choice([("dim_users",), ("fct_orders",), ("dim_users", "fct_orders")])
            self.dbt_run(*done, run_date=load_date)
        elif kind < 0.17:
            model = self.random.choice(MODELS)
            self.log.append(f"full refresh of {model}")
            if model != "user_metrics" or self.runs:
                self.dbt_run(model, full_refresh=True)
        elif kind < 0.20 and self.runs:
            model = self.random.choice(MODELS)
            self.log.append(f"{model} is dropped")
            self.project.execute(f"drop table analytics.{model}")
            if model == "user_metrics":
                self.last_built = None

    def run(self, *arguments: str, run_date: date | None = None) -> None:
        """Builds all models and compares user_metrics with the expectation."""
        variables = {}
        if self.random.random() < 0.05:
            variables["restate_from"] = str(self.newest - self.random.randint(0, 9) * ONE_DAY)
        self.log.append(f"run {arguments} {run_date} {variables}")
        self.dbt_run(*MODELS, full_refresh=bool(arguments), run_date=run_date, **variables)
        expected = self.expectation()
        actual = self.project.metrics()
        assert actual == expected, self.difference(actual, expected)

    def dbt_run(self, *models: str, full_refresh: bool = False, run_date: date | None = None, **variables: str) -> None:
        if not self.runs:
            self.project.run(
                "build", "--select", "order_statuses", "staging", "intermediate", "--exclude-resource-type", "test"
            )
            if "user_metrics" in models:
                models = MODELS
        self.runs += 1
        if run_date:
            variables["run_date"] = str(run_date)
        self.project.run("run", "--select", *models, *["--full-refresh"][:full_refresh], **variables)
        if "user_metrics" in models:
            ends = [self.last_built, run_date, newest_load_date(*self.loads.values())]
            self.calendar_end = max(filter(None, ends), default=None)
            self.last_built = self.calendar_end if self.project.metrics() else None

    def expectation(self) -> list[Metrics]:
        return expected_metrics(self.loads["users"], self.loads["orders"], STATUSES, self.calendar_end)

    def difference(self, actual: list[Metrics], expected: list[Metrics]) -> str:
        """The history and the first rows that differ."""
        missing = [row for row in expected if row not in actual][:5]
        wrong = [row for row in actual if row not in expected][:5]
        lines = [f"history {self.seed} differs", *self.log, "expected:", *map(str, missing), "found:", *map(str, wrong)]
        return "\n".join(lines)


def play_history(seed: int, folder: Path, root: Path | None = None) -> History:
    """Plays the history of a seed in an empty folder; raises AssertionError where a run differs."""
    project = Project(folder, root=root) if root else Project(folder)
    history = History(seed, project)
    history.play()
    return history
