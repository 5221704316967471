{# Fails with each row where column_A is not greater than column_B (or equal to it, with or_equal). #}
{% test expect_column_pair_values_A_to_be_greater_than_B(
    model, column_A, column_B, or_equal=False, row_condition=None
) %}
    select {{ column_A }} as column_a, {{ column_B }} as column_b
    from {{ model }}
    where not {{ column_A }} >{{ '=' if or_equal }} {{ column_B }}
        {% if row_condition %} and {{ row_condition }} {% endif %}
{% endtest %}


{# Fails unless the number of rows (of each group) that meet row_condition equals value. #}
{% test expect_table_row_count_to_equal(model, value, group_by=None, row_condition=None) %}
    select count(*) as row_count
    from {{ model }}
    {% if row_condition %} where {{ row_condition }} {% endif %}
    {% if group_by %} group by {{ group_by | join(', ') }} {% endif %}
    having not count(*) = {{ value }}
{% endtest %}
