{#
    The dates that this run of user_metrics writes, and the revisions that it takes in.

    It starts at the earliest of: the first date that a revision not yet taken in affects, the day after the
    last date built, and restate_from. It ends at the calendar end: the latest of run_date, the newest load
    date and the last date built. When nothing has changed, it starts the day after it ends.

    Returns: dict of first_date, last_date, base_date (the day before first_date; texts YYYY-MM-DD),
    orders_revision and users_revision (integers)
#}
{% macro restatement_window() %}
    {% do wait_for_other_writers() %}
    {% set orders, users = ref('fct_orders'), ref('dim_users') %}
    {% set one_day = modules.datetime.timedelta(days=1) %}
    {% set built = built_state(this, users) %}
    {% set new_orders = new_revisions(orders, built.orders_revision) %}
    {% set new_users = new_revisions(users, built.users_revision) %}
    {% set ends = [
        built.last_date,
        newest_load_date(stored_maximum(users, '_last_load_date'), stored_maximum(orders, '_last_load_date')),
        python_date(var('run_date')),
    ] | select | list %}
    {% set last_date = ends | max if ends else python_date(var('earliest_date')) - one_day %}
    {% set starts = [last_date + one_day, new_users.affected_from] %}
    {% if is_incremental() and built.last_date %}
        {% do starts.extend([built.last_date + one_day, new_orders.affected_from, python_date(var('restate_from'))]) %}
    {% endif %}
    {% set first_date = starts | select | min %}
    {% do return({
        'first_date': first_date | string,
        'base_date': (first_date - one_day) | string,
        'last_date': last_date | string,
        'orders_revision': new_orders.newest,
        'users_revision': new_users.newest,
    }) %}
{% endmacro %}


{#
    What user_metrics holds before this run: its last date (none without rows) and, if this run adds to it, the
    revisions that it has taken in.
#}
{% macro built_state(metrics, users) %}
    {% set state = {'last_date': newest_date(metrics, users), 'orders_revision': 0, 'users_revision': 0} %}
    {% if is_incremental() and state.last_date %}
        {% set revisions = query_row(
            "select max(_orders_revision), max(_users_revision) from " ~ metrics ~ " where date = " ~ date_literal(state.last_date)
        ) %}
        {% do state.update({'orders_revision': revisions[0] | int, 'users_revision': revisions[1] | int}) %}
    {% endif %}
    {% do return(state) %}
{% endmacro %}


{# The newest date in user_metrics, none without rows. Looks around the newest load first, so as not to scan it all. #}
{% macro newest_date(metrics, users) %}
    {% set loaded = stored_maximum(users, '_last_load_date') %}
    {% if loaded %}
        {% set recent = 'date >= ' ~ date_literal(loaded - modules.datetime.timedelta(days=31)) %}
    {% endif %}
    {% do return(stored_maximum(metrics, 'date', recent or '1 = 1') or stored_maximum(metrics, 'date')) %}
{% endmacro %}


{#
    What a table of orders or users has that is newer than a revision: the earliest date it affects (none for
    nothing) and the newest revision. When every row is newer, the table was rebuilt and rows that have gone
    left no trace, so everything is affected.
#}
{% macro new_revisions(relation, revision) %}
    {% set news = {'affected_from': none, 'newest': 0} %}
    {% if execute %}
        {% set oldest, newest, affected_from = query_row(
            "select min(_revision), max(_revision), min(case when _revision > " ~ revision ~ " then _affected_from end) from " ~ relation
        ) %}
        {% set was_rebuilt = revision > 0 and (oldest is none or oldest > revision) %}
        {% do news.update({
            'affected_from': python_date(var('earliest_date')) if was_rebuilt else affected_from,
            'newest': newest | int,
        }) %}
    {% endif %}
    {% do return(news) %}
{% endmacro %}
