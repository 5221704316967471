{# The first row of a query, asked while compiling. #}
{% macro query_row(sql) %}
    {% do return(question(sql).rows[0]) %}
{% endmacro %}


{#
    The rows of a query, asked while compiling. A model asks in the transaction in which it then writes, so that on
    Redshift (snapshot isolation) both see the same loads, whatever is loaded meanwhile. A hook or a test does not: what
    it does is rolled back with its transaction.
#}
{% macro question(sql) %}
    {% call statement('question', fetch_result=true, auto_begin=model.resource_type == 'model') %}
        {{ sql }}
    {% endcall %}
    {% do return(load_result('question').table) %}
{% endmacro %}
