"""Connections to Redshift as the target prod of profiles.yml describes it."""

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import redshift_connector
import yaml
from dbt.adapters.redshift.connections import RedshiftCredentials, get_connection_method
from dbt.config.renderer import ProfileRenderer
from dbt_common.context import set_invocation_context
from dbt_common.exceptions import DbtRuntimeError

from user_metrics.dbt_command import run


def target(environment: Mapping[str, str]) -> dict[str, Any]:
    """The fields of the target prod, with these variables.

    Raises dbt's DbtBaseException, which names the variable, when one is missing or wrong.
    """
    set_invocation_context(environment)
    profiles = yaml.safe_load(Path("profiles.yml").read_text())
    fields: dict[str, Any] = ProfileRenderer({}).render_data(profiles["user_metrics"]["outputs"]["prod"])
    return fields


def credentials(environment: Mapping[str, str]) -> RedshiftCredentials:
    """What dbt-redshift makes of that target."""
    fields = target(environment)
    for name in ("type", "threads"):
        del fields[name]
    fields = RedshiftCredentials.translate_aliases(fields)
    RedshiftCredentials.validate(fields)
    return RedshiftCredentials.from_dict(fields)


def connect() -> redshift_connector.Connection:
    """A session, signed in to as dbt does, which begins a transaction with its first statement.

    Raises dbt's DbtBaseException when that is not possible.
    """
    found = credentials(os.environ)
    try:
        session: redshift_connector.Connection = get_connection_method(found)()
    except (redshift_connector.Error, OSError) as error:
        raise DbtRuntimeError(f"REDSHIFT_HOST is '{found.host}', which cannot be signed in to: {error}") from error
    session.autocommit = False
    return session


def create_raw_tables() -> None:
    """Makes the raw tables that are not there, as the project declares them; raises DbtCommandError."""
    run("run-operation", "create_raw_tables", "--target", "prod", "--no-write-json")


def raw_schema() -> str:
    """The schema of the raw tables."""
    return os.environ.get("REDSHIFT_RAW_SCHEMA", "raw")
