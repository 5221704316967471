{# Fails with each combination of the columns that stands in more than one row. #}
{% test unique_combination_of_columns(model, combination_of_columns, quote_columns=false) %}
    {% set columns = [] %}
    {% for column in combination_of_columns %}
        {% do columns.append(adapter.quote(column) if quote_columns else column) %}
    {% endfor %}
    select {{ columns | join(', ') }}
    from {{ model }}
    group by {{ columns | join(', ') }}
    having count(*) > 1
{% endtest %}


{# Fails with the rows whose value is under min_value or over max_value (or equal to it, unless inclusive). #}
{% test accepted_range(model, column_name, min_value=none, max_value=none, inclusive=true) %}
    {% set or_equal = '=' if inclusive %}
    select *
    from {{ model }}
    where 1 = 2
        {% if min_value is not none %} or not {{ column_name }} >{{ or_equal }} {{ min_value }} {% endif %}
        {% if max_value is not none %} or not {{ column_name }} <{{ or_equal }} {{ max_value }} {% endif %}
{% endtest %}
