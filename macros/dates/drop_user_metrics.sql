{#
    Drops user_metrics, whose last date the calendar never goes back behind: dbt run-operation drop_user_metrics
    The next build makes it anew, up to the newest load or run_date.
#}
{% macro drop_user_metrics() %}
    {% set metrics = api.Relation.create(target.database, target.schema, 'user_metrics', type='table') %}
    {% do adapter.drop_relation(metrics) %}
    {% do adapter.commit() %}
{% endmacro %}
