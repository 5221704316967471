{#
    Prints what a data test has found, as dbt itself says only how many rows: once, when the test is run, and nothing when
    it has found nothing.

    findings: a query whose columns `finding` and `orders` are a text and a count
    before, after: what the findings are, and what to do, around their list
#}
{% macro tell(findings, before, after) %}
    {% if execute and flags.WHICH in ['build', 'test', 'retry'] %}
        {% set parts = [] %}
        {% for row in run_query("select finding, orders from (" ~ findings ~ ") as findings order by orders desc, finding").rows %}
            {# Statuses are data: what would move a cursor or break a line is left out. #}
            {% set finding = modules.re.sub('[\\x00-\\x1f\\x7f-\\x9f]', '', row.finding) %}
            {% do parts.append(finding ~ " (" ~ "{:,}".format(row.orders | int) ~ ")") %}
        {% endfor %}
        {% if parts %} {% do print(before ~ ": " ~ parts | join(", ") ~ ". " ~ after) %} {% endif %}
    {% endif %}
{% endmacro %}
