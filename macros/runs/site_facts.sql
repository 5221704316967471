{#
    Prints, as one line of JSON, what the landing page of the documentation shows: how far the tables go, how many rows they
    have, and what the last runs did. `user-metrics docs` runs it.
#}
{% macro site_facts() %}
    {% set first_date, last_date = built_dates() %}
    {% set facts = {
        'project': project_name, 'target': target.name, 'engine': target.type, 'first_date': first_date | string,
        'last_date': last_date | string if last_date else none, 'tables': [], 'runs': [],
    } %}
    {% for model in graph.nodes.values() if model.resource_type == 'model' and model.access | string == 'public' %}
        {% set stored = load_relation(api.Relation.create(model.database, model.schema, model.alias)) %}
        {% do facts.tables.append({
            'id': model.unique_id, 'name': model.name, 'description': model.description,
            'rows': query_row("select count(*) from " ~ stored)[0] | int,
        }) if stored %}
    {% endfor %}
    {% for run in run_query(
        "select started_at, command, summary, tests_passed, tests_warned, tests_failed from " ~ runs()
        ~ " order by started_at desc limit 10"
    ).rows %}
        {% do facts.runs.append({
            'started_at': run[0] | string, 'command': run[1], 'summary': run[2],
            'passed': run[3] | int, 'warned': run[4] | int, 'failed': run[5] | int,
        }) %}
    {% endfor %}
    {% do print(tojson(facts)) %}
{% endmacro %}
