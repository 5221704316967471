{#
    Gives a test on user_metrics with `where: __changed_dates__` only the dates that the last run wrote, and all
    of them when the var test_all_dates is true; other tests get what dbt gives them.
#}
{% macro get_where_subquery(relation) %}
    {% if execute and config.get('where') == '__changed_dates__' %}
        {% do return("(select * from " ~ relation ~ " where date >= " ~ first_changed_date(relation) ~ ") as dbt_subquery") %}
    {% endif %}
    {% do return(adapter.dispatch('get_where_subquery', 'dbt')(relation)) %}
{% endmacro %}


{# The first date that the last run of user_metrics wrote, or with test_all_dates earliest_date: a literal. #}
{% macro first_changed_date(metrics) %}
    {% set first_date = namespace(value=none) %}
    {% if execute and not var('test_all_dates') and load_relation(metrics) %}
        {% set first_date.value = query_row("select min(_restated_from) from " ~ metrics ~ " where date = (select max(date) from " ~ metrics ~ ")")[0] %}
    {% endif %}
    {% do return(date_literal(first_date.value or var('earliest_date'))) %}
{% endmacro %}


{# The condition that a row of the model `loads` is of a load that the last run has read; of any, with test_all_dates. #}
{% macro just_read() %}
    {%- if var('test_all_dates') -%}
        1 = 1
    {%- else -%}
        last_read_at = (select max(newest.last_read_at) from {{ ref('loads') }} as newest)
    {%- endif -%}
{% endmacro %}


{# The newest date in user_metrics as a literal, earliest_date without rows. #}
{% macro newest_date(metrics) %}
    {% set date = query_row("select max(date) from " ~ metrics)[0] if execute and load_relation(metrics) %}
    {% do return(date_literal(date or var('earliest_date'))) %}
{% endmacro %}
