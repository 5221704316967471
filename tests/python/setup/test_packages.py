"""The dbt packages: offline_packages/ answers as the real ones do, and setting them up says which are used.

Another folder of packages, such as the real ones, is tested by naming it in DBT_PACKAGES_PATH.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import time
from pathlib import Path

import pytest
import yaml
from dbt.cli.main import dbtRunner
from dbt.config.project import package_config_from_data
from dbt.task.deps import _create_sha1_hash
from support.project import ROOT, working_folder
from typer.testing import CliRunner

from user_metrics import packages
from user_metrics.cli import app

NUMBERS = """
    select 1 as a, 1 as b, 'x' as kind
    union all select 1, 2, 'x'
    union all select 1, 2, 'y'
    union all select 5, 0, 'y'
"""

# Each test on the rows above: (package macro, arguments, column or none, rows that must fail).
CASES = [
    ("dbt_utils.unique_combination_of_columns", {"combination_of_columns": ["a", "b", "kind"]}, None, 0),
    ("dbt_utils.unique_combination_of_columns", {"combination_of_columns": ["a", "b"]}, None, 1),
    (
        "dbt_utils.unique_combination_of_columns",
        {"combination_of_columns": ["a", "kind"], "quote_columns": True},
        None,
        1,
    ),
    ("dbt_utils.accepted_range", {"min_value": 1}, "a", 0),
    ("dbt_utils.accepted_range", {"min_value": 2}, "a", 3),
    ("dbt_utils.accepted_range", {"max_value": 1}, "a", 1),
    ("dbt_utils.accepted_range", {"min_value": 0, "max_value": 1}, "b", 2),
    ("dbt_utils.accepted_range", {"min_value": 0, "max_value": 2, "inclusive": False}, "b", 3),
    ("dbt_expectations.expect_column_pair_values_A_to_be_greater_than_B", {"column_A": "a", "column_B": "b"}, None, 3),
    (
        "dbt_expectations.expect_column_pair_values_A_to_be_greater_than_B",
        {"column_A": "a", "column_B": "b", "or_equal": True},
        None,
        2,
    ),
    (
        "dbt_expectations.expect_column_pair_values_A_to_be_greater_than_B",
        {"column_A": "a", "column_B": "b", "row_condition": "kind = 'y'"},
        None,
        1,
    ),
]


def test_the_locked_versions_are_those_of_packages_yml() -> None:
    asked, locked = (yaml.safe_load((ROOT / name).read_text()) for name in ("packages.yml", "package-lock.yml"))
    versions = [{package["package"]: package["version"] for package in file["packages"]} for file in (asked, locked)]
    assert versions[0] == versions[1]
    # dbt deps resolves anew, to other versions perhaps, where this differs.
    assert locked["sha1_hash"] == _create_sha1_hash(package_config_from_data(asked, asked).packages)


@pytest.fixture
def scratch_project(tmp_path: Path) -> Path:
    """A dbt project of one model, with a test for each case."""
    tests: list[dict[str, object]] = []
    columns: dict[str, list[dict[str, object]]] = {"a": [], "b": []}
    for number, (macro, arguments, column, _) in enumerate(CASES):
        (columns[column] if column else tests).append({macro: {"name": f"case_{number}", "arguments": arguments}})
    model = {
        "name": "numbers",
        "data_tests": tests,
        "columns": [{"name": name, "data_tests": cases} for name, cases in columns.items()],
    }
    files = {
        "dbt_project.yml": {
            "name": "scratch",
            "profile": "scratch",
            "packages-install-path": os.environ["DBT_PACKAGES_PATH"],
            "vars": {"dbt_date:time_zone": "UTC"},
            "flags": {"send_anonymous_usage_stats": False},
        },
        "profiles.yml": {
            "scratch": {"target": "dev", "outputs": {"dev": {"type": "duckdb", "path": "scratch.duckdb"}}}
        },
        "packages.yml": yaml.safe_load((ROOT / "packages.yml").read_text()),
        "models/_models.yml": {"models": [model]},
    }
    for name, content in files.items():
        path = tmp_path / name
        path.parent.mkdir(exist_ok=True)
        path.write_text(yaml.safe_dump(content))
    (tmp_path / "models" / "numbers.sql").write_text(NUMBERS)
    return tmp_path


def test_each_package_test_fails_with_the_rows_that_it_must(scratch_project: Path) -> None:
    with working_folder(scratch_project):
        result = dbtRunner().invoke(["build", "--quiet", "--project-dir", ".", "--profiles-dir", "."])
    failures = {line.node.name: line.failures for line in result.result if line.node.resource_type == "test"}
    assert failures == {f"case_{number}": case[3] for number, case in enumerate(CASES)}


def test_an_unreachable_hub_costs_seconds_and_leaves_the_offline_packages(tmp_path: Path) -> None:
    environment = {**os.environ, "http_proxy": "http://127.0.0.1:9", "https_proxy": "http://127.0.0.1:9"}
    for name in ("DBT_PACKAGES_PATH", "no_proxy", "NO_PROXY"):
        environment.pop(name, None)
    (tmp_path / "offline_packages").symlink_to(ROOT / "offline_packages")
    command = [sys.executable, "-m", "user_metrics", "packages"]
    said = subprocess.run(command, cwd=tmp_path, env=environment, capture_output=True, text=True, check=True).stdout
    assert " ".join(said.split()) == ("dbt packages: from offline_packages/, because the dbt hub could not be reached")
    installed = {folder.name for folder in (tmp_path / "dbt_packages").iterdir()}
    assert installed == {"dbt_utils", "dbt_expectations", "dbt_date"}


def test_a_hub_that_never_answers_is_given_up(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(packages, "PROBE", "import time; time.sleep(60)")
    monkeypatch.setattr(packages, "HUB_SECONDS", 0.1)
    started = time.monotonic()
    assert not packages.hub_is_reachable()
    assert time.monotonic() - started < 30, "the probe was waited for"


def test_a_folder_of_ones_own_packages_is_left_alone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DBT_PACKAGES_PATH", str(tmp_path))
    (tmp_path / "dbt_utils").mkdir()
    assert packages.install(tmp_path) == f"dbt packages: those in DBT_PACKAGES_PATH ({tmp_path})"
    assert [path.name for path in tmp_path.rglob("*")] == ["dbt_utils"]


def test_a_folder_without_packages_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DBT_PACKAGES_PATH", str(tmp_path))
    said = CliRunner().invoke(app, ["packages"])
    assert said.exit_code == 1
    assert f"DBT_PACKAGES_PATH is '{tmp_path}', which has no dbt_utils: install" in said.output


def test_what_dbt_deps_says_is_told_when_it_fails(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("DBT_PACKAGES_PATH")
    monkeypatch.setattr(packages, "PROBE", "")
    shutil.copytree(ROOT / "offline_packages", tmp_path / "offline_packages")
    with working_folder(tmp_path):
        said = packages.install(Path("dbt_packages"))
    assert said.startswith("dbt packages: from offline_packages/, because `dbt deps` failed:\n")
    assert "No dbt_project.yml found" in said
    assert (tmp_path / "dbt_packages" / "dbt_utils").is_dir()
