"""`user-metrics why`: a row is explained by its orders and all that befell them, and a row that is wrong is told."""

from __future__ import annotations

import io
import json
from decimal import Decimal
from typing import Any

import pytest
from rich.console import Console
from support.days import DAY, at, build, loaded
from support.project import Project, order, user

from user_metrics.lake import Row
from user_metrics.why import show


def found(project: Project, *options: str) -> dict[str, Any]:
    """The explanation as JSON."""
    done = project.command("why", "--json", *options)
    assert done.exit_code == 0, done.output
    return json.loads(done.output)  # type: ignore[no-any-return]


def version(id: int, user_id: int | None, amount: str | None, status: str, placed: int, day: int, hour: int = 9) -> Row:
    """An order that was placed on a day, as the load of a day has it."""
    return order(id, user_id, amount, status, at(DAY[placed]), at(DAY[day], hour), loaded(DAY[day]))


@pytest.fixture
def shop(project: Project) -> Project:
    """Three users, and orders of the first that all things have befallen."""
    project.write_load(
        "users", DAY[0], [user(id, f"{id}@x.org", at(DAY[0]), at(DAY[0]), loaded(DAY[0])) for id in (1, 2, 3)]
    )
    loads = [
        [
            version(1, 1, "10.00", "completed", 0, 0),
            version(2, 1, "5.00", "completed", 0, 0),
            version(3, 2, "99.00", "completed", 0, 0),
        ],
        [
            version(1, 1, "12.00", "completed", 0, 1),
            version(4, 1, "7.00", "cancelled", 1, 1),
            version(5, 1, "8.00", "completed", 1, 1),
        ],
        [
            version(2, None, "5.00", "completed", 0, 2),
            version(5, 3, "8.00", "completed", 1, 2),
            version(6, 1, None, "completed", 2, 2),
        ],
        [version(7, 1, "-2.00", "returned", 3, 3), version(8, 9, "1.00", "completed", 3, 3)],
    ]
    for number, rows in enumerate(loads):
        project.write_load("orders", DAY[number], rows)
    build(project, max_rejected_share=1)
    return project


def test_a_row_is_explained_by_its_orders_and_what_befell_them(shop: Project) -> None:
    explained = found(shop, "--user", "1")
    assert (explained["date"], explained["agrees"]) == (str(DAY[3]), True)
    assert explained["stored"]["total_spent"] == "10.00"
    assert [
        (row["order_id"], row["amount"], row["_first_load_date"], row["_load_date"]) for row in explained["orders"]
    ] == [
        ("1", "12.00", str(DAY[0]), str(DAY[1])),
        ("7", "-2.00", str(DAY[3]), str(DAY[3])),
    ]
    assert [(row["_load_date"], row["amount"]) for row in explained["versions"] if row["order_id"] == "1"] == [
        (str(DAY[0]), "10.00"),
        (str(DAY[1]), "12.00"),
    ]
    assert {row["order_id"]: row["reason"] for row in explained["not_counted"]} == {
        "2": "is an order of a guest by its newest version",
        "4": "has a status that counts as neither order nor spend",
        "5": "is an order of user 3 by its newest version",
        "6": "cannot be placed: amount is null",
    }
    assert explained["above"] == [{"user_id": "2", "total_spent": "99.00", "spending_rank": "1"}]
    assert explained["below"] == [{"user_id": "3", "total_spent": "8.00", "spending_rank": "3"}]
    assert explained["run"][0]["summary"].startswith(
        "12 rows of 2024-01-01 to 2024-01-04 were written: built from nothing; 5 loads read"
    )


def test_an_earlier_date_has_what_counted_by_then(shop: Project) -> None:
    explained = found(shop, "--user", "1", "--date", str(DAY[1]))
    assert explained["stored"]["total_spent"] == "12.00"
    assert {row["order_id"]: row["reason"] for row in explained["not_counted"]}["7"] == "counts from 2024-01-04 on"


def test_a_user_is_found_by_address_or_by_an_own_id(shop: Project) -> None:
    shop.execute("create table raw.customers as select 2 as user_id, 'C-''17' as number, 'two' as email")
    of_user_2 = found(shop, "--user", "2")
    assert found(shop, "--email", "2@x.org") == of_user_2
    assert found(shop, "--own-id", "C-'17", "--mapping", "raw.customers.number") == of_user_2
    assert found(shop, "--own-id", "two", "--mapping", "raw.customers.email") == of_user_2
    shop.execute("update analytics.dim_users set email = '2@x.org' where user_id = 3")
    for options, said in (
        (["--email", "nobody@x.org"], "No user has the email nobody@x.org."),
        (["--email", "2@x.org"], "2 users have the email 2@x.org: 2, 3. Name one of them by --user."),
        (["--own-id", "C-18", "--mapping", "raw.customers.number"], "No user has the number C-18."),
        (["--own-id", "C-18"], "Say which user: by --user, by --email, or by --own-id with --mapping."),
        (["--user", "1", "--email", "1@x.org"], "Say which user: "),
        (["--own-id", "1", "--mapping", "a.b.c; drop table d"], "write it like analytics.user_ids.customer_id."),
        ([], "Say which user: "),
    ):
        done = shop.command("why", *options)
        assert done.exit_code == 1, options
        assert said in " ".join(done.stderr.split())


def test_data_is_shown_and_does_nothing(project: Project, monkeypatch: pytest.MonkeyPatch) -> None:
    signs = ["[/on hold]", "[link=x]y[/link]", "\x1b[2J", "\x9b2J", "\n", "[red]", "\r"]
    users = [user(id, f"a@x{sign}.org", at(DAY[0]), at(DAY[0]), loaded(DAY[0])) for id, sign in enumerate(signs, 1)]
    project.write_load("users", DAY[0], users)
    project.write_load("orders", DAY[0], [version(id, 1, "10.00", sign, 0, 0) for id, sign in enumerate(signs)])
    build(project)
    monkeypatch.setenv("DBT_PRINT", "false")
    for command in (("why", "--user", "1"), ("summary", "--database", str(project.database))):
        result = project.command(*command)
        assert result.exit_code == 0, result.output
        for sign in signs[:5]:  # as many users as a summary shows
            assert (sign if sign.isprintable() else sign.encode("unicode_escape").decode()) in result.output, command
        assert all(line.isprintable() for line in result.output.split("\n"))
    project.invoke("test", "--select", "assert_statuses_are_known")
    assert project.printed
    assert all(text.isprintable() for text in project.printed)


def test_the_terminal_says_it_in_words(shop: Project) -> None:
    terminal = Console(width=120, file=io.StringIO())
    show(found(shop, "--user", "1"), terminal)
    shown = terminal.file.getvalue()  # type: ignore[attr-defined]
    assert "User 1 on 2024-01-04: 1 order, 10.00 spent, rank 2." in shown
    assert "2024-01-02: amount 10.00 → 12.00" in shown
    assert "In rank, above is user 2 (rank 1) with 89.00 more; below is user 3 (rank 3) with 2.00 less." in shown
    assert "A plain sum over fct_orders gives the same: 1 order, 10.00 spent." in shown
    assert "No order counts by this date." in shop.command("why", "--user", "3", "--date", str(DAY[0])).output


def test_a_deleted_order_is_told(shop: Project) -> None:
    shop.write_load("orders", DAY[3], [])
    build(shop, max_vanished_share=1)
    reasons = {row["order_id"]: row["reason"] for row in found(shop, "--user", "1")["not_counted"]}
    assert reasons["7"] == "has left the load that had brought it"


def test_a_row_that_is_wrong_is_told(shop: Project) -> None:
    shop.execute("update analytics.user_metrics set total_spent = 11 where user_id = 1")
    done = shop.command("why", "--user", "1")
    assert done.exit_code == 1
    assert "A plain sum over fct_orders gives something else: 1 order, 10.00 spent" in done.output
    assert Decimal(json.loads(shop.command("why", "--user", "1", "--json").output)["added_up"]["total_spent"]) == 10


def test_what_cannot_be_explained_is_a_sentence(shop: Project) -> None:
    assert (
        "user_metrics has no row of user 1 on 2020-01-01"
        in shop.command("why", "--user", "1", "--date", "2020-01-01").output
    )
    assert "Orders that wait until a load brings the user: 1." in shop.command("why", "--user", "9").output
    shop.database.unlink()
    done = shop.command("why", "--user", "1")
    assert done.exit_code == 1
    assert "user_metrics yet: run make build." in done.output


def test_a_row_is_explained_where_an_older_load_has_narrower_ids(shop: Project) -> None:
    """DuckDB 1.5 fails to join files whose first has another type of id than the others."""
    before = found(shop, "--user", "1")
    for number in range(2):
        shop.narrow_load("orders", DAY[number], {"id": "integer", "user_id": "smallint"})
    build(shop, max_rejected_share=1)
    after = found(shop, "--user", "1")
    assert [after[name] for name in ("orders", "versions", "not_counted")] == [
        before[name] for name in ("orders", "versions", "not_counted")
    ]
