{#
    The newest load date that has rows in raw, or none. Looks at the newest partitions first, and at all of them
    only when those are empty.

    processed_users, processed_orders: the newest load date of each processed so far, none for none
#}
{% macro newest_load_date(processed_users, processed_orders) %}
    {% set users, orders = ref('stg_users'), ref('stg_orders') %}
    {% set found = namespace(date=none) %}
    {% set processed = [processed_users, processed_orders] | select | max %}
    {% for first_date in [processed, python_date(var('earliest_date'))] if execute and first_date and not found.date %}
        {% set found.date = query_row(
            "select max(load_date) from ("
            ~ "select load_date from " ~ users ~ " union all select load_date from " ~ orders
            ~ ") as loads where load_date >= " ~ date_literal(first_date)
        )[0] %}
    {% endfor %}
    {% do return(found.date) %}
{% endmacro %}
