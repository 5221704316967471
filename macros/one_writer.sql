{#
    On Redshift, makes a model wait until no other run writes its table, before it asks its first question: with
    snapshot isolation it would otherwise work with what the other run is about to replace, and fail at the end.

    The lock is on an empty table that stands for the model's own, which readers go on reading. LOCK comes before the
    snapshot is taken, so that what the other run has written is seen.
#}
{% macro wait_for_other_writers() %}
    {% if execute and model.resource_type == 'model' and flags.WHICH in ['build', 'run', 'retry'] %}
        {% do adapter.dispatch('wait_for_other_writers')() %}
    {% endif %}
{% endmacro %}


{% macro default__wait_for_other_writers() %}
{% endmacro %}


{% macro redshift__wait_for_other_writers() %}
    {% call statement('wait') %} lock table {{ lock_of(this) }} {% endcall %}
{% endmacro %}


{# Makes the tables that are locked, where they are not there yet, on-run-start. #}
{% macro make_locks() %}
    {% set orders = ref('fct_orders') %}
    {% if execute and flags.WHICH in ['build', 'run', 'retry'] %}
        {% do adapter.dispatch('make_locks')(orders) %}
    {% endif %}
{% endmacro %}


{% macro default__make_locks(sibling) %}
{% endmacro %}


{% macro redshift__make_locks(sibling) %}
    {% for name in ['dim_users', 'fct_orders', 'user_metrics'] %}
        {% set lock = lock_of(sibling.incorporate(path={'identifier': name})) %}
        {% if not load_relation(lock) %}
            {% call statement('lock', auto_begin=true) %} create table if not exists {{ lock }} (nothing bigint) {% endcall %}
            {% do adapter.commit() %}
        {% endif %}
    {% endfor %}
{% endmacro %}


{# The table that stands for a model's own when it is locked. #}
{% macro lock_of(relation) %}
    {% do return(relation.incorporate(path={'identifier': relation.identifier ~ '_lock'})) %}
{% endmacro %}
