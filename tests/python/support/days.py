"""A small world of days, users and orders, for tests that tell one thing."""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Callable
from datetime import date, datetime, timedelta
from pathlib import Path

from support.project import Project, order, user

MADE: dict[tuple[Callable[..., None], tuple[int, ...]], tuple[Project, tempfile.TemporaryDirectory[str]]] = {}
"""What this process has made, and copies from then on."""

DAY = [date(2024, 1, 1) + timedelta(days=offset) for offset in range(40)]


def at(day: date, hour: int = 9) -> datetime:
    return datetime(day.year, day.month, day.day, hour)


def loaded(day: date) -> datetime:
    return at(day + timedelta(days=1), 0) + timedelta(minutes=30)


def write_days(project: Project, days: int) -> None:
    """A load a day: two users from the first day, and an order of the first user on every day."""
    for number, day in enumerate(DAY[:days]):
        users = [user(id, f"{id}@x.org", at(day), at(day), loaded(day)) for id in (1, 2)] if number == 0 else []
        project.write_load("users", day, users)
        row = order(number, 1, "10.00", "completed", at(day), at(day), loaded(day))
        project.write_load("orders", day, [row])


def build(project: Project, *arguments: str, **variables: object) -> None:
    """Seeds and models, without their tests."""
    project.run("build", "--exclude-resource-type", "test", "unit_test", "snapshot", *arguments, **variables)


def build_days(project: Project, days: int) -> None:
    """Writes and builds some days."""
    write_days(project, days)
    build(project)


def made(project: Project, make: Callable[..., None], *arguments: int) -> Project:
    """An empty project with which something has been done: once in each process, and a copy of that from then on."""
    if (make, arguments) not in MADE:
        folder = tempfile.TemporaryDirectory(prefix="made-")
        template = Project(Path(folder.name))
        make(template, *arguments)
        MADE[make, arguments] = template, folder
    template, _ = MADE[make, arguments]
    shutil.copytree(template.lake, project.lake, dirs_exist_ok=True)
    shutil.copyfile(template.database, project.database)
    return project
