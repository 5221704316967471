{# The declared columns of a table of this project's own bookkeeping. #}
{% macro bookkeeping_columns(name) %}
    {% do return(
        (graph.sources.values() | selectattr('source_name', 'equalto', 'bookkeeping') | selectattr('name', 'equalto', name) | first)
        .columns.values() | list
    ) %}
{% endmacro %}


{# Makes such a table, on-run-start, and has dbt know that it is there. #}
{% macro make_bookkeeping(relation) %}
    {# Asked first: on Redshift, only who may create schemas may say `if not exists`. #}
    {% if not adapter.check_schema_exists(relation.database, relation.schema) %} {% do create_schema(relation) %} {% endif %}
    {% call statement('bookkeeping', auto_begin=true) %}
        create table if not exists {{ relation }} (
            {% for column in bookkeeping_columns(relation.identifier) %}
            {{ column.name }} {{ column.data_type }}{{ ',' if not loop.last }}
            {% endfor %}
        )
    {% endcall %}
    {% do adapter.commit() %}
    {% do adapter.cache_added(relation) %}
{% endmacro %}


{# Adds the columns that such a table, made by an older version of this project, has not. #}
{% macro complete_bookkeeping(relation) %}
    {% set there = stored_columns(relation) %}
    {% for column in bookkeeping_columns(relation.identifier) if column.name not in there %}
        {% call statement('column', auto_begin=true) %}
            alter table {{ relation }} add column {{ column.name }} {{ column.data_type }}
        {% endcall %}
        {% do adapter.commit() %}
    {% endfor %}
{% endmacro %}
