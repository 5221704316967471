{#
    Views on Redshift are replaced in place. dbt's own way makes a second view, swaps the names and drops the first with
    cascade: for a moment readers find none, and what others have built on it is gone. It is still taken for a view
    whose columns have changed, as Redshift replaces a view by one with the same columns only.
#}
{% materialization view, adapter='redshift' %}
    {% set stored = load_cached_relation(this) %}
    {% if not stored or not stored.is_view
        or adapter.get_columns_in_relation(stored) | map(attribute='name') | list != get_columns_in_query(sql) %}
        {% do return(dbt.materialization_view_default()) %}
    {% endif %}
    {{ run_hooks(pre_hooks, inside_transaction=false) }}
    {{ run_hooks(pre_hooks, inside_transaction=true) }}
    {% call statement('main') %} {{ get_replace_view_sql(stored, sql) }} {% endcall %}
    {% do apply_grants(stored, config.get('grants'), should_revoke=true) %}
    {% do persist_docs(stored, model) %}
    {{ run_hooks(post_hooks, inside_transaction=true) }}
    {% do adapter.commit() %}
    {{ run_hooks(post_hooks, inside_transaction=false) }}
    {% do return({'relations': [stored]}) %}
{% endmaterialization %}
