{#
    The dates that this run of user_metrics writes, and the revisions that it takes in.

    It starts at the earliest of: the first date that a revision not yet taken in affects, the day after the
    last date built, and restate_from. It ends at the calendar end: the latest of run_date, the newest load
    date and the last date built. When nothing has changed, it starts the day after it ends.

    Returns: dict of first_date, last_date, base_date (the day before first_date; texts YYYY-MM-DD),
    orders_revision and users_revision (integers)
#}
{% macro restatement_window() %}
    {% set orders, users = ref('fct_orders'), ref('dim_users') %}
    {% set one_day = modules.datetime.timedelta(days=1) %}
    {% set earliest_date = python_date(var('earliest_date')) %}
    {% set processed = [stored_maximum(orders, '_last_load_date'), stored_maximum(users, '_last_load_date')] | select | max or none %}
    {% set built = built_state(processed) %}
    {% set new_orders = new_revisions(orders, built.orders_revision) %}
    {% set new_users = new_revisions(users, built.users_revision) %}
    {% set ends = [built.last_date, newest_load_date(processed), python_date(var('run_date'))] | select | list %}
    {% set last_date = (ends | max) if ends else earliest_date - one_day %}
    {% set starts = [
        last_date + one_day,
        built.last_date + one_day if is_incremental() and built.last_date else none,
        new_orders.affected_from if is_incremental() else none,
        new_users.affected_from,
        python_date(var('restate_from')) if is_incremental() else none,
    ] | select | list %}
    {% do return({
        'first_date': starts | min | string,
        'base_date': (starts | min - one_day) | string,
        'last_date': last_date | string,
        'orders_revision': new_orders.newest,
        'users_revision': new_users.newest,
    }) %}
{% endmacro %}


{# The last date that user_metrics holds (none without rows) and the revisions that it has taken in. #}
{% macro built_state(processed) %}
    {# The newest partitions are looked at first: the whole table is searched only when they are missing. #}
    {% set recent = 'date >= ' ~ date_literal(processed - modules.datetime.timedelta(days=31)) if processed else '1 = 1' %}
    {% set last_date = stored_maximum(this, 'date', recent) or stored_maximum(this, 'date') %}
    {% set state = {'last_date': last_date, 'orders_revision': 0, 'users_revision': 0} %}
    {% if is_incremental() and last_date %}
        {% set row = query_row("select max(_orders_revision), max(_users_revision) from " ~ this ~ " where date = " ~ date_literal(last_date)) %}
        {% do state.update({'orders_revision': row[0] | int, 'users_revision': row[1] | int}) %}
    {% endif %}
    {% do return(state) %}
{% endmacro %}


{#
    What a table of orders or users has that is newer than a revision: the earliest date it affects (none for
    nothing) and the newest revision. When every row is newer, the table was rebuilt and rows that have gone
    left no trace, so everything is affected.
#}
{% macro new_revisions(relation, revision) %}
    {% set oldest, newest, affected_from = query_row(
        "select min(_revision), max(_revision), min(case when _revision > " ~ revision ~ " then _affected_from end) from " ~ relation
    ) if execute else (none, none, none) %}
    {% if revision > 0 and (oldest is none or oldest > revision) %}
        {% set affected_from = python_date(var('earliest_date')) %}
    {% endif %}
    {% do return({'affected_from': affected_from, 'newest': newest | int}) %}
{% endmacro %}
