"""The DAG as Airflow reads it: its graph, its defaults, and what it asks of an installation."""

from __future__ import annotations

import json
import os
import subprocess
from typing import Any

import pytest
from support.airflow import AIRFLOW
from support.project import ROOT

pytestmark = pytest.mark.airflow

NOWHERE = "/nowhere"

FACTS = """
import json, logging, os, runpy, sys
from types import SimpleNamespace

import pendulum
from airflow.sdk.execution_time import macros

RUN = SimpleNamespace(run_id="run", run_after=pendulum.datetime(2024, 1, 9, 7))

def commands(dag, **context):
    context |= {"macros": macros, "dag_run": RUN, "params": {"whole": []}}
    texts = {task.task_id: task.bash_command for task in dag.tasks if hasattr(task, "bash_command")}
    return {name: dag.get_template_env().from_string(text).render(context) for name, text in texts.items()}

def told(task, **context):
    said = []
    handler = SimpleNamespace(level=0, handle=lambda record: said.append(record.getMessage()))
    logging.getLogger("alerts").handlers = [handler]
    from alerts import tell_failure
    tell_failure({"ti": task, "dag_run": RUN, **context})
    return said[0]

def facts(**environment):
    os.environ.update(environment)
    try:
        dag = runpy.run_path(sys.argv[1] + "/user_metrics_pipeline.py")["dag"]
    except FileNotFoundError as error:
        return str(error)
    from cosmos import settings  # not before the DAG has set what they are read from
    task = dag.get_task("extract_orders")
    deadline = dag.deadline[0] if isinstance(dag.deadline, list) else dag.deadline
    return {
        "upstream": {task.task_id: sorted(task.upstream_task_ids) for task in dag.tasks},
        "retries": {task.task_id: task.retries for task in dag.tasks},
        "defaults": [
            dag.catchup, dag.max_active_runs, str(task.retry_delay), sorted(dag.tags), str(dag.start_date.date())
        ],
        "deadline": str(deadline.interval),
        "commands": commands(dag, ds="2024-01-05"),
        "without a date": commands(dag),
        "told": [told(task, ds="2024-01-05"), told(task)],
        "assets": [asset.name for task in dag.tasks for asset in task.outlets],
        "telemetry": settings.enable_telemetry,
        "callbacks": {task.task_id for task in dag.tasks if not task.on_failure_callback} == set(),
    }

sys.path.insert(0, sys.argv[1])
found = [facts(), facts(USER_METRICS_TARGET="prod"), facts(USER_METRICS_HOME=sys.argv[2])]
print(json.dumps(dict(zip(["dev", "prod", "nowhere"], found))))
"""


@pytest.fixture(scope="module")
def facts(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    """What Airflow knows of the DAG: of each target, and where the project is not."""
    folder = tmp_path_factory.mktemp("airflow")
    found = subprocess.run(
        [AIRFLOW.with_name("python"), "-c", FACTS, ROOT / "dags", NOWHERE], cwd=folder, text=True, timeout=120,
        check=False, stdin=subprocess.DEVNULL, capture_output=True, env={**os.environ, "AIRFLOW_HOME": str(folder)},
    )  # fmt: skip
    assert found.returncode == 0, found.stderr
    return dict(json.loads(found.stdout.splitlines()[-1]))


def test_the_graph_is_that_of_the_page(facts: dict[str, Any]) -> None:
    found = facts["dev"]
    upstream = found["upstream"]
    assert upstream["source_freshness"] == ["extract_orders", "extract_users"]
    assert "load" not in upstream
    assert upstream["dbt.dbt_producer_watcher"] == ["source_freshness"]
    models = {name.split(".")[1] for name in upstream if name.endswith(".run")}
    assert models >= {"dim_users", "fct_orders", "user_metrics", "rejected_users", "rejected_orders", "vanished_rows"}
    assert {"dbt.fct_orders.test", "dbt.dim_users.test"} <= set(upstream["dbt.user_metrics.run"])
    assert "dbt.user_metrics.test" in upstream["dbt.user_metrics_report_run"]
    assert (upstream["docs"], upstream["latest_only"]) == (["latest_only"], ["user_metrics"])
    assert found["assets"] == ["user_metrics"]
    begin_with_the_build = {name for name, above in upstream.items() if "dbt.dbt_producer_watcher" in above}
    assert begin_with_the_build >= {"dbt.order_statuses.seed", "dbt.stg_users_run", "dbt.stg_orders_run"}


def test_into_redshift_loads_are_taken_first(facts: dict[str, Any]) -> None:
    found = facts["prod"]
    assert found["upstream"]["load"] == ["extract_orders", "extract_users"]
    assert found["upstream"]["source_freshness"] == ["load"]
    assert found["commands"]["load"].endswith("user-metrics load --date 2024-01-05")


def test_the_defaults_are_those_of_the_page(facts: dict[str, Any]) -> None:
    found = facts["dev"]
    assert found["defaults"] == [False, 1, "0:05:00", ["metrics", "users"], "2024-01-01"]
    assert found["deadline"] == "3:00:00"
    assert found["telemetry"] is False
    assert found["callbacks"], "a task has no on_failure_callback"
    retries = found["retries"]
    assert {retries[name] for name in ("extract_users", "extract_orders", "docs", "dbt.dbt_producer_watcher")} == {2}


def test_a_run_without_a_date_is_of_the_last_that_has_ended(facts: dict[str, Any]) -> None:
    for table in ("users", "orders"):
        assert f"--table {table} --date 2024-01-05" in facts["dev"]["commands"][f"extract_{table}"]
        assert f"--table {table} --date 2024-01-08" in facts["dev"]["without a date"][f"extract_{table}"]
    assert facts["prod"]["without a date"]["load"].endswith("user-metrics load --date 2024-01-08")
    with_date, without = facts["dev"]["told"]
    assert with_date.endswith("--start-date 2024-01-05 --end-date 2024-01-05")
    assert without.endswith("comes after it: clear the failed tasks of this run in Airflow's pages")


def test_a_project_that_is_not_there_or_not_set_up_is_named(facts: dict[str, Any]) -> None:
    assert facts["nowhere"] == (
        f"{NOWHERE}/target/airflow/manifest.json is missing: run make target/airflow/manifest.json in the project's"
        " folder, and name that folder in USER_METRICS_HOME where dags/ lies elsewhere."
    )
