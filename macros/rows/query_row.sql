{# The first row of a query, asked while compiling. #}
{% macro query_row(sql) %}
    {% do return(run_query(sql).rows[0]) %}
{% endmacro %}
