{#
    Why a delivered row cannot be placed, null when it can. One day of grace: a load may be extracted just after midnight
    of the next day.

    id: column of the row's id; also: further columns that must not be null
#}
{% macro rejection_reason(id, also=[]) %}
    case
        when {{ id }} is null then 'id is null'
        {% for column in also + ['created_at', 'updated_at', '_loaded_at'] %}
        when {{ column }} is null then '{{ column }} is null'
        {% endfor %}
        when cast(created_at as date) < {{ date_setting('earliest_date') }} then 'created_at is before earliest_date'
        {% for column in ['created_at', 'updated_at'] %}
        when cast({{ column }} as date) > {{ dbt.dateadd('day', 1, '_load_date') }} then '{{ column }} is after the load'
        {% endfor %}
    end
{% endmacro %}
