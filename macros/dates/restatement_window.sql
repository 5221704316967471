{#
    What this run of user_metrics writes, and the revisions that it takes in.

    It starts at the earliest of: the first date that a revision not yet taken in affects, the day after the
    last date built, and restate_from. It ends at the calendar end: the latest of run_date, the newest load and the last
    date built. When nothing has changed, it starts the day after it ends.

    On dates that have been built, it writes the rows of the users that changed_users() has; from whole_from on, everybody's.
    That is from the start on when it is not known who has changed: where a table was rebuilt, where restate_from asks for
    whole dates, and where an order changes that has had more users than its row names.

    metrics, orders, users, loads: relations of user_metrics, fct_orders, dim_users and loads
    Returns: dict of first_date, whole_from, last_date (texts YYYY-MM-DD), is_rebuilt (whether all was made anew),
    orders_taken_in and users_taken_in (the revisions so far), orders_revision and users_revision (the new ones; integers),
    and what next_step() says of the dates to work out now
#}
{% macro restatement_window(metrics, orders, users, loads) %}
    {% do wait_for_other_writers() %}
    {% set one_day = modules.datetime.timedelta(days=1) %}
    {% set is_ready = execute and load_relation(orders) and load_relation(users) and load_relation(loads) %}
    {% if not is_ready %}
        {# While dbt parses, and for `dbt compile` before the first build: nothing to write. #}
        {% do return(next_step({
            'first_date': '2000-01-02', 'whole_from': '2000-01-02', 'last_date': '2000-01-01',
            'orders_taken_in': 0, 'users_taken_in': 0, 'orders_revision': 0, 'users_revision': 0,
        })) %}
    {% endif %}
    {% set state = query_row(restatement_state(load_relation(metrics), orders, users, loads)) %}
    {% set last_date = [state.last_date, state.newest_load_date, python_date(var('run_date'))] | select | max %}
    {% set last_date = last_date or python_date(var('earliest_date')) - one_day %}
    {% set restate_from = python_date(var('restate_from')) %}
    {% set starts = [last_date + one_day, affected_from(state, 'users')] %}
    {% if is_incremental() and state.last_date %}
        {% do starts.extend([state.last_date + one_day, affected_from(state, 'orders'), restate_from]) %}
    {% endif %}
    {% set first_date = starts | select | min %}
    {% set whole_from, is_rebuilt = first_date, was_rebuilt(state, 'users') or was_rebuilt(state, 'orders') %}
    {% if is_incremental() and state.last_date and not is_rebuilt and not state.someone_unknown
        and not (restate_from and restate_from <= state.last_date) %}
        {% set whole_from = state.last_date + one_day %}
    {% endif %}
    {% set window = next_step({
        'first_date': first_date | string,
        'whole_from': whole_from | string,
        'last_date': last_date | string,
        'is_rebuilt': is_rebuilt,
        'orders_taken_in': state.orders_taken_in | int,
        'users_taken_in': state.users_taken_in | int,
        'orders_revision': state.orders_newest | int,
        'users_revision': state.users_newest | int,
    }) %}
    {% do known_to_this_run().update({'restatement_window': window}) %}
    {% do return(window) %}
{% endmacro %}


{#
    A query of the users whose rows before the window's whole_from may no longer be right: those with a newer version,
    those with an order that has changed, and those who have lost one.
#}
{% macro changed_users(window) %}
    {% set orders = "from " ~ ref('fct_orders') ~ " where _revision > " ~ window.orders_taken_in %}
    {% set until = "_affected_from < " ~ date_literal(window.whole_from) if window.first_date < window.whole_from else "1 = 0" %}
    select user_id from {{ ref('dim_users') }} where _revision > {{ window.users_taken_in }} and {{ until }}
    union
    select user_id {{ orders }} and {{ until }} and user_id is not null
    union
    select _former_user_id {{ orders }} and {{ until }} and _former_user_id is not null
{% endmacro %}


{# Stops the run, on-run-start, when user_metrics is to be built and what it is built from neither is there nor is built. #}
{% macro refuse_without_inputs() %}
    {% set orders, users, loads = ref('fct_orders'), ref('dim_users'), ref('loads') %}
    {% for input in [orders, users, loads] if execute and is_build() and is_selected('user_metrics') %}
        {% if not is_selected(input.identifier) and not load_relation(input) %}
            {% do exceptions.raise_compiler_error(
                "user_metrics is built from " ~ input.identifier ~ ", which is not there yet: run 'dbt build', or 'dbt build --select"
                ~ " +user_metrics'."
            ) %}
        {% endif %}
    {% endfor %}
{% endmacro %}


{#
    A query of one row: the last date built, the revisions taken in so far (0 when user_metrics is built from nothing; the
    newest that a row of the last date has), the first date that has rows or is going to, the newest load, of orders and users
    the oldest and the newest revision and the earliest date that those not yet taken in affect, and whether they affect
    someone who is no longer known.
#}
{% macro restatement_state(metrics, orders, users, loads) %}
    with built as (
        {% if metrics %}
        select
            max(date) as last_date, max(_orders_revision) as orders_taken_in, max(_users_revision) as users_taken_in
        from {{ metrics }}
        where date = (select max(date) from {{ metrics }})
        {% else %}
        select cast(null as date) as last_date, 0 as orders_taken_in, 0 as users_taken_in
        {% endif %}
    ),

    taken_in as (
        select
            {% for table in ['orders', 'users'] %}
            coalesce(max({{ table ~ '_taken_in' if is_incremental() else '0' }}), 0) as {{ table }}{{ ',' if not loop.last }}
            {% endfor %}
        from built
    )

    select
        (select max(last_date) from built) as last_date,
        least(
            (select min(_affected_from) from {{ users }}){% if metrics %}, (select min(date) from {{ metrics }}){% endif %}
        ) as first_date,
        (select max(load_date) from {{ loads }}) as newest_load_date,
        exists (
            select 1 from {{ orders }} where _had_more_users and _revision > (select taken_in.orders from taken_in)
        ) as someone_unknown
        {% for table, relation in {'orders': orders, 'users': users}.items() %}
        , taken_in.{{ table }} as {{ table }}_taken_in,
        {{ table }}.oldest as {{ table }}_oldest,
        {{ table }}.newest as {{ table }}_newest,
        {{ table }}.affected_from as {{ table }}_affected_from
        {% endfor %}
    from taken_in
    {% for table, relation in {'orders': orders, 'users': users}.items() %}
    cross join (
        select
            min(_revision) as oldest, max(_revision) as newest,
            min(case when _revision > (select {{ table }} from taken_in) then _affected_from end) as affected_from
        from {{ relation }}
    ) as {{ table }}
    {% endfor %}
{% endmacro %}


{# The earliest date that what is new in a table (orders, users) affects, none for nothing. #}
{% macro affected_from(state, table) %}
    {% do return(state.first_date if was_rebuilt(state, table) else state[table ~ '_affected_from']) %}
{% endmacro %}


{#
    Whether a table was rebuilt, or restored from a copy: every row is newer than what was taken in, or none reaches it. Rows
    that have gone left no trace, so everything is affected.
#}
{% macro was_rebuilt(state, table) %}
    {% set taken_in, oldest, newest = state[table ~ '_taken_in'], state[table ~ '_oldest'], state[table ~ '_newest'] %}
    {% do return(taken_in and (oldest is none or oldest > taken_in or newest < taken_in)) %}
{% endmacro %}
