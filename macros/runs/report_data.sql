{#
    Prints, as one line of JSON, what the report shows, all of it added up in SQL: the page grows with dates, not with users.
    `user-metrics report` runs it.

    days: dates back from the last one that are drawn; leaders: users at the top of the ranking that are shown
    show_emails: whole addresses, which dbt's log then has too
#}
{% macro report_data(days=365, leaders=15, show_emails=false) %}
    {% set metrics, users, loads = ref('user_metrics'), ref('dim_users'), ref('loads') %}
    {% set first_date, last_date = built_dates() %}
    {% if not last_date %}
        {% do exceptions.raise_compiler_error("user_metrics is empty: the lake has no user yet.") %}
    {% endif %}
    {% set from_date = [first_date, last_date - modules.datetime.timedelta(days=days - 1)] | max %}
    {% set last, recent = "date = " ~ date_literal(last_date), "date >= " ~ date_literal(from_date) %}

    {% set by_date %}
        select
            date, sum(daily_total_spent) as spent, sum(daily_order_count) as orders,
            sum(case when daily_order_count > 0 then 1 else 0 end) as active_users, count(*) as users
        from {{ metrics }} where {{ recent }} group by date order by date
    {% endset %}
    {% set bands %}
        select
            case
                when total_spent <= 0 then 'nothing' when total_spent < 10 then '< 10'
                when total_spent < 100 then '< 100' when total_spent < 1000 then '< 1,000'
                when total_spent < 10000 then '< 10,000' else '10,000 +'
            end as band,
            min(total_spent) as least, count(*) as users, sum(total_spent) as spent
        from {{ metrics }} where {{ last }} group by 1 order by 2
    {% endset %}
    {% set concentration %}
        select percentile, sum(total_spent) as spent, count(*) as users
        from (
            select total_spent, ntile(100) over (order by total_spent desc, user_id) as percentile
            from {{ metrics }} where {{ last }} and total_spent > 0
        ) as ranked
        group by percentile order by percentile
    {% endset %}
    {% set leaderboard %}
        select
            leaders.spending_rank, leaders.user_id, {{ 'leaders.email' if show_emails else masked('leaders.email') }} as email,
            leaders.order_count, leaders.total_spent, leaders.avg_order_value, week.spending_rank as rank_a_week_ago, month.spending_rank as rank_a_month_ago
        from (select * from {{ metrics }} where {{ last }} order by spending_rank, user_id limit {{ leaders }}) as leaders
        left join {{ metrics }} as week
            on leaders.user_id = week.user_id
            and week.date = {{ date_literal(last_date - modules.datetime.timedelta(days=7)) }}
        left join {{ metrics }} as month
            on leaders.user_id = month.user_id
            and month.date = {{ date_literal(last_date - modules.datetime.timedelta(days=30)) }}
        order by leaders.spending_rank, leaders.user_id
    {% endset %}
    {% set leading = records(leaderboard) %}
    {% set trends %}
        select user_id, date, total_spent from {{ metrics }}
        where
            date > {{ date_literal(last_date - modules.datetime.timedelta(days=30)) }}
            and user_id in ({{ leading | map(attribute='user_id') | join(', ') }})
        order by user_id, date
    {% endset %}
    {% set cohorts %}
        select
            cast({{ dbt.date_trunc('month', 'users.signed_up_at') }} as date) as signed_up,
            cast({{ dbt.date_trunc('month', 'metrics.date') }} as date) as month,
            count(distinct metrics.user_id) as users,
            count(distinct case when metrics.daily_order_count > 0 then metrics.user_id end) as active_users
        from {{ metrics }} as metrics
        inner join {{ users }} as users on metrics.user_id = users.user_id and users.is_current
        where metrics.{{ recent }} and users.signed_up_at >= {{ date_literal(from_date) }}
        group by 1, 2 order by 1, 2
    {% endset %}
    {% set last_runs %}
        select
            started_at, command, first_date, last_date, rows_written, reason, summary, tests_passed, tests_warned, tests_failed
        from {{ runs() }} order by started_at desc limit 30
    {% endset %}
    {% set newest_loads %}
        select table_name, max(load_date) as load_date, max(last_read_at) as last_read_at, count(*) as loads
        from {{ loads }} group by table_name order by table_name
    {% endset %}
    {% set set_aside %}
        select 'orders' as table_name, 'rejected: ' || rejection_reason as what, count(*) as row_count
        from {{ ref('rejected_orders') }} group by 2
        union all
        select 'users', 'rejected: ' || rejection_reason, count(*) from {{ ref('rejected_users') }} group by 2
        union all
        select
            table_name, case when is_deleted then 'vanished, in no load any more' else 'vanished, an older version counts' end,
            count(*)
        from {{ ref('vanished_rows') }} group by 1, 2
        order by 1, 2
    {% endset %}
    {% set reasons = [] %}
    {% for leader in leading[:5] %} {% do reasons.append(explained(leader.user_id, last_date)) %} {% endfor %}
    {% do print(tojson({
        'target': target.name, 'engine': target.type,
        'first_date': first_date | string, 'from_date': from_date | string, 'last_date': last_date | string,
        'by_date': records(by_date), 'bands': records(bands), 'concentration': records(concentration),
        'leaders': leading, 'trends': records(trends), 'cohorts': records(cohorts), 'runs': records(last_runs),
        'loads': records(newest_loads), 'set_aside': records(set_aside), 'reasons': reasons,
    })) %}
{% endmacro %}


{# An address that shows no more than whose it may be, a…@example.com, in SQL. A name may have an @ too, the domain has none. #}
{% macro masked(email) %}
    {% set domain = "regexp_replace(" ~ email ~ ", '^([^@]*@)+', '')" %}
    {% do return("case when " ~ email ~ " like '%@%' then substring(" ~ email ~ ", 1, 1) || '…@' || " ~ domain ~ " end") %}
{% endmacro %}
