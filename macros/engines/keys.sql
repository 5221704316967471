{#
    The columns of a table with a contract, on DuckDB without its keys: DuckDB would enforce them, with an index over all
    of user_metrics. On Redshift keys are told to the planner and not enforced. Data tests look at both.
#}
{% macro duckdb__get_table_columns_and_constraints() %}
    ({{ adapter.render_raw_columns_constraints(raw_columns=model['columns']) | join(', ') }})
{% endmacro %}
