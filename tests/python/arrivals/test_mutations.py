"""Each key line of the models and of the protocol is needed: a history of a few steps differs without it."""

from __future__ import annotations

from pathlib import Path
from typing import NamedTuple

import pytest
from support.histories import BringBack, Copy, Deliver, History, Lose, O, Restore, Rewrite, Run, Step, U
from support.project import Project

LEDGER, MISSING, READ, KNOWN, REJECTED = (
    f"macros/loads/{name}.sql"
    for name in ("ledger", "missing_loads", "loads_to_read", "known_versions", "rejected_rows")
)
WINDOW, CHANGED, LONG = (f"macros/dates/{name}.sql" for name in ("restatement_window", "changed_rows", "long_builds"))
ORDERS, USERS, METRICS = (f"models/marts/{name}.sql" for name in ("fct_orders", "dim_users", "user_metrics"))

USER = Deliver("users", 0, (U(1, 0, 0),))
TWO_VERSIONS = (USER, Deliver("orders", 0, (O(1, 1, 0, hour=1),)), Deliver("orders", 1, (O(1, 1, 0, amount=1),)), Run())
THREE_USERS = (
    Deliver("users", 2, tuple(U(id, 0, 0) for id in (1, 2, 3))),
    Deliver("orders", 2, (O(1, 1, 0), O(2, 2, 0, amount=3))),
    Run(run_date=4),
)  # fmt: skip
OLDER_STILL = Deliver("orders", 1, (O(1, 1, 1, amount=3, updated=1),))


class Mutation(NamedTuple):
    """A line of a file, what it is broken to, and the steps that then go wrong."""

    file: str
    line: str
    broken: str
    steps: tuple[Step, ...]


MUTATIONS = {
    # The protocol by which loads are read
    "a load whose reading was not confirmed puts its rows in doubt": Mutation(
        READ, "({{ in_dates('stored._load_date', unconfirmed) }} or not exists (", "(not exists (",
        (*TWO_VERSIONS, Rewrite("orders", 1), Run(meanwhile=OLDER_STILL)),
    ),
    "the loads are listed once more after the reading": Mutation(
        LEDGER, "{{ 'null' if were_redelivered(table, dates) else 'news.fingerprint' }}", "news.fingerprint",
        (*TWO_VERSIONS, Rewrite("orders", 1), Run(meanwhile=OLDER_STILL)),
    ),
    "none of the loads is confirmed when one was delivered anew": Mutation(
        LEDGER, "{{ 'null' if were_redelivered(table, dates) else 'news.fingerprint' }}",
        "case {% for date in dates if were_redelivered(table, [date]) %} when news.load_date = {{ date_literal(date) }}"
        " then null {% endfor %} when 1 = 0 then null else news.fingerprint end",
        (
            *TWO_VERSIONS, Deliver("orders", 1), Deliver("orders", 2, (O(1, 1, 2, amount=3),)),
            Run(meanwhile=Deliver("orders", 2)),
        ),
    ),
    "the look back for the rows in doubt": Mutation(
        READ, "{% if first_load_in_doubt %}", "{% if false %}", (*TWO_VERSIONS, Deliver("orders", 1)),
    ),
    "rows that are marked deleted are in doubt too": Mutation(
        READ, "'stored._load_date', again) }}\n", "'stored._load_date', again) }} and not stored.is_deleted\n",
        (*TWO_VERSIONS, Rewrite("orders", 1), Run(meanwhile=Deliver("orders", 1)), Rewrite("orders", 1)),
    ),
    "a ledger that does not speak of its table is void": Mutation(
        LEDGER, "stamps_differ(reader) if is_incremental() else '1 = 1'", "'1 = 0' if is_incremental() else '1 = 1'",
        (*TWO_VERSIONS, Copy("fct_orders"), Deliver("orders", 2, (O(2, 1, 0),)), Run(), Restore("fct_orders")),
    ),
    "every row has a new revision when the ledger is void": Mutation(
        ORDERS, "= stored.order_id and not {{ loads.is_void }}", "= stored.order_id",
        (
            USER, Deliver("orders", 0, (O(1, 1, 0),)), Run(), Copy("fct_orders"),
            Deliver("orders", 0, (O(1, 1, 0, amount=1),)), Run(),
            Deliver("orders", 0, (O(1, 1, 0),)), Deliver("orders", 1, (O(2, 1, 0),)), Restore("fct_orders"),
        ),
    ),
    "archived loads are read again when they come back": Mutation(
        LEDGER, "or load_date not in (\n", "or load_date in ({{ listed }}) and load_date not in (\n",
        (*TWO_VERSIONS, Lose("orders", "oldest"), Deliver("orders", 1), Run(), BringBack()),
    ),
    "a load that has changed is read": Mutation(
        READ, "not coalesce(listed.fingerprint = ledger.fingerprint, false)", "ledger.load_date is null",
        (*TWO_VERSIONS, Deliver("orders", 1, (O(1, 1, 0, amount=3),))),
    ),
    "rows of a load that is read again are marked deleted": Mutation(
        KNOWN, "is_deleted or {{ in_dates('_load_date', loads.dates) }}", "is_deleted",
        (*TWO_VERSIONS, Deliver("orders", 1)),
    ),
    "missing loads stop the run": Mutation(
        MISSING, "{% if missing and not is_archive", "{% if false and not is_archive",
        (*TWO_VERSIONS, Lose("orders", 1), Run()),
    ),
    # What is set aside
    "rejected rows go with the load that had them": Mutation(
        REJECTED, "listed.fingerprint <> {{ this }}._fingerprint", "1 = 0",
        (USER, Deliver("orders", 0, (O(0, 1, 0),)), Run(), Deliver("orders", 0)),
    ),
    "rejected rows are looked for in loads that were read without them": Mutation(
        REJECTED, "coalesce(ledger.rejected_rows, 1) > 0", "ledger.load_date is null",
        (USER, Deliver("orders", 0, (O(1, 1, 0),)), Run(), Deliver("orders", 0, (O(0, 1, 0),)), Run(("fct_orders",))),
    ),
    # What is taken in, and from when on
    "the earliest date that an order affected": Mutation(
        ORDERS, "stored._affected_from, case when newest.is_counted", "null, case when newest.is_counted",
        (USER, Deliver("orders", 0, (O(1, 1, 0), O(2, 1, 0))), Run(), Deliver("orders", 2, (O(1, 1, 0),))),
    ),
    "the earliest date that a version of a user affected": Mutation(
        USERS, "least(stored._affected_from, history.valid_from)", "history.valid_from",
        (Deliver("users", 0, (U(1, 0, 0), U(2, 0, 0))), Run(), Deliver("users", 1, (U(1, 0, 1, later=1),))),
    ),
    "a table that was rebuilt affects everything": Mutation(
        WINDOW, "oldest is none or oldest > taken_in or newest < taken_in", "false",
        (*TWO_VERSIONS, Deliver("orders", 0), Deliver("orders", 1), Run(("fct_orders",), full_refresh=True)),
    ),
    "what a user to whom something has happened carries on from": Mutation(
        LONG, "set base_date = from_date - one_day", "set base_date = from_date - one_day - one_day",
        (*TWO_VERSIONS, Deliver("orders", 2, (O(2, 1, 0),)), Run(), Deliver("orders", 3, (O(2, 1, 1, amount=1),))),
    ),
    "what a user to whom nothing has happened carries on from": Mutation(
        LONG, "python_date(window.whole_from) - one_day", "python_date(window.whole_from) - one_day - one_day",
        (*THREE_USERS, Deliver("orders", 5, (O(3, 1, 3),))),
    ),
    "the calendar reaches to the newest load": Mutation(
        WINDOW, "state.newest_load_date, python", "python", (USER, Deliver("users", 2)),
    ),
    "the calendar keeps to the last date built": Mutation(
        WINDOW, "[state.last_date, state.newest", "[state.newest", (USER, Run(run_date=4), Run(full_refresh=True)),
    ),
    "the revision of an order that changed": Mutation(
        ORDERS, "and newest.amount = stored.amount\n", "",
        (USER, Deliver("orders", 0, (O(1, 1, 0),)), Run(), Deliver("orders", 1, (O(1, 1, 1, amount=1),))),
    ),
    # Whose rows are written
    "of users to whom nothing has happened the new dates alone": Mutation(
        METRICS, "is null then {{ date_literal(window.carried_date)", "is null then {{ date_literal(window.base_date)",
        (*THREE_USERS, Deliver("orders", 3, (O(3, 1, 0),))),
    ),
    "users with another version": Mutation(
        WINDOW, "{{ window.users_taken_in }} and {{ until }}", "{{ window.users_taken_in }} and 1 = 0",
        (USER, Run(run_date=3), Deliver("users", 1, (U(1, 1, 0),))),
    ),
    "users who have lost an order": Mutation(
        WINDOW, "select _former_user_id {{ orders }}", "select _former_user_id {{ orders }} and 1 = 0",
        (*THREE_USERS, Deliver("orders", 3, (O(1, 3, 1),))),
    ),
    "everybody where an order has had more users than it names": Mutation(
        WINDOW, "and not state.someone_unknown", "",
        (
            *THREE_USERS, Deliver("orders", 3, (O(1, 2, 1),)), Run(("fct_orders",)),
            Deliver("orders", 4, (O(1, 3, 2),)),
        ),
    ),
    "a guest is no user, but who had the order before him was": Mutation(
        ORDERS, "(newest.user_id is null or newest.user_id not in", "(newest.user_id not in",
        (
            *THREE_USERS, Deliver("orders", 3, (O(1, 3, 1),)), Run(("fct_orders",)),
            Deliver("orders", 4, (O(1, 0, 2),)),
        ),
    ),
    "rows of those who are left": Mutation(
        CHANGED, "or user_id in ({{ changed_users(window) }})", "", (*THREE_USERS, Deliver("users", 2, (U(2, 0, 0),))),
    ),
    "ranks that have moved": Mutation(
        CHANGED, "where stored_rank <> spending_rank", "where 1 = 0",
        (*THREE_USERS, Deliver("orders", 3, (O(1, 1, 1, status=1),))),
    ),
    # Builds in steps
    "a step carries on from the steps before": Mutation(
        LONG, "{% if step.waiting %}", "{% if false %}", (*THREE_USERS, Run(full_refresh=True, max_days=1)),
    ),
    "only who has not changed carries on from stored rows in a later step": Mutation(
        LONG, "and user_id not in (select changed_users.user_id from changed_users)", "",
        (*THREE_USERS, Deliver("orders", 3, (O(3, 1, 0),)), Run(run_date=5, max_days=1)),
    ),
    "what was worked out of other orders is not carried on": Mutation(
        LONG, "window.orders_revision, window.users_revision,", "",
        (
            *THREE_USERS, Run(full_refresh=True, max_days=3, is_stopped=True),
            Deliver("orders", 2, (O(1, 1, 0, amount=1),)), Run(full_refresh=True, max_days=3),
        ),
    ),
    # What the numbers mean
    "of equal versions of an order the one of the newer load": Mutation(
        ORDERS, "_load_date desc,\n", "_load_date asc,\n",
        (
            USER, Deliver("orders", 0, (O(1, 1, 0),), late=1),
            Deliver("orders", 1, (O(1, 1, 1, amount=3, updated=1),)),
        ),
    ),
    "of equal versions of a user the one loaded last": Mutation(
        USERS, "_loaded_at desc, _load_date", "_loaded_at asc, _load_date", (USER, Deliver("users", 1, (U(1, 1, 1),))),
    ),
    "the status flags": Mutation(
        METRICS, "case when counts_as_order then 1 else 0 end", "1",
        (USER, Deliver("orders", 0, (O(1, 1, 0, status=2),))),
    ),
    "the sign-up date of an order": Mutation(
        METRICS, "greatest(orders.order_date, cast(user_versions.signed_up_at as date))", "orders.order_date",
        (Deliver("users", 1, (U(2, 0, 0),)), Deliver("orders", 1, (O(1, 2, 1),))),
    ),
}  # fmt: skip


@pytest.mark.mutations
@pytest.mark.parametrize("mutation", MUTATIONS)
def test_a_history_notices(mutation: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    file, line, broken, steps = MUTATIONS[mutation]
    History(Project(tmp_path / "whole")).play(list(steps), is_refreshed=False)
    project = Project(tmp_path / "broken")
    # Broken in what dbt has parsed: to parse a broken copy takes longer than the history.
    manifest = project.manifest()
    texts = [(macro, "macro_sql", macro.macro_sql) for macro in manifest.macros.values()]
    texts += [(node, "raw_code", node.raw_code) for node in manifest.nodes.values()]
    found = [part for part in texts if part[0].original_file_path == file and line in part[2]]
    assert found, f"{file} no longer has the line to break"
    for part, attribute, text in found:
        monkeypatch.setattr(part, attribute, text.replace(line, broken))
    with pytest.raises(AssertionError, match=r"differs|was not refused"):
        History(project).play(list(steps), is_refreshed=False)
