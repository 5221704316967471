{#
    What the model's table holds before this run: its rows on an incremental run, no rows (of the contract's
    columns and types) when it is built from nothing. So a model is written once, for both.

    where: a condition on the stored rows
#}
{% macro stored_rows(where='1 = 1') %}
    {% if is_incremental() %}
        select * from {{ this }} where {{ where }}
    {% else %}
        {{ no_rows(model['columns']) }}
    {% endif %}
{% endmacro %}


{# A query of no rows with columns as YAML declares them: a dict of name to {name, data_type}. #}
{% macro no_rows(columns) %}
    select * from ({{ get_empty_schema_sql(columns) }}) as typed
    where 1 = 0
{% endmacro %}


{#
    The greatest value of a column in a table as it stands, none if there is no such table, column or row.
    Looks even when the table is about to be rebuilt, so that revisions and the calendar never go back.

    relation: the table; column: its column; where: the rows to look at
#}
{% macro stored_maximum(relation, column, where='1 = 1') %}
    {% set stored = load_relation(relation) if execute %}
    {% if stored and column in run_query('select * from ' ~ stored ~ ' where 1 = 0').column_names %}
        {% do return(query_row("select max(" ~ column ~ ") from " ~ stored ~ " where " ~ where)[0]) %}
    {% endif %}
    {% do return(none) %}
{% endmacro %}
