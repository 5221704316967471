"""dbt commands, run in this process from the folder of the project."""

import contextlib
import io
import os
from collections.abc import Iterator
from typing import Any

from dbt.cli.main import dbtRunner


class DbtCommandError(Exception):
    """A command has failed; the message is dbt's sentence."""


def run(*arguments: str, **variables: str) -> list[str]:
    """Runs a command, quietly and with these environment variables, and returns what macros have printed.

    Raises DbtCommandError.
    """
    printed: list[str] = []
    errors: list[str] = []

    def heard(event: Any) -> None:
        if event.info.name == "PrintEvent":
            printed.append(event.info.msg)
        elif event.info.level == "error":
            errors.append(event.info.msg)

    with _environment(variables), contextlib.redirect_stdout(io.StringIO()):
        result = dbtRunner(callbacks=[heard]).invoke([*arguments, "--quiet"])
    if not result.success:
        raise DbtCommandError(_sentence(str(result.exception or "\n".join(errors))))
    return printed


@contextlib.contextmanager
def _environment(variables: dict[str, str]) -> Iterator[None]:
    """Runs a block with these variables in the environment."""
    before = dict(os.environ)
    os.environ.update(variables)
    try:
        yield
    finally:
        os.environ.clear()
        os.environ.update(before)


def _sentence(message: str) -> str:
    """The message of dbt without the lines that say which macro has raised it."""
    lines = [line.strip() for line in message.splitlines()]
    said = [line for line in lines if line and not line.startswith((">", "Compilation Error", "Encountered an error"))]
    return " ".join(said)
