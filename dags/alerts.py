"""What is said when a task fails or a run is late: to the log, as a place to call a pager or a channel from."""

import logging
from typing import Any

log = logging.getLogger(__name__)


def tell_failure(context: dict[str, Any]) -> None:
    """Names task, run and date of what has failed for good, and the way to rerun it."""
    task, run, said = context["ti"], context["dag_run"], str(context.get("exception")).rstrip(".")
    again = "clear the failed tasks of this run in Airflow's pages"
    if date := context.get("ds"):
        dates = f"--start-date {date} --end-date {date}"
        again = f"airflow tasks clear {task.dag_id} --only-failed --downstream --yes {dates}"
    log.error(
        "Task %s of %s failed in run %s: %s. What it would have written is as it was. To run again what has failed, and"
        " what comes after it: %s",
        task.task_id, task.dag_id, run.run_id, said, again,
    )  # fmt: skip


def tell_lateness(context: dict[str, Any], dag_id: str) -> None:
    """Names the daily run that has missed its deadline; the runs of a backfill wait for each other."""
    run = context["dag_run"]
    if run["run_type"] == "scheduled":
        log.error(
            "A run of %s is late: %s. user_metrics may still be that of the day before.", dag_id, run["dag_run_id"]
        )
