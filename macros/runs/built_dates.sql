{# The first and the last date of user_metrics, none where it is empty; refuses where nothing has been built yet. #}
{% macro built_dates() %}
    {% set metrics = ref('user_metrics') %}
    {% if not load_relation(metrics) or not load_relation(runs()) %}
        {% do exceptions.raise_compiler_error(
            "There is no " ~ metrics.schema ~ "." ~ metrics.identifier ~ " yet: run make build."
        ) %}
    {% endif %}
    {% do return(query_row("select min(date), max(date) from " ~ metrics)) %}
{% endmacro %}
