{# The newest load date that has rows in raw, read from the partitions after what was processed; or none. #}
{% macro newest_load_date() %}
    {% set users, orders = ref('stg_users'), ref('stg_orders') %}
    {% if execute %}
        {% set processed = [stored_maximum(ref('dim_users'), '_last_load_date'), stored_maximum(ref('fct_orders'), '_last_load_date')] | select | list %}
        {% set bound = date_literal(processed | max if processed else var('earliest_date')) %}
        {% do return(query_row("select max(load_date) from (select load_date from " ~ users ~ " where load_date >= " ~ bound ~ " union all select load_date from " ~ orders ~ " where load_date >= " ~ bound ~ ") as loads")[0]) %}
    {% endif %}
    {% do return(none) %}
{% endmacro %}
