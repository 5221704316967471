{#
    Makes raw.users, raw.orders and raw.loads ready to read, on-run-start. On DuckDB they are made of the files under
    LAKE_URI; on Redshift they are tables that the loader has filled, and must be there.
#}
{% macro register_lake() %}
    {% set readers = readers() %}
    {% if execute %}
        {% do adapter.dispatch('register_lake')() %}
    {% endif %}
{% endmacro %}


{% macro redshift__register_lake() %}
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
        {% if not adapter.check_schema_exists(table.database, table.schema) %}
            {% do run_query("create schema " ~ table.schema) %}
        {% endif %}
        {% do run_query(
            "create table if not exists " ~ source('raw', table.name) ~ " (" ~ columns | join(', ') ~ ") "
            ~ ("diststyle all" if table.name == 'loads' else "distkey (id)") ~ " sortkey (date)"
        ) %}
    {% endfor %}
    {# Stands for raw.loads where loaders wait for each other, so that nobody who reads is kept waiting. #}
    {% do run_query("create table if not exists " ~ lock_of(source('raw', 'loads')) ~ " (nothing bigint)") %}
{% endmacro %}


{# The declared sources: raw.users, raw.orders and raw.loads. #}
{% macro raw_sources() %}
    {% do return(graph.sources.values() | selectattr('source_name', 'equalto', 'raw') | list) %}
{% endmacro %}


{% macro duckdb__register_lake() %}
    {% set lake = list_lake() %}
    {% do refuse_stray_files(lake) %}
    {% do run_query('create or replace table raw.loads as ' ~ loads_of('lake_files')) %}
    {% do adapter.cache_added(source('raw', 'loads')) %}
    {% for table in raw_sources() if table.name != 'loads' %}
        {% do check_new_files(table) %}
        {% do run_query('create or replace view raw.' ~ table.name ~ ' as ' ~ rows_of_files(table)) %}
    {% endfor %}
{% endmacro %}


{# Lists the files that lie in the lake now in the temporary table lake_files, and returns where the lake is. #}
{% macro list_lake() %}
    {% set lake, trouble = query_row("select getvariable('lake_uri'), getvariable('lake_trouble')") %}
    {% if trouble %}
        {% do exceptions.raise_compiler_error("LAKE_URI is '" ~ lake ~ "', " ~ trouble ~ ".") %}
    {% endif %}
    {% do run_query('create schema if not exists raw') %}
    {% do run_query('create or replace temporary table lake_files as ' ~ lake_files()) %}
    {% do return(lake) %}
{% endmacro %}


{# Stops the run when files lie in the lake that no load has: nobody would notice that they are not read. #}
{% macro refuse_stray_files(lake) %}
    {% set strays, example = query_row(
        "select count(*), array_to_string((array_agg(file order by file))[:3], ', ') from lake_files where date is null"
    ) %}
    {% if strays %}
        {% do exceptions.raise_compiler_error(
            "LAKE_URI is '" ~ lake ~ "', where a load is <table>/date=YYYY-MM-DD/*.parquet; " ~ strays ~ " files are not so and would"
            ~ " never be read: " ~ example ~ (", …" if strays > 3 else "") ~ ". Move them; what is unfinished may have a name"
            ~ " that begins with a dot or _."
        ) %}
    {% endif %}
{% endmacro %}


{#
    Stops the run, before it has written anything, when a file that it is about to read is not as the source's columns
    say. The others were checked by the run that read them.
#}
{% macro check_new_files(table) %}
    {% set new_loads = unread_loads(table.name, readers()[table.name].identifier, source('raw', 'loads')) %}
    {% set files = list_of_files(table.name, in_dates('date', new_loads)) if new_loads %}
    {% set wrong = wrong_columns(files, table) if files %}
    {% if wrong %}
        {% do exceptions.raise_compiler_error(
            "The file " ~ wrong[0].files[0] ~ " has " ~ remedy(wrong[0]) ~ "."
            ~ (" So have " ~ (wrong[0].files | length - 1) ~ " more." if wrong[0].files | length > 1 else "")
        ) %}
    {% endif %}
{% endmacro %}
