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


{# A query of no rows with columns as YAML declares them: a dict of name to {name, data_type}. #}
{% macro no_rows(columns) %}
    select * from ({{ get_empty_schema_sql(columns) }}) as typed
    where 1 = 0
{% endmacro %}
