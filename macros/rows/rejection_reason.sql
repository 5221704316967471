{#
    Why a delivered row cannot be placed, null when it can. One day of grace: a load may be extracted just after midnight
    of the next day.

    An amount of a trillion or more is a mistake, and with it total_spent, a decimal(18, 2), could overflow.

    table: users or orders; id: column of the row's id
#}
{% macro rejection_reason(table, id) %}
    case
        when {{ id }} is null then 'id is null'
        {% if table == 'orders' %}
        when amount is null then 'amount is null'
        when abs(amount) >= 1000000000000 then 'amount is a trillion or more'
        {% endif %}
        {% for column in ['created_at', 'updated_at', '_loaded_at'] %}
        when {{ column }} is null then '{{ column }} is null'
        {% endfor %}
        when cast(created_at as date) < {{ date_setting('earliest_date') }} then 'created_at is before earliest_date'
        {% for column in ['created_at', 'updated_at'] %}
        when cast({{ column }} as date) > {{ dbt.dateadd('day', 1, '_load_date') }} then '{{ column }} is after the load'
        {% endfor %}
    end
{% endmacro %}
