{#
    On Redshift, begins the transaction in which a model asks its questions and then writes, and waits in it until no
    other run writes the model's table. Snapshot isolation then answers all of them alike, whatever is loaded meanwhile,
    and the snapshot is taken after the wait, so that what another run has written is seen.

    The lock is on an empty table that stands for the model's own, which readers go on reading.
#}
{% macro wait_for_other_writers() %}
    {% if execute and model.resource_type == 'model' and is_build() %}
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
    {% if execute and is_build() %}
        {% do adapter.dispatch('make_locks')(orders) %}
    {% endif %}
{% endmacro %}


{% macro default__make_locks(sibling) %}
{% endmacro %}


{% macro redshift__make_locks(sibling) %}
    {% for name in ['dim_users', 'fct_orders', 'rejected_users', 'rejected_orders', 'user_metrics'] %}
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
