{#
    Prints the explanation of a row of user_metrics as one line of JSON; `user-metrics why` shows it.

    user: id of the user; or what a column of a table calls the user in a row that has user_id: name, relation and column
    date: of the row, the last one when left out
#}
{% macro why(user=none, date=none, name=none, relation=none, column=none) %}
    {% do print(tojson(explained(user_called(name, relation, column) if name else user, date))) %}
{% endmacro %}


{# The id of the user whom a column of a table calls so; dim_users and email where they are left out. #}
{% macro user_called(name, relation=none, column=none) %}
    {% set current = "" if relation else " and is_current and not is_deleted" %}
    {% set relation, column = relation or ref('dim_users'), column or 'email' %}
    {% set found = run_query(
        "select distinct user_id from " ~ relation ~ " where cast(" ~ column ~ " as varchar) = " ~ sql_text(name) ~ current
        ~ " order by user_id"
    ).columns[0].values() | list %}
    {% if not found %}
        {% do exceptions.raise_compiler_error("No user has the " ~ column ~ " " ~ name ~ ".") %}
    {% elif found | length > 1 %}
        {% do exceptions.raise_compiler_error(
            (found | length) ~ " users have the " ~ column ~ " " ~ name ~ ": " ~ found[:5] | join(', ') ~ (", …" if found | length > 5 else "")
            ~ ". Name one of them by --user."
        ) %}
    {% endif %}
    {% do return(found[0]) %}
{% endmacro %}


{#
    Explains one row of user_metrics, as a dict: the orders that make it up with all their versions, those that do not count
    and why, who stands next in rank, and the run that wrote it.

    user: id of the user; date: of the row, the last one when left out

    Its arithmetic is a plain sum over fct_orders, whatever path the increments took.
#}
{% macro explained(user, date=none) %}
    {% set metrics, orders, users = ref('user_metrics'), ref('fct_orders'), ref('dim_users') %}
    {% set rejected, checked = ref('rejected_orders'), ref('int_orders_checked') %}
    {% set last_date = built_dates()[1] %}
    {% set user, date = user | int, date or last_date %}
    {% set stored = records(
        "select order_count, total_spent, last_order_at, spending_rank, _written_at from " ~ metrics
        ~ " where user_id = " ~ user ~ " and date = " ~ date_literal(date)
    ) if date else [] %}
    {% if not stored %}
        {% set waiting = query_row(
            "select count(*) from " ~ orders ~ " where is_counted and user_id = " ~ user
            ~ " and user_id not in (select user_id from " ~ users ~ " where not is_deleted)"
        )[0] %}
        {% do exceptions.raise_compiler_error(
            "user_metrics has no row of user " ~ user ~ " on " ~ date ~ ": its dates go from the sign-up to the newest load."
            ~ (" Orders that wait until a load brings the user: " ~ waiting ~ "." if waiting else "")
        ) %}
    {% endif %}
    {% set effective %}
        select
            orders.*, greatest(orders.order_date, cast(users.signed_up_at as date)) as effective_date
        from {{ orders }} as orders
        inner join {{ users }} as users on orders.user_id = users.user_id and users.is_current
        where orders.user_id = {{ user }}
    {% endset %}
    {% set counts = "is_counted and effective_date <= " ~ date_literal(date) %}
    {% set counted %}
        select order_id, effective_date, amount, status, counts_as_order, counts_as_spend, _first_load_date, _load_date
        from ({{ effective }}) as effective where {{ counts }} order by effective_date, order_id
    {% endset %}
    {% set added_up %}
        select
            coalesce(sum(case when counts_as_order then 1 else 0 end), 0) as order_count,
            cast(coalesce(sum(case when counts_as_spend then amount else 0 end), 0) as decimal(18, 2)) as total_spent,
            max(case when counts_as_order then created_at end) as last_order_at
        from ({{ effective }}) as effective where {{ counts }}
    {% endset %}
    {% set not_counted %}
        select
            order_id, amount, status,
            case
                when is_deleted then 'has left the load that had brought it'
                when not is_counted then 'has a status that counts as neither order nor spend'
                else 'counts from ' || cast(effective_date as varchar) || ' on'
            end as reason
        from ({{ effective }}) as effective where not ({{ counts }})
        union all
        select order_id, amount, status, 'cannot be placed: ' || rejection_reason
        from {{ rejected }} where user_id = {{ user }}
        union all
        select
            order_id, amount, status,
            coalesce('is an order of user ' || cast(user_id as varchar), 'is an order of a guest') || ' by its newest version'
        from {{ orders }}
        where
            coalesce(user_id, -1) <> {{ user }}
            and order_id in (select versions.order_id from {{ checked }} as versions where versions.user_id = {{ user }})
        order by 1
    {% endset %}
    {% set versions %}
        select distinct order_id, _load_date, updated_at, user_id, amount, status
        from {{ checked }}
        where order_id in (select order_id from {{ orders }} where user_id = {{ user }}) and rejection_reason is null
        order by order_id, updated_at, _load_date
    {% endset %}
    {% set neighbours %}
        select user_id, total_spent, spending_rank
        from {{ metrics }}
        where date = {{ date_literal(date) }} and user_id <> {{ user }}
    {% endset %}
    {% set spent = stored[0].total_spent %}
    {% do return({
        'user': user, 'date': date | string, 'stored': stored[0], 'added_up': records(added_up)[0],
        'orders': records(counted), 'versions': records(versions), 'not_counted': records(not_counted),
        'above': records(neighbours ~ " and total_spent >= " ~ spent ~ " order by total_spent, user_id limit 1"),
        'below': records(neighbours ~ " and total_spent < " ~ spent ~ " order by total_spent desc, user_id limit 1"),
        'run': records(
            "select started_at, command, summary from " ~ runs() ~ " where started_at = cast('" ~ stored[0]._written_at ~ "' as timestamp)"
        ),
    }) %}
{% endmacro %}


{# The rows of a query as dicts that JSON takes: what is no number of rows and no yes or no is text. #}
{% macro records(query) %}
    {% set found = [] %}
    {% for row in run_query(query).rows %}
        {% set record = {} %}
        {% for name, value in row.items() %}
            {% do record.update({name | lower: value if value is none or value is boolean else value | string}) %}
        {% endfor %}
        {% do found.append(record) %}
    {% endfor %}
    {% do return(found) %}
{% endmacro %}
