"""The target prod of profiles.yml: what reaches the driver, and that a variable that is missing is named."""

from __future__ import annotations

from typing import Any

import pytest
import redshift_connector
from dbt.adapters.redshift.connections import get_connection_method
from dbt_common.exceptions import DbtBaseException

from user_metrics.warehouse import credentials, target

pytestmark = pytest.mark.redshift

DATABASE = {"REDSHIFT_HOST": "h", "REDSHIFT_DATABASE": "d", "REDSHIFT_USER": "u", "REDSHIFT_PASSWORD": "0123"}
IAM = {**DATABASE, "REDSHIFT_METHOD": "iam", "REDSHIFT_CLUSTER_ID": "c"}
IAM_ROLE = {"REDSHIFT_METHOD": "iam_role", "REDSHIFT_HOST": "h", "REDSHIFT_DATABASE": "d", "REDSHIFT_CLUSTER_ID": "c"}
SERVERLESS = {
    "REDSHIFT_METHOD": "iam_role", "REDSHIFT_HOST": "h", "REDSHIFT_DATABASE": "d",
    "REDSHIFT_SERVERLESS_WORK_GROUP": "w", "REDSHIFT_REGION": "eu-west-1", "REDSHIFT_IAM_PROFILE": "p",
}  # fmt: skip


class ReachedError(Exception):
    """The driver was called."""


@pytest.mark.parametrize(
    ("environment", "expected"),
    [
        (DATABASE, {"host": "h", "port": 5439, "database": "d", "user": "u", "password": "0123", "ssl": True}),
        ({**DATABASE, "REDSHIFT_PORT": "5440", "REDSHIFT_SSLMODE": "disable"}, {"port": 5440, "ssl": False}),
        (IAM, {"iam": True, "db_user": "u", "cluster_identifier": "c", "password": "", "is_serverless": False}),
        ({**IAM, "REDSHIFT_IAM_PROFILE": "p", "REDSHIFT_REGION": "eu-west-1"}, {"profile": "p", "region": "eu-west-1"}),
        (IAM_ROLE, {"iam": True, "db_user": None, "cluster_identifier": "c", "group_federation": True}),
        (
            SERVERLESS,
            {"iam": True, "is_serverless": True, "serverless_work_group": "w", "region": "eu-west-1", "profile": "p",
             "cluster_identifier": None},
        ),
    ],
)  # fmt: skip
def test_every_way_to_sign_in_reaches_the_driver(
    environment: dict[str, str], expected: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    given: dict[str, Any] = {}

    def connect(**arguments: Any) -> None:
        given.update(arguments)
        raise ReachedError

    monkeypatch.setattr(redshift_connector, "connect", connect)
    with pytest.raises(ReachedError):
        get_connection_method(credentials(environment))()
    assert {name: given[name] for name in expected} == expected
    assert given["timeout"] is None, "a time-out of connecting would end long statements"


def test_what_can_be_set_has_a_default() -> None:
    fields = credentials(DATABASE)
    assert (fields.retries, fields.retry_all, fields.sslmode) == (1, False, "prefer")
    assert (fields.schema, fields.query_group, target(DATABASE)["threads"]) == ("analytics", "user_metrics", 4)
    changed = {"REDSHIFT_RETRIES": "2", "REDSHIFT_SCHEMA": "s", "REDSHIFT_QUERY_GROUP": "q", "REDSHIFT_THREADS": "8"}
    fields = credentials({**DATABASE, **changed})
    assert (fields.retries, fields.schema, fields.query_group) == (2, "s", "q")
    assert target({**DATABASE, **changed})["threads"] == 8


@pytest.mark.parametrize(
    ("environment", "needed"),
    [
        (DATABASE, ["HOST", "DATABASE", "USER", "PASSWORD"]),
        (IAM, ["HOST", "DATABASE", "USER", "CLUSTER_ID"]),
        (IAM_ROLE, ["HOST", "DATABASE", "CLUSTER_ID"]),
        (SERVERLESS, ["HOST", "DATABASE"]),
    ],
)
def test_a_variable_that_is_missing_or_empty_is_named(environment: dict[str, str], needed: list[str]) -> None:
    for name in (f"REDSHIFT_{short}" for short in needed):
        without = {key: value for key, value in environment.items() if key != name}
        with pytest.raises(DbtBaseException, match=rf"Env var required but not provided: '{name}'"):
            target(without)
        with pytest.raises(DbtBaseException, match=rf"Env var required but not provided: '{name} \(it is empty\)'"):
            target({**without, name: ""})
    target(environment)


@pytest.mark.parametrize(
    ("name", "value", "allowed"),
    [
        ("PORT", "99999999", "a number from 1 to 65535"),
        ("PORT", "0", "a number from 1 to 65535"),
        ("PORT", "redshift", "a number from 1 to 65535"),
        ("THREADS", "0", "a number from 1 to 64"),
        ("THREADS", "-3", "a number from 1 to 64"),
        ("THREADS", "1000", "a number from 1 to 64"),
        ("METHOD", "password", "database, iam or iam_role"),
    ],
)
def test_a_variable_out_of_any_range_is_named(name: str, value: str, allowed: str) -> None:
    with pytest.raises(DbtBaseException, match=rf"'REDSHIFT_{name} \(it must be {allowed}\)'"):
        target({**DATABASE, f"REDSHIFT_{name}": value})
