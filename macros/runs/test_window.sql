{#
    Gives a test on user_metrics with `where: __changed_dates__` only the dates that were written since all tests last
    passed, one on a key with `where: __changed_keys__` only the keys of rows that were, and one on checked rows with
    `where: __placeable_and_new__` only those that are about to be counted; all of them when the var test_all_dates is true.
    Other tests get what dbt gives them.
#}
{% macro get_where_subquery(relation) %}
    {% set condition %}
        {% if execute and config.get('where') == '__changed_dates__' %}
            date >= {{ first_changed_date(relation) }}
        {% elif execute and config.get('where') == '__placeable_and_new__' %}
            rejection_reason is null and {{ about_to_be_read(relation) }}
        {% elif execute and config.get('where') == '__changed_keys__' %}
            {{ model.column_name }} in (
                select changed.{{ model.column_name }} from {{ relation }} as changed where changed._stamp > {{ last_clean_stamp() }}
            )
        {% endif %}
    {% endset %}
    {% if condition | trim %}
        {% do return("(select * from " ~ relation ~ " where " ~ condition | trim ~ ") as dbt_subquery") %}
    {% endif %}
    {% do return(adapter.dispatch('get_where_subquery', 'dbt')(relation)) %}
{% endmacro %}


{# The condition that a checked row is of a load that has not been read as it is now; of any, with test_all_dates. #}
{% macro about_to_be_read(checked) %}
    {% set tables = {'int_users_checked': ['users', 'dim_users'], 'int_orders_checked': ['orders', 'fct_orders']} %}
    {% set table, reader = tables[checked.identifier] %}
    {%- do return(
        '1 = 1' if var('test_all_dates') else in_dates('_load_date', unread_loads(table, reader, source('raw', 'loads')))
    ) -%}
{% endmacro %}


{#
    The first date that was written since all tests last passed, as a literal; with test_all_dates, or when they never
    have, earliest_date. So a failure stays red until it is repaired. Asked once a run: tests come after user_metrics.
#}
{% macro first_changed_date(metrics) %}
    {% if not execute or var('test_all_dates') or not load_relation(metrics) or not load_relation(runs()) %}
        {% do return(date_literal(var('earliest_date'))) %}
    {% endif %}
    {% set known = known_to_this_run() %}
    {% if 'first_changed_date' not in known %}
        {% do known.update({'first_changed_date': query_row(
            "with clean as (select max(started_at) as started_at from " ~ runs() ~ " where is_clean),"
            ~ " newest as (select date, _restated_from, _written_at from " ~ metrics ~ " order by date desc, _written_at desc limit 1),"
            ~ " written as (select first_date, started_at from " ~ runs() ~ " union all"
            ~ " select _restated_from, _written_at from newest union all"
            ~ " select date, cast('9999-12-31' as timestamp) from newest)"
            ~ " select case when min(clean.started_at) is not null then min(written.first_date) end"
            ~ " from written cross join clean where clean.started_at is null or written.started_at > clean.started_at"
        )[0]}) %}
    {% endif %}
    {% do return(date_literal(known.first_changed_date or var('earliest_date'))) %}
{% endmacro %}


{#
    What stamps of rows are greater than that were written since all tests last passed; 0 with test_all_dates, or when they never
    have. Asked once a run.
#}
{% macro last_clean_stamp() %}
    {% if var('test_all_dates') or not load_relation(runs()) %}
        {% do return(0) %}
    {% endif %}
    {% set known = known_to_this_run() %}
    {% if 'last_clean_stamp' not in known %}
        {% set started_at = query_row("select max(runs.started_at) from " ~ runs() ~ " as runs where runs.is_clean")[0] %}
        {% set age = started_at - modules.datetime.datetime(1970, 1, 1) if started_at else modules.datetime.timedelta() %}
        {% do known.update({'last_clean_stamp': (age.total_seconds() * 1000) | int}) %}
    {% endif %}
    {% do return(known.last_clean_stamp) %}
{% endmacro %}


{#
    The condition that a row of the model `loads` is of a load that was read since all tests last passed; of any, with
    test_all_dates.
#}
{% macro just_read() %}
    {%- if var('test_all_dates') or not execute or not load_relation(runs()) -%}
        1 = 1
    {%- else -%}
        last_read_at > (
            select coalesce(max(runs.started_at), cast('1900-01-01' as timestamp)) from {{ runs() }} as runs where runs.is_clean
        )
    {%- endif -%}
{% endmacro %}


{# The newest date in user_metrics as a literal, earliest_date without rows. #}
{% macro newest_date(metrics) %}
    {% set date = query_row("select max(date) from " ~ metrics)[0] if execute and load_relation(metrics) %}
    {% do return(date_literal(date or var('earliest_date'))) %}
{% endmacro %}
