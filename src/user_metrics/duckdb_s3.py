"""How a session of DuckDB reads and writes S3."""

import os
from urllib.parse import urlsplit

import boto3
import duckdb

from user_metrics.duckdb_extensions import load_extension
from user_metrics.sql import literal


def endpoint() -> str | None:
    """The server that S3_ENDPOINT names; none for Amazon's own."""
    return os.environ.get("S3_ENDPOINT") or None


def sign_in(connection: duckdb.DuckDBPyConnection) -> None:
    """Has a session read and write S3, with the credentials that the AWS credential chain finds.

    Raises duckdb.Error where the extension cannot be had, and botocore's errors where credentials cannot be had.
    """
    load_extension(connection, "httpfs")
    session = boto3.Session()
    options = {"region": session.region_name or "us-east-1"}
    if server := endpoint():
        parts = urlsplit(server)
        options |= {"endpoint": parts.netloc, "url_style": "path", "use_ssl": str(parts.scheme == "https").lower()}
    if credentials := session.get_credentials():
        found = credentials.get_frozen_credentials()
        options |= {"key_id": found.access_key, "secret": found.secret_key, "session_token": found.token or ""}
    settings = ", ".join(f"{name} {literal(value)}" for name, value in options.items())
    connection.execute(f"create or replace secret lake (type s3, {settings})")
