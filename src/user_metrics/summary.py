"""A first look at user_metrics in the terminal."""

from pathlib import Path

import duckdb
from rich.console import Console
from rich.table import Table

from user_metrics.printable import printable

LEADERBOARD = """
    select spending_rank, user_id, email, order_count, total_spent, avg_order_value
    from analytics.user_metrics
    where date = (select max(date) from analytics.user_metrics)
    order by spending_rank, user_id
    limit 5
"""
LAST_RUN = "select summary from analytics.user_metrics_runs order by started_at desc limit 1"
DATES = "select min(date), max(date), count(distinct date), count(*) from analytics.user_metrics"


def show(database: Path, console: Console) -> None:
    """Prints the five users who have spent the most by the last date, the dates that are built, and the last run."""
    with duckdb.connect(str(database), read_only=True) as connection:
        first_date, last_date, dates, rows = connection.execute(DATES).fetchall()[0]
        if not rows:
            console.print("user_metrics is empty: the lake has no user yet.")
            return
        last_run = connection.execute(LAST_RUN).fetchall()[0][0]
        leaderboard = Table(title=f"Spent most by {last_date}", title_justify="left")
        for heading in ("rank", "user", "orders", "spent", "average"):
            leaderboard.add_column(heading, justify="left" if heading == "user" else "right")
        for rank, user_id, email, orders, spent, average in connection.execute(LEADERBOARD).fetchall():
            name = f"{user_id} {printable(masked(email))}"
            leaderboard.add_row(str(rank), name, f"{orders:,}", f"{spent:,.2f}", f"{average or 0:,.2f}")
    console.print(leaderboard)
    console.print(f"{dates} dates are built, from {first_date} to {last_date}: {rows:,} rows.", highlight=False)
    console.print(f"The last run: {last_run}", highlight=False)


def masked(email: str | None) -> str:
    """An address that shows no more than whose it may be: a…@example.com."""
    if not email or "@" not in email:
        return ""
    # A name may have an @ too.
    name, domain = email.rsplit("@", 1)
    return f"{name[:1]}…@{domain}"
