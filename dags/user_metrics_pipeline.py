"""The daily path of users and orders: from the application's database to the lake, and from there to user_metrics.

A run of the date D begins when D has ended (UTC). docs/pipeline.md explains it, and how to rerun and to backfill.
"""

import os
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

from airflow.providers.standard.operators.bash import BashOperator
from airflow.providers.standard.operators.empty import EmptyOperator
from airflow.providers.standard.operators.latest_only import LatestOnlyOperator
from airflow.sdk import (
    DAG,
    Asset,
    CronDataIntervalTimetable,
    DeadlineAlert,
    DeadlineReference,
    Param,
    SyncCallback,
    TriggerRule,
)
from alerts import tell_failure

os.environ.setdefault("AIRFLOW__COSMOS__ENABLE_TELEMETRY", "False")

from cosmos import DbtTaskGroup, ExecutionConfig, ProfileConfig, ProjectConfig, RenderConfig
from cosmos.constants import ExecutionMode, InvocationMode, LoadMode

PROJECT = Path(os.environ.get("USER_METRICS_HOME") or Path(__file__).resolve().parents[1])
BIN = PROJECT / ".venv" / "bin"
TARGET = os.environ.get("USER_METRICS_TARGET", "dev")
MANIFEST = PROJECT / "target" / "airflow" / "manifest.json"

LOADED_TARGETS = ("prod",)
"""Those of profiles.yml that the lake is loaded into first; the others read it themselves."""

DATE = "{{ ds | default(macros.ds_add(dag_run.run_after | ds, -1)) }}"
"""That of the run; of one that was begun without a date, the last that has ended."""

SOURCE = {"SOURCE_POSTGRES_DSN": "{{ conn.user_metrics_source.get_uri() }}"}

if not MANIFEST.exists():
    raise FileNotFoundError(
        f"{MANIFEST} is missing: run make target/airflow/manifest.json in the project's folder, and name that folder in"
        " USER_METRICS_HOME where dags/ lies elsewhere."
    )


def command(task_id: str, text: str, **options: object) -> BashOperator:
    """A task that runs a program of the project's own virtual environment in its folder."""
    return BashOperator(task_id=task_id, bash_command=f"{BIN}/{text}", cwd=str(PROJECT), append_env=True, **options)


def extract(table: str) -> BashOperator:
    """Writes the load of a table."""
    whole = f"{{{{ '--whole' if '{table}' in params.whole else '' }}}}"
    text = f"user-metrics extract --table {table} --date {DATE} {whole}"
    return command(f"extract_{table}", text, env=SOURCE)


def begin_anew(context: dict[str, Any]) -> None:
    """Has a task that is tried again do the same as the first time.

    Cosmos would not build a second time and have each model's task run its model instead, all at once. Here a build
    does what is left to do, so that it can be repeated, and the tasks of the models tell its outcome.
    """
    context["ti"].try_number = 1


def dbt(begin: BashOperator) -> DbtTaskGroup:
    """One dbt build, by the task `dbt_producer_watcher`, and for each model and its tests a task that tells of it.

    They look when the build is over, as they would wait for it in vain where one task runs after the other.
    """
    group = DbtTaskGroup(
        group_id="dbt",
        # Cosmos copies the project each time; what dbt has parsed before says where the seed lay in another copy.
        project_config=ProjectConfig(
            PROJECT, manifest_path=MANIFEST, project_name="daily_user_metrics", partial_parse=False
        ),
        profile_config=ProfileConfig("user_metrics", TARGET, profiles_yml_filepath=PROJECT / "profiles.yml"),
        execution_config=ExecutionConfig(
            ExecutionMode.WATCHER, InvocationMode.SUBPROCESS, dbt_executable_path=BIN / "dbt"
        ),
        render_config=RenderConfig(load_method=LoadMode.DBT_MANIFEST, emit_datasets=False),
        operator_args={
            "install_deps": False, "vars": {"run_date": DATE}, "append_env": True, "pre_execute": begin_anew,
            # They know nothing of the data: they are run where the project changes.
            "env": {"DBT_EXCLUDE_RESOURCE_TYPES": "unit_test"},
        },
    )  # fmt: skip
    producer = group.children["dbt.dbt_producer_watcher"]
    watchers = [task for task in group if hasattr(task, "producer_task_id")]
    for task in watchers:
        task.deferrable, task.retries = False, 0
        # Of a build that has told nothing of its model, a task says that it failed, and does not run the model itself.
        task.poke_retry_number = 1
        if not task.upstream_task_ids & {other.task_id for other in watchers}:
            # Also when the build has failed, but not when there was none.
            [begin, producer] >> task
            task.trigger_rule = TriggerRule.ALL_DONE_MIN_ONE_SUCCESS
    begin >> producer
    return group


with DAG(
    "user_metrics_pipeline",
    description="users and orders from the application's database to user_metrics",
    doc_md=__doc__,
    schedule=CronDataIntervalTimetable("0 0 * * *", timezone="UTC"),
    start_date=datetime(2024, 1, 1),
    catchup=False,
    max_active_runs=1,
    default_args={
        "owner": "user_metrics",
        "retries": int(os.environ.get("USER_METRICS_RETRIES", "2")),
        "retry_delay": timedelta(seconds=int(os.environ.get("USER_METRICS_RETRY_SECONDS", "300"))),
        "on_failure_callback": tell_failure,
    },
    params={
        "whole": Param(
            ["users"],
            type="array",
            items={"enum": ["users", "orders"]},
            description="Tables that are extracted as a whole; of others what has changed (docs/extraction.md).",
        )
    },
    deadline=DeadlineAlert(
        DeadlineReference.DAGRUN_QUEUED_AT,
        interval=timedelta(minutes=int(os.environ.get("USER_METRICS_DEADLINE_MINUTES", "180"))),
        callback=SyncCallback("alerts.tell_lateness", kwargs={"dag_id": "user_metrics_pipeline"}),
    ),
    tags=["users", "metrics"],
) as dag:
    extracted = [extract("users"), extract("orders")]
    fresh = command("source_freshness", f"dbt source freshness --target {TARGET}")
    if TARGET in LOADED_TARGETS:
        extracted >> command("load", f"user-metrics load --date {DATE}") >> fresh
    else:
        extracted >> fresh
    user_metrics = EmptyOperator(task_id="user_metrics", outlets=[Asset("user_metrics")])
    # The pages show all dates: runs of older ones, as in a backfill, leave them to the next daily run.
    latest_only = LatestOnlyOperator(task_id="latest_only")
    dbt(begin=fresh) >> user_metrics >> latest_only >> command("docs", f"user-metrics docs --target {TARGET}")
