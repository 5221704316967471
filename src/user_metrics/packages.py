"""Installs the dbt packages that packages.yml names."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

OFFLINE_PACKAGES = Path("offline_packages")
HUB_SECONDS = 8
"""How long the hub may take to answer before it counts as out of reach."""

# The probe is a process of its own, because a name look-up that hangs can't be timed out from within.
PROBE = """
import requests
from dbt.clients.registry import DEFAULT_REGISTRY_BASE_URL as hub
requests.head(hub, timeout=5).raise_for_status()
"""


def hub_is_reachable() -> bool:
    """Whether the dbt hub answers within HUB_SECONDS."""
    try:
        probe = subprocess.run([sys.executable, "-c", PROBE], capture_output=True, timeout=HUB_SECONDS, check=False)
    except subprocess.TimeoutExpired:
        return False
    return probe.returncode == 0


def install(folder: Path) -> str:
    """Fills the folder with packages and returns one line that says where they are from.

    A folder named by DBT_PACKAGES_PATH is somebody's own and is left as it is. Raises FileNotFoundError when it has no
    packages.
    """
    if "DBT_PACKAGES_PATH" in os.environ:
        if not (folder / "dbt_utils").is_dir():
            raise FileNotFoundError(
                f"DBT_PACKAGES_PATH is '{folder}', which has no dbt_utils: install the packages of packages.yml there, "
                "or unset it."
            )
        return f"dbt packages: those in DBT_PACKAGES_PATH ({folder})"
    reason = "the dbt hub could not be reached"
    if hub_is_reachable():
        dbt = Path(sys.executable).with_name("dbt")
        deps = subprocess.run([dbt, "deps", "--quiet"], capture_output=True, text=True, check=False)
        if deps.returncode == 0:
            return "dbt packages: from the dbt hub, as packages.yml says"
        reason = f"`dbt deps` failed:\n{(deps.stdout + deps.stderr).strip()}"
    shutil.rmtree(folder, ignore_errors=True)
    shutil.copytree(OFFLINE_PACKAGES, folder)
    return f"dbt packages: from {OFFLINE_PACKAGES}/, because {reason}"
