"""Every dbt command that production runs, with stock dbt-redshift, from an empty database."""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
import yaml
from support.project import ROOT, failure
from support.redshift.project import READER, RedshiftProject

from user_metrics.lake import FolderLake
from user_metrics.sample import write_lake

pytestmark = pytest.mark.redshift

YESTERDAY = datetime.now(UTC).date() - timedelta(days=1)


COMMANDS: list[tuple[str, ...]] = [
    ("build",),
    ("build", "--full-refresh", "--exclude-resource-type", "unit_test"),
    ("snapshot",),
    ("source", "freshness"),
    ("docs", "generate"),
    ("run-operation", "site_facts"),
    ("run-operation", "report_data"),
]


def test_every_command_succeeds_and_leaves_no_session(warehouse: RedshiftProject) -> None:
    write_lake(FolderLake(warehouse.lake), YESTERDAY, days=10)
    warehouse.load()
    for command in COMMANDS:
        warehouse.run(*command)
        assert warehouse.server.sessions() == [], command
    runs = warehouse.query("select command, loads_read, is_clean from analytics.user_metrics_runs order by started_at")
    assert runs == [("build", 20, True), ("build", 20, True)]


def columns_as_stored(warehouse: RedshiftProject, schema: str) -> dict[tuple[str, str], str]:
    """(table, column) to type, of every table and view of a schema that holds something; locks do not."""
    found = warehouse.query(rf"""
        select pg_class.relname, pg_attribute.attname, format_type(pg_attribute.atttypid, pg_attribute.atttypmod)
        from pg_attribute
        inner join pg_class on pg_attribute.attrelid = pg_class.oid
        where pg_class.relnamespace = '{schema}'::regnamespace and pg_class.relkind in ('r', 'v')
            and pg_class.relname not like '%\_lock'
            and pg_attribute.attnum > 0 and not pg_attribute.attisdropped
    """)
    return {(table, column): type for table, column, type in found}


def test_from_empty_raw_tables_every_column_has_its_declared_type(warehouse: RedshiftProject) -> None:
    warehouse.run("build", "--exclude-resource-type", "test", "unit_test")
    spelled = {
        "timestamp": "timestamp without time zone",
        "decimal(18, 2)": "numeric(18,2)",
        "varchar": "character varying",
        **{f"varchar({length})": f"character varying({length})" for length in (16, 32, 36, 64, 256, 1024)},
    }

    def declared(*files: str) -> dict[tuple[str, str], str]:
        return {
            (table["name"], column["name"]): spelled.get(column["data_type"], column["data_type"])
            for file in files
            for table in nodes(file)
            for column in table["columns"]
        }

    def nodes(file: str) -> list[dict[str, Any]]:
        content = yaml.safe_load((ROOT / file).read_text())
        return content["models"] if "models" in content else content["sources"][0]["tables"]  # type: ignore[no-any-return]

    assert columns_as_stored(warehouse, "raw") == declared("models/staging/_sources.yml")
    stored = columns_as_stored(warehouse, "analytics")
    marts = declared("models/marts/_models.yml")
    assert {column: type for column, type in stored.items() if column[0] in {table for table, _ in marts}} == marts
    assert {column: type for column, type in stored.items() if column[0] == "order_statuses"} == {
        ("order_statuses", "status"): "character varying(32)",
        ("order_statuses", "counts_as_order"): "boolean",
        ("order_statuses", "counts_as_spend"): "boolean",
    }
    # What has no declaration, views and the snapshot, has the types of what it reads; texts come from literals.
    assert {*stored.values()} <= {*marts.values(), *spelled.values(), "text"}


def test_tables_have_their_keys_comments_and_readers_and_keep_them(warehouse: RedshiftProject) -> None:
    design = {
        "dim_users": ("primary key (user_id, updated_at)", "distkey (user_id)", "sortkey(user_id)"),
        "fct_orders": ("primary key (order_id)", "distkey (order_id)", "sortkey(order_date)"),
        "user_metrics": ("primary key (date, user_id)", "distkey (user_id)", "sortkey(date)"),
    }
    for arguments in (("build", "--exclude-resource-type", "test", "unit_test"), ("run", "--full-refresh"), ("run",)):
        warehouse.server.statements.clear()
        warehouse.run(*arguments)
        created = [
            " ".join(s.sql.split()) for s in warehouse.server.statements if "create" in s.sql and "table" in s.sql
        ]
        for table, parts in design.items():
            (statement,) = [
                sql
                for sql in created
                if re.search(rf'create\s+(temporary )?table "?.*{table}__dbt_tmp', sql)
                or f'create table "dev"."analytics"."{table}"' in sql
            ]
            assert all(part in statement for part in parts), statement
        for table in (*design, "user_metrics_report"):
            assert warehouse.query(f"select has_table_privilege('{READER}', 'analytics.{table}', 'select')") == [
                (True,)
            ]
            (comment,) = warehouse.query(f"select obj_description('analytics.{table}'::regclass)")[0]
            assert "one row per" in comment
        assert warehouse.query("select col_description('analytics.user_metrics'::regclass, 3)") == [
            ("The user's address that was valid on the date. Personal data.",)
        ]
    assert warehouse.query(f"select has_table_privilege('{READER}', 'analytics.stg_users', 'select')") == [(False,)]


def test_what_consumers_have_built_stays(warehouse: RedshiftProject) -> None:
    write_lake(FolderLake(warehouse.lake), YESTERDAY, days=3)
    warehouse.load()
    warehouse.run("build", "--exclude-resource-type", "test", "unit_test", "snapshot")
    for name, source in (
        ("on_report", "user_metrics_report"),
        ("on_metrics", "user_metrics"),
        ("on_rejected", "rejected_orders"),
    ):
        warehouse.execute(f"create view public.{name} as select * from analytics.{source}")
    write_lake(FolderLake(warehouse.lake), YESTERDAY + timedelta(days=1), days=4)
    warehouse.load()
    warehouse.run("run")
    for name in ("on_report", "on_metrics", "on_rejected"):
        warehouse.query(f"select count(*) from public.{name}")
    warehouse.run("run", "--full-refresh", "--select", "user_metrics")
    rows = warehouse.query("select count(*) from analytics.user_metrics")
    assert warehouse.query("select count(*) from analytics.user_metrics_report") == rows
    assert warehouse.query("select count(*) from public.on_report") == rows


def test_a_view_whose_columns_have_changed_is_made_anew(warehouse: RedshiftProject) -> None:
    warehouse.run("run", "--select", "staging")
    warehouse.execute("drop view analytics.stg_users cascade")
    warehouse.execute("create view analytics.stg_users as select 1 as something_else")
    warehouse.run("run", "--select", "staging")
    assert ("stg_users", "user_id") in columns_as_stored(warehouse, "analytics")


def test_raw_tables_that_are_missing_are_named(warehouse: RedshiftProject) -> None:
    warehouse.execute("drop table raw.orders")
    assert (
        "The database dev has no table raw.orders: correct REDSHIFT_RAW_SCHEMA, or make the tables with "
        "'dbt run-operation create_raw_tables --target prod' and load them."
    ) in failure(warehouse.invoke("run"))
    warehouse.run("run-operation", "create_raw_tables")
    warehouse.run("run", "--select", "staging")


def test_a_command_that_fails_leaves_no_session(warehouse: RedshiftProject) -> None:
    warehouse.run("seed")
    assert not warehouse.invoke("run", run_date="yesterday").success
    assert warehouse.server.sessions() == []
    refused = warehouse.invoke(
        "show", "--inline", "select count(*) filter (where true) from {{ ref('order_statuses') }}"
    )
    assert "Redshift refuses this" in failure(refused)
    assert warehouse.server.sessions() == []
    for pattern in ("order_statuses", "^BEGIN$", "^COMMIT$"):
        warehouse.server.cut(pattern)
        assert not warehouse.invoke("seed", "--full-refresh").success
        assert warehouse.server.sessions() == [], pattern
    warehouse.run("seed")
