"""How a statement meant for Redshift is said to PostgreSQL; what PostgreSQL lacks is in SHIM."""

from __future__ import annotations

import re
from collections.abc import Callable

from sqlglot.errors import SqlglotError

Rule = tuple[re.Pattern[str], str]


def _rules(*rules: tuple[str, str]) -> list[Rule]:
    return [(re.compile(pattern, re.IGNORECASE | re.DOTALL), replacement) for pattern, replacement in rules]


COMMENT = re.compile(r"\s*(/\*.*?\*/\s*|--[^\n]*\n\s*)*", re.DOTALL)
PARAMETER = re.compile(r"(?<!\w)\$\d+")
CATALOG = re.compile(r"\b(pg_\w+|information_schema|svv_\w+|stl_\w+|sys_\w+)\b", re.IGNORECASE)

# What Redshift has and PostgreSQL has not, and does no harm to leave out.
NOISE = _rules(
    (r"\bdiststyle\s+(all|even|auto|key)\b", ""),
    (r"\bdistkey\s*\([^)]*\)", ""),
    (r"\b(compound\s+|interleaved\s+)?sortkey\s*\([^)]*\)", ""),
    (r"\bbackup\s+(yes|no)\b", ""),
    (r"\b(dateadd|datediff|date_part)\s*\(\s*([a-z]+)\s*,", r"\1('\2',"),
)
SESSION = _rules((r"^(set|reset)\s+query_group\b", r"\1 redshift.query_group"))

# How tables lie, how a database isolates and how space is won back; PostgreSQL shows at least that the names are right.
ADMINISTRATION = _rules(
    (r"^alter\s+table\s+(\S+)\s+alter\s+(?:distkey|sortkey)\s*\(?\s*(\w+)\s*\)?$", r"select \2 from \1 limit 0"),
    (r"^alter\s+database\s+(\S+)\s+isolation\s+level\s+snapshot$",
     r"alter database \1 set default_transaction_isolation to 'repeatable read'"),
    (r"^vacuum\s+(full|sort\s+only|delete\s+only|recluster)\s", "vacuum "),
)  # fmt: skip

# A late-binding view looks its tables up when it is read; PostgreSQL's views hold on to theirs.
LATE_BINDING_VIEW = _rules(
    (
        r"^create\s+(?:or\s+replace\s+)?view\s+(\S+)\s+as\s*\((.*)\)\s*with\s+no\s+schema\s+binding\s*;?\s*$",
        r"call pg_catalog.create_late_binding_view($name$\1$name$, $view$\2$view$)",
    )
)

# Redshift takes these in create table and does not enforce them.
CONSTRAINTS = _rules(
    (
        r",\s*(constraint\s+\S+\s+)?(primary\s+key|unique|foreign\s+key)\s*\([^()]*\)"
        r"(\s*references\s+[\w.\"]+\s*(\([^()]*\))?)?",
        "",
    ),
    (r"\b(primary\s+key|unique|references\s+[\w.\"]+\s*(\([^()]*\))?)", ""),
    (r"\bencode\s+\w+", ""),
)
CREATE_TABLE = re.compile(r"create\s+(temp\w*\s+|local\s+)*table\s+(if\s+not\s+exists\s+)?[\w.\"]+\s*\(", re.IGNORECASE)


def translate(sql: str, refuse: Callable[[str], list[str]]) -> str:
    """The statement for PostgreSQL; for one that Redshift refuses, a statement that fails and says why."""
    comment, statement = split_comment(sql)
    # dbt reads PostgreSQL's catalogs on Redshift too, with functions that work on the leader node alone.
    if not CATALOG.search(statement):
        try:
            reasons = refuse(PARAMETER.sub("null", statement))
        except SqlglotError as error:
            reasons = [f"it cannot be read: {error}: {statement}"]
        if reasons:
            return failure("Redshift refuses this: " + "; ".join(reasons))
    constraints = CONSTRAINTS if CREATE_TABLE.match(statement) else []
    for pattern, replacement in (*SESSION, *ADMINISTRATION, *NOISE, *constraints, *LATE_BINDING_VIEW):
        statement = pattern.sub(replacement, statement)
    return comment + statement


def split_comment(sql: str) -> tuple[str, str]:
    """The comments that a statement begins with, such as dbt's query comment, and the statement."""
    found = COMMENT.match(sql)
    start = found.end() if found else 0
    return sql[:start], sql[start:]


def failure(message: str) -> str:
    """A statement that fails with a message, inside whatever transaction is open."""
    text = message.replace("'", "''").replace("%", "%%")
    return f"do $failure$ begin raise exception '{text}'; end $failure$"


SHIM = """
set allow_system_table_mods = on;

create function pg_catalog.getdate() returns timestamp language sql stable
    as $$ select (now() at time zone 'utc')::timestamp $$;

create function pg_catalog.len(text) returns int language sql immutable as $$ select length($1) $$;

create function pg_catalog.dateadd(part text, number bigint, moment timestamp) returns timestamp
    language sql immutable as $$ select moment + (number || ' ' || part)::interval $$;

create function pg_catalog.datediff(part text, first timestamp, last timestamp) returns bigint
    language sql immutable as $$
    select case lower(part)
        when 'day' then last::date - first::date
        when 'month' then
            (extract(year from last) - extract(year from first)) * 12
            + extract(month from last) - extract(month from first)
        when 'hour' then extract(epoch from date_trunc('hour', last) - date_trunc('hour', first)) / 3600
        when 'second' then extract(epoch from date_trunc('second', last) - date_trunc('second', first))
    end::bigint $$;

create function pg_catalog.read_late_binding_view(query text) returns setof record language plpgsql
    as $$ begin return query execute query; end $$;

create procedure pg_catalog.create_late_binding_view(name text, query text) language plpgsql as $$
declare columns text;
begin
    execute 'create temporary view late_binding_probe as ' || query;
    select string_agg(format('%I %s', attname, format_type(atttypid, atttypmod)), ', ' order by attnum)
        into columns
        from pg_attribute where attrelid = 'late_binding_probe'::regclass and attnum > 0;
    drop view late_binding_probe;
    execute format(
        'create or replace view %s as select * from pg_catalog.read_late_binding_view(%L) as view (%s)',
        name, query, columns
    );
end $$;

-- Refuses a parquet file that Redshift's COPY would refuse: columns by position, of exactly the declared types.
create procedure pg_catalog.check_copy(target text, names text[], file text, types text[]) language plpgsql as $$
declare
    declared record;
    found int := 0;
begin
    for declared in
        select attname, replace(format_type(atttypid, null), 'text', 'character varying') as base_type,
            replace(format_type(atttypid, atttypmod), 'text', 'character varying') as full_type
        from pg_attribute
        where attrelid = target::regclass and attnum > 0 and not attisdropped
            and (names is null or attname = any(names))
        order by coalesce(array_position(names, attname::text), attnum)
    loop
        found := found + 1;
        if types[found] is distinct from declared.full_type
            and not (types[found] = 'character varying' and declared.base_type = types[found])
            and found <= cardinality(types)
        then
            raise exception '% has an incompatible Parquet schema for column %: declared %, in the file %',
                file, declared.attname, declared.full_type, types[found];
        end if;
    end loop;
    if found <> cardinality(types) then
        raise exception '% has % columns, but % are to be loaded', file, cardinality(types), found;
    end if;
end $$;

create function pg_catalog.pg_get_late_binding_view_cols() returns setof record language sql stable
    as $$ select null::name, null::name, null::name, null::varchar, null::int where false $$;

create view pg_catalog.svv_external_columns as
    select null::text as schemaname, null::text as tablename, null::text as columnname,
        null::text as external_type, null::int as columnnum
    where false;

create view pg_catalog.svv_table_info as
    select current_database()::text as "database", pg_namespace.nspname::text as "schema", pg_class.oid as table_id,
        pg_class.relname::text as "table", 'N'::text as encoded, 'AUTO(ALL)'::text as diststyle,
        null::text as sortkey1, 256 as max_varchar, null::text as sortkey1_enc, 0 as sortkey_num, 1::bigint as size,
        0::numeric(10, 4) as pct_used, 0::bigint as empty, 0::numeric(5, 2) as unsorted, 0::numeric(5, 2) as stats_off,
        pg_class.reltuples::bigint as tbl_rows, null::numeric(19, 2) as skew_sortkey1, null::numeric(19, 2) as skew_rows
    from pg_class
    inner join pg_namespace on pg_class.relnamespace = pg_namespace.oid
    where pg_class.relkind = 'r' and pg_namespace.nspname not in ('pg_catalog', 'information_schema');

create view pg_catalog.sys_query_detail as
    select oid as table_id, now()::timestamp as start_time, 'insert'::text as step_name
    from pg_class where relkind = 'r';

create view pg_catalog.sys_query_history as
    select 'x'::text as query_label, 'success'::text as status, 0::bigint as queue_time, 0::bigint as execution_time,
        now()::timestamp as start_time
    where false;

create view pg_catalog.stv_db_isolation_level as
    select current_database()::text as db_name,
        case current_setting('default_transaction_isolation')
            when 'repeatable read' then 'Snapshot Isolation' else 'Serializable'
        end as isolation_level;

grant select on pg_catalog.svv_external_columns, pg_catalog.svv_table_info, pg_catalog.sys_query_detail,
    pg_catalog.sys_query_history, pg_catalog.stv_db_isolation_level to public;
"""
