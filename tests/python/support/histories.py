"""Histories of a lake as data: lists of steps, made up by Hypothesis, which are played on a project.

What arrives, when it is run, and what goes wrong in between. A history that fails is cut down to the few steps that it
takes, and printed.
"""

from __future__ import annotations

import itertools
import json
from collections.abc import Iterator
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass, field, replace
from datetime import date, datetime, time, timedelta
from pathlib import Path
from typing import Any, Literal

from hypothesis import HealthCheck, Phase, given, seed, settings
from hypothesis import strategies as st
from support.expectation import Metrics, expected_metrics, is_placeable
from support.project import Project, failure, order, user

from user_metrics.lake import Row
from user_metrics.why import agrees

STATUSES = {
    "completed": (True, True), "placed": (True, True), "shipped": (True, True),
    "returned": (False, True), "cancelled": (False, False),
}  # fmt: skip
START = date(2024, 1, 1)
ONE_DAY = timedelta(days=1)
MODELS = ("dim_users", "fct_orders", "user_metrics")

BATCH, REDSHIFT_BATCH = 5, 3
"""How many histories a seed makes up, and a test plays."""

FROZEN = (1, 2)
"""Seeds that are played each time, beside fresh ones."""

SECOND_STEP = r'insert into \S+__waiting_\w+"? \("date"'
"""The statement with which a build in steps goes on after the first."""

STOPPED = "stopped by the test"

Table = Literal["users", "orders"]
TABLES: dict[Table, str] = {"users": "dim_users", "orders": "fct_orders"}
EMAILS = ["a@x.org", "b@x.org", None]
AMOUNTS = ["10.00", "20.00", "-4.00", "0.01", None, "1000000000000.00"]
ORDER_STATUSES = ["completed", "cancelled", "returned", "shipped", "lost", None]


NARROWER: tuple[dict[str, str], ...] = (
    {},
    {"id": "integer", "user_id": "smallint", "amount": "decimal(16, 2)"},
    {"created_at": "timestamp_s", "updated_at": "timestamptz", "_loaded_at": "timestamp_ns"},
)
"""Types of columns that hold the same values."""


@dataclass(frozen=True)
class U:
    """A version of a user, written some days before its load; the address is one of EMAILS.

    later: days that it says the user signed up later than other versions say.
    """

    id: int
    email: int
    updated: int
    hour: int = 0
    later: int = 0


@dataclass(frozen=True)
class O:  # noqa: E742 — it stands in every printed history
    """A version of an order, placed and written some days before its load.

    id 0 is none, user 0 a guest; amount and status are of AMOUNTS and ORDER_STATUSES.
    """

    id: int
    user: int
    created: int
    amount: int = 0
    status: int = 0
    updated: int = 0
    hour: int = 0


@dataclass(frozen=True)
class Deliver:
    """The load of a day is written, over what was there: new rows, some that it had, those of another load again.

    Days are counted from START; the extraction began on the day after, or `late` days later. The columns
    have one of NARROWER, which must make no difference.
    """

    table: Table
    day: int
    rows: tuple[U | O, ...] = ()
    keep: Literal["all", "some", "none"] = "none"
    again: int | None = None
    late: int = 0
    types: int = 0


@dataclass(frozen=True)
class Rewrite:
    """The files of a load are written anew with the rows that they had."""

    table: Table
    day: int


@dataclass(frozen=True)
class Lose:
    """Loads are moved away: one, the oldest, or the table's whole folder."""

    table: Table
    which: int | Literal["oldest", "all"]


@dataclass(frozen=True)
class BringBack:
    """Whatever was moved away comes back."""


@dataclass(frozen=True)
class Run:
    """dbt runs: all models, or some only, as when a run fails after them. Meanwhile a loader may be at work.

    accept: loads that are away are meant to be gone; max_days: var max_days_per_build; is_stopped: where user_metrics
    is worked out in steps, the second is not reached.
    """

    models: tuple[str, ...] = MODELS
    full_refresh: bool = False
    empty: bool = False
    accept: bool = False
    run_date: int | None = None
    restate_from: int | None = None
    meanwhile: Deliver | None = None
    max_days: int = 30
    is_stopped: bool = False


@dataclass(frozen=True)
class Copy:
    """A table is copied away, as a backup is."""

    model: str


@dataclass(frozen=True)
class Restore:
    """A table is as it was when it was copied."""

    model: str


@dataclass(frozen=True)
class Drop:
    """A table is dropped by hand."""

    model: str


@dataclass(frozen=True)
class Status:
    """A status is given another meaning."""

    status: str
    as_order: bool
    as_spend: bool


@dataclass(frozen=True)
class Stray:
    """A file lies in the lake where no load has it, and a run is refused for it."""

    table: Table


Step = Deliver | Rewrite | Lose | BringBack | Run | Copy | Restore | Drop | Status | Stray


def steps(of_lake_files: bool = True) -> st.SearchStrategy[list[Step]]:
    """Histories; of_lake_files: with what only files can do."""
    day, table = st.integers(0, 5), st.sampled_from(["orders", "orders", "users"])
    ago, hour = st.sampled_from([0, 0, 0, 1, 1, 2, 4, -1, -2]), st.integers(0, 1)
    some_day = st.none() | day
    amount = st.sampled_from([0, 1, 2, 3, 4, 5, 0, 1, 2])
    users = st.builds(U, st.integers(1, 3), st.integers(0, 2), ago, hour, st.sampled_from([0, 0, 0, 0, 1]))
    orders = st.builds(
        O, st.sampled_from([1, 2, 3, 1, 2, 3, 4, 0]), st.integers(0, 4), ago, amount,
        st.sampled_from([0, 0, 0, 0, 0, 1, 2, 3, 4, 5]), ago, hour,
    )  # fmt: skip
    keep, late = st.sampled_from(["none", "some", "all"]), st.sampled_from([0, 0, 1, 2])
    types = st.integers(0, len(NARROWER) - 1) if of_lake_files else st.just(0)
    few_users, few_orders = (st.lists(rows, max_size=3).map(tuple) for rows in (users, orders))
    deliver = st.builds(Deliver, st.just("orders"), day, few_orders, keep, some_day, late, types) | st.builds(
        Deliver, st.just("users"), day, few_users, keep, some_day, late, types
    )
    model = st.sampled_from(MODELS)
    max_days = st.sampled_from([30, 1, 2])
    run = (
        st.builds(Run, run_date=some_day, max_days=max_days)
        | st.builds(Run, restate_from=some_day, max_days=max_days)
        | st.builds(Run, max_days=max_days)
        | st.builds(Run, meanwhile=deliver, max_days=max_days)
    )
    mishap: st.SearchStrategy[Step] = (
        st.builds(Run, models=st.sampled_from([("dim_users",), ("fct_orders",), ("dim_users", "fct_orders")]))
        | st.builds(Run, full_refresh=st.booleans(), max_days=st.integers(1, 2), is_stopped=st.just(True))
        | st.builds(Run, models=st.tuples(model), full_refresh=st.just(True))
        | st.just(Run(empty=True))
        | st.builds(Run, accept=st.just(True), full_refresh=st.booleans())
        | st.builds(Copy, model)
        | st.builds(Restore, model)
        | st.builds(Drop, model)
        | st.builds(Status, st.sampled_from(["completed", "cancelled"]), st.booleans(), st.booleans())
        | st.builds(Rewrite, table, day)
        | st.builds(Lose, table, st.sampled_from(["oldest", "all"]) | day)
        | st.just(BringBack())
    )
    if of_lake_files:
        mishap |= st.builds(Stray, table)
    return st.lists(deliver | deliver | deliver | run | run | mishap | mishap, min_size=6, max_size=16)


def on(day: int) -> date:
    """The date of a day."""
    return START + day * ONE_DAY


def at(day: int, hour: int = 0) -> datetime:
    """A moment of a day; few different ones, so that versions collide."""
    return datetime.combine(on(day), time((0, 9)[hour]))


def stop() -> None:
    """Stops a run, as when its process is killed: what it has committed stays."""
    raise RuntimeError(STOPPED)


@dataclass
class History:
    """A history being played, compared with the expectation after every run."""

    project: Project
    lake: dict[str, dict[date, list[Row]]] = field(default_factory=lambda: {"users": {}, "orders": {}})
    away: dict[str, dict[date, list[Row]]] = field(default_factory=lambda: {"users": {}, "orders": {}})
    read: dict[str, set[date]] = field(default_factory=lambda: {"users": set(), "orders": set()})
    archived: dict[str, set[date]] = field(default_factory=lambda: {"users": set(), "orders": set()})
    restored: set[str] = field(default_factory=set)
    statuses: dict[str, tuple[bool, bool]] = field(default_factory=lambda: dict(STATUSES))
    copies: set[str] = field(default_factory=set)
    last_built: date | None = None
    # Loads were delivered anew since others were archived: their older versions may be out of reach.
    is_out_of_reach: bool = False

    def play(self, steps: list[Step], is_refreshed: bool = True) -> None:
        """Plays the steps, brings back what is away, and compares once more; if wanted, after a full refresh too."""
        self.project.start_afresh()
        for step in steps:
            getattr(self, type(step).__name__.lower())(step)
        self.bringback(BringBack())
        self.run(Run())
        if is_refreshed:
            self.run(Run(full_refresh=True))
            self.explain()

    def explain(self) -> None:
        """Has some row explained, which must be what its orders add up to."""
        rows = self.project.metrics()
        if rows:
            day, user_id, *_ = rows[len(rows) // 2]
            self.project.run("run-operation", "why", "--args", json.dumps({"user": user_id, "date": str(day)}))
            found = json.loads(self.project.printed[-1])
            assert agrees(found), f"why differs: {found}"

    # What arrives

    def deliver(self, step: Deliver) -> None:
        """Writes a load."""
        lake = self.lake[step.table]
        loaded_at = at(step.day + 1 + step.late)
        before = lake.get(on(step.day), []) if step.keep != "none" else []
        rows = [row(version, step.day, loaded_at) for version in step.rows]
        rows += before[:: 1 if step.keep == "all" else 2]
        if step.again is not None and step.again != step.day:
            rows += lake.get(on(step.again), [])
        self.write(step.table, on(step.day), [{**row, "_loaded_at": loaded_at} for row in rows])
        if step.types:
            self.project.narrow_load(step.table, on(step.day), NARROWER[step.types])

    def rewrite(self, step: Rewrite) -> None:
        """Writes a load as it was."""
        if on(step.day) in self.lake[step.table]:
            self.write(step.table, on(step.day), self.lake[step.table][on(step.day)])

    def write(self, table: str, load_date: date, rows: list[Row]) -> None:
        """Writes the rows of a load, which is there then."""
        self.is_out_of_reach |= bool(self.away[table]) and load_date in self.lake[table]
        self.away[table].pop(load_date, None)
        self.lake[table][load_date] = rows
        self.project.write_load(table, load_date, rows)

    def lose(self, step: Lose) -> None:
        """Moves loads away."""
        there = sorted(self.lake[step.table])
        gone = there[:1] if step.which == "oldest" else there if step.which == "all" else [on(step.which)]
        for load_date in set(gone) & set(there):
            self.away[step.table][load_date] = self.lake[step.table].pop(load_date)
            self.project.remove_load(step.table, load_date)

    def bringback(self, step: BringBack) -> None:
        """Brings all loads back."""
        for table, loads in self.away.items():
            for load_date, rows in loads.items():
                self.lake[table][load_date] = rows
                self.project.bring_back_load(table, load_date, rows)
            loads.clear()
        self.is_out_of_reach = False

    def stray(self, step: Stray) -> None:
        """Puts a file where no load has it, and takes it away again."""
        stray = self.project.lake / step.table / "2024-01-01" / "part_0.parquet"
        stray.parent.mkdir(parents=True)
        stray.touch()
        assert str(stray) in self.refusal()
        stray.unlink()
        stray.parent.rmdir()

    # What befalls the warehouse

    def copy(self, step: Copy) -> None:
        """Copies a table away."""
        if step.model in self.project.tables():
            self.project.execute(f"drop table if exists raw.copy_of_{step.model}")
            self.project.execute(f"create table raw.copy_of_{step.model} as select * from analytics.{step.model}")
            self.copies.add(step.model)

    def restore(self, step: Restore) -> None:
        """Puts the copy back."""
        if step.model in self.copies and step.model in self.project.tables():
            self.project.execute(f"delete from analytics.{step.model}")
            self.project.execute(f"insert into analytics.{step.model} select * from raw.copy_of_{step.model}")
            self.restored.add(step.model)
            if step.model == "user_metrics":
                self.last_built = self.project.query("select max(date) from analytics.user_metrics")[0][0]

    def drop(self, step: Drop) -> None:
        """Drops a table."""
        self.project.execute(f"drop table if exists analytics.{step.model}")
        if step.model == "user_metrics":
            self.last_built = None

    def status(self, step: Status) -> None:
        """Changes the seed's table."""
        self.statuses[step.status] = step.as_order, step.as_spend
        self.project.execute(
            f"update analytics.order_statuses set counts_as_order = {step.as_order}, counts_as_spend = {step.as_spend} "
            f"where status = '{step.status}'"
        )

    # Runs

    def run(self, step: Run) -> None:
        """Runs dbt, which must be refused when loads are missing, and compares."""
        there = self.project.tables()
        if "user_metrics" in step.models and not there.issuperset(TABLES.values()):
            step = Run(run_date=step.run_date)
        if step.empty and "user_metrics" not in there:
            return
        is_refused, may_be_refused = self.refuses(step, there)
        arguments = [*["--full-refresh"][: step.full_refresh], *["--empty"][: step.empty]]
        days = {"run_date": step.run_date, "restate_from": step.restate_from}
        variables: dict[str, Any] = {name: str(on(day)) for name, day in days.items() if day is not None}
        variables["max_days_per_build"] = step.max_days
        if step.accept:
            variables["accept_missing_loads"] = True
        rebuilt = {table for table, reader in TABLES.items() if step.full_refresh or reader not in there}
        if is_refused:
            assert "no longer has" in self.refusal(step.models, *arguments, **variables)
            return
        listed = {table: set(loads) for table, loads in self.lake.items()}
        before = self.project.metrics() if step.empty else None
        meanwhile = step.meanwhile
        moment: AbstractContextManager[None] = nullcontext()
        if meanwhile:
            moment = self.project.before_the_statement_of(TABLES[meanwhile.table], lambda: self.deliver(meanwhile))
        elif step.is_stopped:
            moment = self.project.before(SECOND_STEP, stop)
        with moment:
            also = ["rejected_orders"] if step.models == MODELS else []
            result = self.project.invoke("run", "--select", *step.models, *also, *arguments, **variables)
        if not result.success and may_be_refused and "no longer has" in failure(result):
            return
        if step.is_stopped and not result.success and STOPPED in failure(result):
            step = replace(step, models=("dim_users", "fct_orders"))
        else:
            assert result.success, failure(result)
        if step.empty:
            assert self.project.metrics() == before
            return
        for table, reader in TABLES.items():
            if reader in step.models:
                self.read[table] |= listed[table]
                if step.accept:
                    self.forget(table, set() if table in rebuilt else self.archived[table])
                self.archived[table] = self.read[table] & set(self.away[table])
                self.restored.discard(reader)
        if "user_metrics" in step.models:
            run_date = None if step.run_date is None else on(step.run_date)
            ends = [self.last_built, run_date, *self.read["users"], *self.read["orders"]]
            calendar_end = max(filter(None, ends), default=None)
            actual = self.project.metrics()
            self.last_built = actual[-1][0] if actual else None
            if step.models == MODELS and not step.meanwhile and not self.is_out_of_reach:
                self.compare(actual, self.expectation(calendar_end))
                if not step.accept:
                    self.compare_rejected()

    def forget(self, table: Table, kept: set[date]) -> None:
        """Loads that are away, and were read, are gone for good, except some."""
        for load_date in (self.read[table] & set(self.away[table])) - kept:
            del self.away[table][load_date]
            self.read[table].discard(load_date)

    def refuses(self, step: Run, there: set[str]) -> tuple[bool, bool]:
        """Whether a run must be refused, and whether it may be, as loads that were read are away."""
        must = may = False
        for table, reader in TABLES.items():
            gone = self.read[table] & set(self.away[table])
            fresh = gone - self.archived[table]
            is_rebuilt = reader in step.models and (step.full_refresh or reader not in there)
            is_archive = fresh and self.lake[table] and max(fresh) < min(self.lake[table])
            must |= bool(gone and is_rebuilt) or bool(fresh and not is_archive)
            may |= bool(gone) and reader in self.restored
        return must and not step.empty and not step.accept, may

    def refusal(self, models: tuple[str, ...] = MODELS, *arguments: str, **variables: Any) -> str:
        """Why a run was refused, which has changed nothing."""
        before = self.project.metrics() if "user_metrics" in self.project.tables() else None
        result = self.project.invoke("run", "--select", *models, *arguments, **variables)
        assert not result.success, "the run was not refused"
        assert before is None or self.project.metrics() == before
        return failure(result)

    def expectation(self, calendar_end: date | None) -> list[Metrics]:
        """What user_metrics must hold: what is archived is kept."""
        return expected_metrics(self.counted("users"), self.counted("orders"), self.statuses, calendar_end)

    def counted(self, table: str) -> dict[date, list[Row]]:
        """The loads that count: those in the lake, and those that are archived."""
        kept = {day: rows for day, rows in self.away[table].items() if day in self.read[table]}
        return {**self.lake[table], **kept}

    def compare_rejected(self) -> None:
        """Compares the orders that are set aside."""
        rejected = "select order_id, _load_date from analytics.rejected_orders where rejection_reason is not null"
        wanted = [
            (row["id"], day)
            for day, rows in self.counted("orders").items()
            for row in rows
            if not is_placeable(row, day, is_user=False)
        ]
        found = self.project.query(rejected)
        assert sorted(map(repr, found)) == sorted(map(repr, wanted)), f"rejected_orders differs: {found}, not {wanted}"

    def compare(self, actual: list[Metrics], expected: list[Metrics]) -> None:
        """Compares values, types and scale."""
        found, wanted = list(map(repr, actual)), list(map(repr, expected))
        missing = [row for row in wanted if row not in found][:5]
        wrong = [row for row in found if row not in wanted][:5]
        assert found == wanted, "\n".join(["user_metrics differs; expected:", *missing, "found:", *wrong])


def row(version: U | O, day: int, loaded_at: datetime) -> Row:
    """The row that a version has in the load of a day. A user signs up on a day of his own."""
    updated_at = at(day - version.updated, version.hour)
    if isinstance(version, U):
        return user(version.id, EMAILS[version.email], at(version.id - 1 + version.later, 1), updated_at, loaded_at)
    return order(
        version.id or None, version.user or None, AMOUNTS[version.amount], ORDER_STATUSES[version.status],
        at(day - version.created, version.hour), updated_at, loaded_at,
    )  # fmt: skip


def play_histories(
    first: int, count: int, projects: Iterator[Project], shrink: bool = True, of_lake_files: bool = True
) -> None:
    """Plays some histories that a seed makes up, each on a new project; raises AssertionError where a run differs."""

    @seed(first)
    @settings(
        max_examples=count, deadline=None, database=None, suppress_health_check=list(HealthCheck),
        phases=[Phase.generate, *[Phase.shrink][:shrink]], report_multiple_bugs=False,
    )  # fmt: skip
    @given(steps(of_lake_files))
    def play(steps: list[Step]) -> None:
        History(next(projects)).play(steps)

    play()


def new_projects(folder: Path, root: Path | None = None) -> Iterator[Project]:
    """Projects on empty lakes."""
    for number in itertools.count():
        yield Project(folder / str(number), root=root) if root else Project(folder / str(number))
