{#
    The newest load date that has rows in raw, or none. Looks at the newest partitions first, and at all of them
    only when those are empty.

    processed: the newest load date processed so far, none for none
#}
{% macro newest_load_date(processed) %}
    {% set users, orders = ref('stg_users'), ref('stg_orders') %}
    {% set newest = namespace(date=none) %}
    {% for after in [processed, python_date(var('earliest_date'))] if execute and after and not newest.date %}
        {% set newest.date = query_row(
            "select max(load_date) from ("
            ~ "select load_date from " ~ users ~ " union all select load_date from " ~ orders
            ~ ") as loads where load_date >= " ~ date_literal(after)
        )[0] %}
    {% endfor %}
    {% do return(newest.date) %}
{% endmacro %}
