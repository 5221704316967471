"""The sample, built once by each process that runs tests, and the site of it."""

from __future__ import annotations

from datetime import date
from pathlib import Path

import pytest
from support.days import build
from support.project import Project

from user_metrics.lake import FolderLake
from user_metrics.sample import write_lake


@pytest.fixture(scope="session")
def sample(tmp_path_factory: pytest.TempPathFactory) -> Project:
    """The sample of 40 days up to 2024-03-15."""
    project = Project(tmp_path_factory.mktemp("sample"))
    write_lake(FolderLake(project.lake), date(2024, 3, 15), days=40)
    build(project)
    return project


@pytest.fixture(scope="session")
def site(sample: Project) -> Path:
    """Its site."""
    folder = sample.folder / "site"
    done = sample.command("docs", "--folder", str(folder))
    assert done.output == f"Open {folder / 'index.html'}\n"
    return folder
