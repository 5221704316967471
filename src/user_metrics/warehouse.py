"""Connections to Redshift as the target prod of profiles.yml describes it."""

import os
from pathlib import Path
from typing import Any

import redshift_connector
import yaml
from dbt.adapters.redshift.connections import RedshiftCredentials, get_connection_method
from dbt.config.renderer import ProfileRenderer
from dbt_common.context import set_invocation_context


def credentials() -> RedshiftCredentials:
    """What dbt-redshift makes of the target prod, from the folder of the project and the environment.

    Raises dbt's DbtBaseException, which names the variable, when one is missing or wrong.
    """
    set_invocation_context(os.environ)
    profiles = yaml.safe_load(Path("profiles.yml").read_text())
    fields: dict[str, Any] = ProfileRenderer({}).render_data(profiles["user_metrics"]["outputs"]["prod"])
    for name in ("type", "threads"):
        del fields[name]
    fields = RedshiftCredentials.translate_aliases(fields)
    RedshiftCredentials.validate(fields)
    return RedshiftCredentials.from_dict(fields)


def connect() -> redshift_connector.Connection:
    """A session, signed in to as dbt does. Its first statement begins a transaction."""
    session: redshift_connector.Connection = get_connection_method(credentials())()
    session.autocommit = False
    return session


def raw_schema() -> str:
    """The schema of the raw tables."""
    return os.environ.get("REDSHIFT_RAW_SCHEMA", "raw")
