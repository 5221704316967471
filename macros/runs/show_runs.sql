{# Prints what the last ten runs did, the newest last: dbt run-operation show_runs, or make runs #}
{% macro show_runs() %}
    {% set last = run_query(
        "select started_at, command, summary from " ~ runs() ~ " order by started_at desc limit 10"
    ).rows if load_relation(runs()) else [] %}
    {% for started_at, command, summary in last | reverse %}
        {% do print((started_at | string)[:16] ~ "  " ~ "%-6s" | format(command) ~ summary) %}
    {% endfor %}
    {% if not last %} {% do print("Nothing has been run yet: make build.") %} {% endif %}
{% endmacro %}


{# Prints every load that was read, the newest last, as one line of JSON: user-metrics loads shows it. #}
{% macro show_loads() %}
    {% set loads = ref('loads') %}
    {% if not load_relation(loads) %}
        {% do exceptions.raise_compiler_error("There is no " ~ loads.schema ~ ".loads yet: run make build.") %}
    {% endif %}
    {% set read %}
        select table_name, load_date, delivered_rows, rejected_rows, vanished_rows, last_read_at, state
        from {{ loads }} order by load_date, table_name
    {% endset %}
    {% do print(tojson(records(read))) %}
{% endmacro %}
