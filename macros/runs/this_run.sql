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


{# When this run began (UTC), as a literal. #}
{% macro run_start() %}
    {%- do return("cast('" ~ run_started_at.strftime('%Y-%m-%d %H:%M:%S.%f') ~ "' as timestamp)") -%}
{% endmacro %}
