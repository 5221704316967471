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
    {% if execute and not var('test_all_dates') %}
        {% set last_date = newest_date(metrics, metrics.incorporate(path={'identifier': 'dim_users'})) %}
        {% if last_date %}
            {% set first_date.value = stored_maximum(metrics, '_restated_from', "date = " ~ date_literal(last_date)) %}
        {% endif %}
    {% endif %}
    {% do return(date_literal(first_date.value or var('earliest_date'))) %}
{% endmacro %}


{# The condition that a load date is among those that the last run read: the load window's and run_date's. #}
{% macro read_loads(column, relation) %}
    {% set loaded = stored_maximum(relation, '_last_load_date') %}
    {% if loaded is none or var('test_all_dates') %}
        {% do return('1 = 1') %}
    {% endif %}
    {% do return(in_load_window(column, {
        'after': loaded - modules.datetime.timedelta(days=var('load_window_days')),
        'run_date': date_setting('run_date'),
    })) %}
{% endmacro %}
