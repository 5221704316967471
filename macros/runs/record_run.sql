{# The table of runs: one row for each dbt build, run and test, also for one that failed. No number is computed from it. #}
{% macro runs() %}
    {% do return(api.Relation.create(target.database, target.schema, 'user_metrics_runs', type='table')) %}
{% endmacro %}


{# Makes the table of runs where it is not there yet, on-run-start. #}
{% macro make_runs() %}
    {% if execute and is_build() %}
        {% do complete_bookkeeping(runs()) if load_relation(runs()) else make_bookkeeping(runs()) %}
    {% endif %}
{% endmacro %}


{#
    Writes the run's row, on-run-end, and says in a sentence what it did.

    results: of dbt, on-run-end
#}
{% macro record_run(results) %}
    {% set metrics, orders, users, loads = ref('user_metrics'), ref('fct_orders'), ref('dim_users'), ref('loads') %}
    {% if execute and flags.WHICH in ['build', 'run', 'retry', 'test'] and not flags.EMPTY and load_relation(runs()) %}
        {% set run = written_by_run(metrics, loads) %}
        {% do run.update(outcome_of(results)) %}
        {% if run.first_date %}
            {% set before = query_row(
                "select max(last_date), max(orders_revision), max(users_revision) from " ~ runs() ~ " where last_date is not null"
            ) %}
            {% do run.update({'reason': reason_of(run, before, orders, users, loads)}) %}
        {% endif %}
        {% do run.update({'summary': sentence_of(run)}) %}
        {% set columns, values = bookkeeping_columns('user_metrics_runs'), [] %}
        {% for column in columns %}
            {% set value = run[column.name] %}
            {% do values.append(
                "cast(" ~ ('null' if value is none else sql_text(value | string)) ~ " as " ~ column.data_type ~ ")"
            ) %}
        {% endfor %}
        {% call statement('run', auto_begin=true) %}
            insert into {{ runs() }} ({{ columns | map(attribute='name') | join(', ') }}) values ({{ values | join(', ') }})
        {% endcall %}
        {% do adapter.commit() %}
        {% do print(run.summary) %}
    {% endif %}
{% endmacro %}


{# What this run has read and written, of the columns of the table of runs. #}
{% macro written_by_run(metrics, loads) %}
    {% set run = {
        'invocation_id': invocation_id,
        'command': flags.WHICH,
        'started_at': run_started_at.strftime('%Y-%m-%d %H:%M:%S.%f'),
        'ended_at': modules.datetime.datetime.utcnow().strftime('%Y-%m-%d %H:%M:%S.%f'),
        'first_date': none, 'last_date': none, 'rows_written': 0, 'ranks_moved': 0, 'reason': none,
        'orders_revision': none, 'users_revision': none,
    } %}
    {% set read = query_row(
        "select count(*), coalesce(sum(rejected_rows), 0), coalesce(sum(vanished_rows), 0) from " ~ loads
        ~ " where last_read_at = " ~ run_start()
    ) if load_relation(loads) else [0, 0, 0] %}
    {% do run.update({'loads_read': read[0] | int, 'rows_rejected': read[1] | int, 'rows_vanished': read[2] | int}) %}
    {% set newest = run_query(
        "select date, _restated_from, _orders_revision, _users_revision, _written_at = " ~ run_start() ~ " from " ~ metrics
        ~ " order by date desc, _written_at desc limit 1"
    ).rows if load_relation(metrics) and flags.WHICH != 'test' else [] %}
    {% if newest and newest[0][4] %}
        {% do run.update({
            'first_date': newest[0][1], 'last_date': newest[0][0],
            'orders_revision': newest[0][2] | int, 'users_revision': newest[0][3] | int,
            'rows_written': query_row(
                "select count(*) from " ~ metrics ~ " where date >= " ~ date_literal(newest[0][1])
                ~ " and _written_at = " ~ run_start()
            )[0] | int,
            'ranks_moved': known_to_this_run().ranks_moved or 0,
        }) %}
    {% endif %}
    {% do return(run) %}
{% endmacro %}


{# How the run went: its tests, and whether all of the project's data tests were among them and none failed. #}
{% macro outcome_of(results) %}
    {% set counts = {'pass': 0, 'warn': 0, 'fail': 0} %}
    {% set failed = [] %}
    {% for result in results %}
        {% set status = {'error': 'fail', 'runtime error': 'fail'}.get(result.status | string, result.status | string) %}
        {% do failed.append(result.node.name) if status == 'fail' %}
        {% do counts.update({status: counts[status] + 1}) if result.node.resource_type == 'test' and status in counts %}
    {% endfor %}
    {% set tests = graph.nodes.values() | selectattr('resource_type', 'equalto', 'test') | list | length %}
    {% do return({
        'tests_passed': counts['pass'], 'tests_warned': counts['warn'], 'tests_failed': counts['fail'],
        'failed_at': failed[0] if failed else none,
        'is_clean': counts['pass'] + counts['warn'] == tests and not failed,
    }) %}
{% endmacro %}


{# Why the first of the dates was written, from what is newest there since the run before. #}
{% macro reason_of(run, before, orders, users, loads) %}
    {% set last_date, orders_revision, users_revision = before %}
    {% if last_date is none or flags.FULL_REFRESH %}
        {% do return('built from nothing') %}
    {% elif run.first_date > last_date %}
        {% do return('new dates') %}
    {% elif var('restate_from') and run.first_date | string == var('restate_from') | string %}
        {% do return('restate_from') %}
    {% elif known_to_this_run().restatement_window.is_rebuilt %}
        {% do return('dim_users or fct_orders was made anew') %}
    {% endif %}
    {% set causes %}
        select kind, what_happened, count(distinct id) as how_many
        from (
            select
                'order' as kind, order_id as id,
                case
                    when is_deleted then 'gone from its load'
                    when _affected_from < order_date then 'moved'
                    when _first_load_date < _load_date then 'corrected'
                    when read_now.load_date is null then 'counted otherwise'
                    else 'late'
                end as what_happened
            from {{ orders }} as orders
            left join {{ loads }} as read_now
                on orders._load_date = read_now.load_date
                and read_now.table_name = 'orders' and read_now.last_read_at = {{ run_start() }}
            where _revision > {{ orders_revision | int }} and _affected_from <= {{ date_literal(last_date) }}
            union all
            select
                'user', user_id,
                case
                    when is_deleted then 'gone from the loads'
                    when valid_from = cast(signed_up_at as date) then 'new or with another first address'
                    else 'with another address'
                end
            from {{ users }}
            where _revision > {{ users_revision | int }} and _affected_from <= {{ date_literal(last_date) }}
        ) as news
        group by kind, what_happened
        order by kind, how_many desc, what_happened
    {% endset %}
    {% set parts, kinds = [], [] %}
    {% for kind, what_happened, how_many in run_query(causes).rows %}
        {# A kind is named once: 2 orders late, 1 corrected. #}
        {% set noun = '' if kind in kinds else kind ~ ('s ' if how_many > 1 else ' ') %}
        {% do kinds.append(kind) %}
        {% do parts.append("{:,} ".format(how_many | int) ~ noun ~ what_happened) %}
    {% endfor %}
    {% do return(parts | join(', ')) %}
{% endmacro %}


{# One sentence on a run. #}
{% macro sentence_of(run) %}
    {% set parts = [] %}
    {% if run.first_date %}
        {% do parts.append(
            ("1 row of " if run.rows_written == 1 else "{:,} rows of ".format(run.rows_written))
            ~ run.first_date ~ (" to " ~ run.last_date if run.first_date != run.last_date)
            ~ (" was" if run.rows_written == 1 else " were") ~ " written"
            ~ (": " if run.reason in ['built from nothing', 'new dates'] else " anew: ") ~ run.reason
        ) %}
    {% elif run.command != 'test' %}
        {% do parts.append("No date of user_metrics was written") %}
    {% endif %}
    {% for count, text in [
        (run.ranks_moved, 'ranks moved'), (run.loads_read, 'loads read'), (run.rows_rejected, 'rows rejected'), (run.rows_vanished, 'rows vanished'),
        (run.tests_passed, 'tests passed'), (run.tests_warned, 'warned'), (run.tests_failed, 'failed'),
    ] if count %}
        {% do parts.append(count ~ ' ' ~ (modules.re.sub('^(rank|row|load|test)s', '\\1', text) if count == 1 else text)) %}
    {% endfor %}
    {% if run.failed_at %} {% do parts.append('stopped at ' ~ run.failed_at) %} {% endif %}
    {% if not parts %} {% do parts.append("No data test was run") %} {% endif %}
    {% do return((parts | join('; '))[:1000] ~ '.') %}
{% endmacro %}
