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
