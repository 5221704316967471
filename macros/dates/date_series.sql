{# A query of one column `date`: every date from first_date to last_date (YYYY-MM-DD), none if first is later. #}
{% macro date_series(first_date, last_date) %}
    {% set days = (python_date(last_date) - python_date(first_date)).days + 1 %}
    select
        cast(
            {{ dbt.dateadd('day', 'cast(numbers.generated_number as integer) - 1', date_literal(first_date)) }} as date
        ) as date
    from ({{ dbt.generate_series([days, 1] | max) }}) as numbers
    where numbers.generated_number <= {{ days }}
{% endmacro %}
