{# Whether this command builds models, and may write. #}
{% macro is_build() %}
    {% do return(flags.WHICH in ['build', 'run', 'retry']) %}
{% endmacro %}


{# Whether this run builds a model. #}
{% macro is_selected(name) %}
    {% do return('model.' ~ project_name ~ '.' ~ name in selected_resources) %}
{% endmacro %}


{# Whether this run builds a model's table from nothing. #}
{% macro will_be_rebuilt(relation) %}
    {% do return(is_selected(relation.identifier) and (flags.FULL_REFRESH or not load_relation(relation))) %}
{% endmacro %}


{# What this run has asked already, a dict: the graph is the only channel between nodes that dbt leaves. #}
{% macro known_to_this_run() %}
    {% if graph.get('known_to_run', {}).invocation_id != invocation_id %}
        {% do graph.update({'known_to_run': {'invocation_id': invocation_id}}) %}
    {% endif %}
    {% do return(graph.known_to_run) %}
{% endmacro %}


{# When this run began (UTC), as a literal. #}
{% macro run_start() %}
    {%- do return("cast('" ~ run_started_at.strftime('%Y-%m-%d %H:%M:%S.%f') ~ "' as timestamp)") -%}
{% endmacro %}
