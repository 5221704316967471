{# Fails with each row where column_A is not greater than column_B (or equal to it, with or_equal). #}
{% test expect_column_pair_values_A_to_be_greater_than_B(
    model, column_A, column_B, or_equal=False, row_condition=None
) %}
    select {{ column_A }} as column_a, {{ column_B }} as column_b
    from {{ model }}
    where not {{ column_A }} >{{ '=' if or_equal }} {{ column_B }}
        {% if row_condition %} and {{ row_condition }} {% endif %}
{% endtest %}
