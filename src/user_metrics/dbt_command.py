"""dbt commands, run in this process from the folder of the project."""

import contextlib
import io
import os
import re
import sys
from collections.abc import Iterator, Sequence
from typing import Any

from dbt.cli.main import dbtRunner
from dbt.contracts.graph.manifest import Manifest

DBT_FAILED, DBT_UNHANDLED = 1, 2
"""dbt's own exit codes: a model or a test has failed; nothing was run, as the project, a setting or an option is wrong.
"""

LEVEL = re.compile(r"^\[(\x1b\[\d+m)?ERROR(\x1b\[0m)?\]: ")
"""What dbt 1.12 begins the message of an error with, perhaps in colour."""


class DbtCommandError(Exception):
    """A command has failed; the message is dbt's sentence."""


def run(*arguments: str, manifest: Manifest | None = None, **variables: str) -> list[str]:
    """Runs a command, quietly and with these environment variables, and returns what macros have printed.

    manifest: the project as it was parsed before, which saves parsing it. Raises DbtCommandError.
    """
    printed: list[str] = []
    errors: list[str] = []

    def heard(event: Any) -> None:
        if event.info.name == "PrintEvent":
            printed.append(event.info.msg)
        elif event.info.level == "error":
            errors.append(event.info.msg)

    with _environment(variables), contextlib.redirect_stdout(io.StringIO()):
        # Whatever DBT_PRINT says: what is printed is the result.
        result = dbtRunner(manifest, callbacks=[heard]).invoke([*arguments, "--quiet", "--print"])
    if not result.success:
        raise DbtCommandError(_sentence(str(result.exception or "\n".join(errors))))
    return printed


def freshness(target: str) -> list[Any]:
    """What dbt's source freshness has found of each source of a target; raises DbtCommandError where it cannot tell."""
    with contextlib.redirect_stdout(io.StringIO()):
        result = dbtRunner().invoke(["source", "freshness", "--target", target, "--quiet", "--no-write-json"])
    found = getattr(result.result, "results", [])
    # The project's hooks are among them.
    failed = [line.message for line in found if line.node.resource_type != "source" and line.status == "error"]
    if result.exception or failed:
        raise DbtCommandError(_sentence(str(result.exception or failed[0])))
    return [line for line in found if line.node.resource_type == "source"]


BUILT = {"LogModelResult": "model", "LogSeedResult": "seed", "LogSnapshotResult": "snapshot"}
"""Events of dbt, and what they say is built."""


def build(options: Sequence[str], is_verbose: bool = False) -> int:
    """Runs dbt build with these options: a line for each model, what tests found, and at the end what the run did.

    is_verbose: all that dbt says, which is in its log in any case. Returns dbt's exit code.
    """
    printed: list[str] = []

    def heard(event: Any) -> None:
        name, data = event.info.name, event.data
        if name == "PrintEvent":
            printed.append(event.info.msg)
        elif name in BUILT and not is_verbose:
            node = data.node_info
            failed = "" if node.node_status == "success" else f"  {node.node_status}"
            print(f"  {BUILT[name]:<9}{node.node_name:<24}{data.execution_time:6.1f} s{failed}", flush=True)
        elif name == "LogTestResult" and data.status == "warn" and not is_verbose:
            print(f"  warning  {data.name}: {data.num_failures:,}", flush=True)

    command = ["build", *options] if is_verbose else ["build", "--quiet", *options]
    result = dbtRunner(callbacks=[heard]).invoke(command)
    if result.exception:
        print(_sentence(str(result.exception)), file=sys.stderr)
        return DBT_UNHANDLED
    if printed and (is_verbose or not result.success):
        print(f"\n{printed[-1]}")  # the sentence of record_run, which dbt has printed before what failed
    return 0 if result.success else DBT_FAILED


def parse(target: str) -> Manifest:
    """The project as dbt reads it for a target; raises DbtCommandError."""
    result = dbtRunner().invoke(["--quiet", "parse", "--target", target, "--no-write-json"])
    if not result.success:
        raise DbtCommandError(_sentence(str(result.exception)))
    return result.result


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
    lines = [LEVEL.sub("", line.strip()) for line in message.splitlines()]
    said = [
        line
        for line in lines
        if line and not line.startswith((">", "Compilation Error", "Runtime Error", "Encountered"))
    ]
    return " ".join(said)
