"""What is said when a task fails or a run is late: to the log, as a place to call a pager or a channel from."""

import logging
from typing import Any

log = logging.getLogger(__name__)


def tell_failure(context: dict[str, Any]) -> None:
    """Names task, run and date of what has failed for good, and the way to rerun it."""
    task, run, said = context["ti"], context["dag_run"], str(context.get("exception")).rstrip(".")
    date = context.get("ds") or run.run_id
    log.error(
        "Task %s of %s failed in run %s, for %s: %s. What it would have written is as it was. To run again what has"
        " failed, and what comes after it: airflow tasks clear %s --only-failed --downstream --yes --start-date %s"
        " --end-date %s",
        task.task_id, task.dag_id, run.run_id, date, said, task.dag_id, date, date,
    )  # fmt: skip


def tell_lateness(context: dict[str, Any], dag_id: str) -> None:
    """Names the daily run that has missed its deadline; the runs of a backfill wait for each other."""
    run = context["dag_run"]
    if run["run_type"] == "scheduled":
        log.error(
            "A run of %s is late: %s. user_metrics may still be that of the day before.", dag_id, run["dag_run_id"]
        )
