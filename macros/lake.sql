{#
    Makes raw.users and raw.orders ready to read, on-run-start. On DuckDB they are views over the parquet
    files under LAKE_URI; on Redshift tables that the load has filled, and must be there.
#}
{% macro register_lake() %}
    {% set orders = ref('fct_orders') %}
    {% if execute %}
        {% do adapter.dispatch('register_lake')(stored_maximum(orders, '_last_load_date')) %}
    {% endif %}
{% endmacro %}


{% macro redshift__register_lake(processed) %}
    {% for table in raw_sources() if not load_relation(source('raw', table.name)) %}
        {% do exceptions.raise_compiler_error(
            "The database " ~ table.database ~ " has no table " ~ table.schema ~ "." ~ table.name ~ ": correct REDSHIFT_RAW_SCHEMA,"
            ~ " or make the tables with 'dbt run-operation create_raw_tables --target " ~ target.name ~ "' and load them."
        ) %}
    {% endfor %}
{% endmacro %}


{# Makes the raw tables that are not there yet, on Redshift: dbt run-operation create_raw_tables --target prod #}
{% macro create_raw_tables() %}
    {% for table in raw_sources() %}
        {% set columns = [] %}
        {% for column in table.columns.values() %} {% do columns.append(column.name ~ ' ' ~ column.data_type) %} {% endfor %}
        {% do run_query("create schema if not exists " ~ table.schema) %}
        {% do run_query(
            "create table if not exists " ~ source('raw', table.name) ~ " (" ~ columns | join(', ')
            ~ ") distkey (id) sortkey (date)"
        ) %}
    {% endfor %}
{% endmacro %}


{# The declared sources: raw.users and raw.orders. #}
{% macro raw_sources() %}
    {% do return(graph.sources.values() | selectattr('source_name', 'equalto', 'raw') | list) %}
{% endmacro %}


{% macro duckdb__register_lake(processed) %}
    {% set lake, is_readable = query_row("select getvariable('lake_uri'), getvariable('lake_is_readable')") %}
    {% if not is_readable %}
        {% do exceptions.raise_compiler_error("LAKE_URI is '" ~ lake ~ "', which is not a folder that can be read.") %}
    {% endif %}
    {% if processed and not flags.FULL_REFRESH and not query_row("select count(*) from glob(" ~ sql_text(lake ~ '/*/date=*/*.parquet') ~ ")")[0] %}
        {% do exceptions.raise_compiler_error(
            "LAKE_URI is '" ~ lake ~ "', which holds no parquet file, but loads up to " ~ processed
            ~ " were built from it. If it was meant to be emptied, run with --full-refresh."
        ) %}
    {% endif %}
    {% do run_query('create schema if not exists raw') %}
    {% for source in raw_sources() %}
        {% set files = sql_text(lake ~ '/' ~ source.name ~ '/date=*/*.parquet') %}
        {% do check_lake_files(files, source.columns, none if flags.FULL_REFRESH else processed) %}
        {% do run_query('create or replace view raw.' ~ source.name ~ ' as ' ~ lake_query(files, source.columns)) %}
    {% endfor %}
{% endmacro %}


{% macro sql_text(text) %}
    {% do return("'" ~ text | replace("'", "''") ~ "'") %}
{% endmacro %}


{# The query of one table's files; without any file, of no rows. #}
{% macro lake_query(files, columns) %}
    {% if query_row("select count(*) from glob(" ~ files ~ ")")[0] == 0 %}
        {% do return(no_rows(columns)) %}
    {% endif %}
    select
        {% for column in columns.values() %} cast({{ column.name }} as {{ column.data_type }}) as {{ column.name }}{{ ',' if not loop.last }} {% endfor %}
    from read_parquet({{ files }}, hive_partitioning = true, hive_types = {'date': date})
{% endmacro %}


{#
    Stops the run, before it has written anything, when a file that it may read is not as the source's columns
    say. Older files were checked by the run that read them.
#}
{% macro check_lake_files(files, columns, processed) %}
    {% set listed %}
        select file, try_cast(regexp_extract(file, '/date=([^/]*)/[^/]*$', 1) as date) as date from glob({{ files }})
    {% endset %}
    {% set misplaced = run_query("select file from (" ~ listed ~ ") where date is null limit 1").rows %}
    {% if misplaced %}
        {% do exceptions.raise_compiler_error(misplaced[0][0] ~ " is not in a folder named date=YYYY-MM-DD.") %}
    {% endif %}
    {% set window = {
        'after': processed - modules.datetime.timedelta(days=var('load_window_days')) if processed else none,
        'run_date': date_setting('run_date'),
    } %}
    {% set to_read = run_query("select file from (" ~ listed ~ ") where " ~ in_load_window('date', window)).columns[0].values() %}
    {% if to_read %}
        {% set wrong = run_query(wrong_columns(to_read, columns)).rows %}
        {% if wrong %}
            {% do exceptions.raise_compiler_error(
                "The file " ~ wrong[0].file_name ~ " has " ~ (
                    "the column " ~ wrong[0].name ~ " as " ~ wrong[0].found if wrong[0].found else "no column " ~ wrong[0].name
                ) ~ "; it must be " ~ wrong[0].expected ~ "."
            ) %}
        {% endif %}
    {% endif %}
{% endmacro %}


{# A query of the first column, if any, that a parquet file lacks or has in another type. #}
{% macro wrong_columns(files, columns) %}
    with files as (
        select * from parquet_schema([{% for file in files %}{{ sql_text(file) }}{{ ', ' if not loop.last }}{% endfor %}])
    ),

    expected as (
        {% for column in columns.values() if column.name != 'date' %}
            select '{{ column.name }}' as name, '{{ column.data_type | upper | replace(' ', '') }}' as expected
            {{ 'union all' if not loop.last }}
        {% endfor %}
    )

    select roots.file_name, expected.name, expected.expected, files.duckdb_type as found
    from (select distinct file_name from files) as roots
    cross join expected
    left join files on roots.file_name = files.file_name and expected.name = files.name
    where files.duckdb_type is distinct from expected.expected
    order by roots.file_name
    limit 1
{% endmacro %}
