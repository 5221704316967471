{#
    What the model's table holds before this run: its rows on an incremental run, no rows (of the contract's
    columns and types) when it is built from nothing. So a model is written once, for both.

    where: a condition on the stored rows
#}
{% macro stored_rows(where='1 = 1') %}
    {% if is_incremental() and not flags.EMPTY %}
        select * from {{ this }} where {{ where }}
    {% else %}
        {{ no_rows(model['columns']) }}
    {% endif %}
{% endmacro %}


{# The names of the columns that a table had when this run began. #}
{% macro stored_columns(relation) %}
    {% set columns = [] %}
    {% for table_name, column_name in columns_at_start(relation) if table_name == relation.identifier %}
        {% do columns.append(column_name) %}
    {% endfor %}
    {% do return(columns) %}
{% endmacro %}


{#
    The names of all tables beside one, and of their columns, when this run began; asked once. dbt's own way asks for each
    table, and begins a transaction, which a hook would have to end.
#}
{% macro columns_at_start(relation) %}
    {% set known = known_to_this_run() %}
    {% if 'columns' not in known %}
        {% do known.update({'columns': run_query(
            "select table_name, column_name from information_schema.columns where table_schema = '" ~ relation.schema ~ "'"
            ~ " and table_catalog = '" ~ relation.database ~ "'"
        ).rows}) %}
    {% endif %}
    {% do return(known.columns) %}
{% endmacro %}


{# A query of no rows with columns as YAML declares them: a dict of name to {name, data_type}. #}
{% macro no_rows(columns) %}
    select * from ({{ get_empty_schema_sql(columns) }}) as typed
    where 1 = 0
{% endmacro %}
