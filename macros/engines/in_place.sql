{#
    On Redshift nothing that consumers read is ever dropped, renamed or truncated while its columns stay the same: a view
    is replaced, and the rows of a table are, in one transaction. dbt's own ways swap names, and then drop with cascade what
    others have built on the old ones; a reader who comes at that moment waits, or finds no rows, or no table. They are
    still taken where columns have changed.
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
    {% do return(finish_in_place(stored)) %}
{% endmaterialization %}


{# A full refresh; all else is dbt's. #}
{% materialization incremental, adapter='redshift' %}
    {% set stored = load_cached_relation(this) %}
    {% if not should_full_refresh() or not stored or not stored.is_table or columns_have_changed(stored) %}
        {% do return(dbt.materialization_incremental_default()) %}
    {% endif %}
    {{ run_hooks(pre_hooks, inside_transaction=false) }}
    {{ run_hooks(pre_hooks, inside_transaction=true) }}
    {% set built = make_temp_relation(stored) %}
    {% set columns = get_quoted_csv(model.columns) %}
    {% do run_query(get_create_table_as_sql(true, built, sql)) %}
    {% set built = built_rows(built) %}
    {% call statement('main') %}
        delete from {{ stored }};
        insert into {{ stored }} ({{ columns }}) select {{ columns }} from {{ built }}{{ '; drop table ' ~ built if built.identifier.startswith(waiting_prefix()) }}
    {% endcall %}
    {% do return(finish_in_place(stored)) %}
{% endmaterialization %}


{# What follows the statement of a materialization; returns what it has to. #}
{% macro finish_in_place(relation) %}
    {% do apply_grants(relation, config.get('grants'), should_revoke=true) %}
    {% do persist_docs(relation, model) %}
    {{ run_hooks(post_hooks, inside_transaction=true) }}
    {% do adapter.commit() %}
    {{ run_hooks(post_hooks, inside_transaction=false) }}
    {% do return({'relations': [relation]}) %}
{% endmacro %}


{# Whether a stored table has other columns, or other types, than its model declares. #}
{% macro columns_have_changed(stored) %}
    {% set declared = make_temp_relation(stored, '__declared') %}
    {% do run_query('create temporary table ' ~ declared ~ get_table_columns_and_constraints()) %}
    {% set changes = check_for_schema_changes(declared, stored) %}
    {% do run_query('drop table ' ~ declared) %}
    {% do return(changes.schema_changed) %}
{% endmacro %}


{# A seed's rows; truncate would commit, and a run beside this one would find no status that counts. #}
{% macro redshift__reset_csv_table(model, full_refresh, stored, agate_table) %}
    {% set columns = adapter.get_columns_in_relation(stored) | map(attribute='name') | list %}
    {% if columns != agate_table.column_names | list %}
        {% do return(default__reset_csv_table(model, true, stored, agate_table)) %}
    {% endif %}
    {% do run_query('delete from ' ~ stored) %}
    {% do return('delete from ' ~ stored) %}
{% endmacro %}
