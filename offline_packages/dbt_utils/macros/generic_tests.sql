{# Fails with each combination of the columns that stands in more than one row. #}
{% test unique_combination_of_columns(model, combination_of_columns, quote_columns=false) %}
    {% set columns = combination_of_columns | map('string') | list %}
    {% set columns = (columns | map('tojson') if quote_columns else columns) | join(', ') %}
    with counted as (
        select {{ columns }}, count(*) as times
        from {{ model }}
        group by {{ columns }}
    )

    select * from counted
    where times > 1
{% endtest %}


{# Fails with the rows whose value is under min_value or over max_value (or equal to it, unless inclusive). #}
{% test accepted_range(model, column_name, min_value=none, max_value=none, inclusive=true) %}
    {% set outside = [] %}
    {% for limit, beyond in [(min_value, '<'), (max_value, '>')] if limit is not none %}
        {% do outside.append(column_name ~ ' ' ~ beyond ~ ('' if inclusive else '=') ~ ' ' ~ limit) %}
    {% endfor %}
    select {{ column_name }} as out_of_range
    from {{ model }}
    where {{ outside | join(' or ') or '1 = 0' }}
{% endtest %}
