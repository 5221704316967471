{#
    Reads the lake, builds nothing, and prints all that is wrong or suspicious in it as one line of JSON; the command
    `user-metrics check-lake` runs it on a database in memory. What is right is decided by the macros that a build asks.

    damaged: files that cannot be read, and what is so of each

    Of the files that are listed, those are read that can be.
#}
{% macro check_lake(damaged={}) %}
    {% do validate_settings() %}
    {% set lake = list_lake() %}
    {% do run_query('create or replace temporary table listed_files as from lake_files') %}
    {% do run_query("delete from lake_files where date is null or list_contains(" ~ sql_list(damaged.keys()) ~ ", file)") %}
    {% set findings = [] %}
    {% for file in run_query(
        "select file from listed_files where list_contains(" ~ sql_list(damaged.keys()) ~ ", file) order by file"
    ).columns[0].values() %}
        {% do findings.append(['error', 'files', none, damaged[file], 1, file]) %}
    {% endfor %}
    {% for source in raw_sources() if source.name != 'loads' %}
        {% set files = list_of_files(source.name) %}
        {% for column in (wrong_columns(files, source) if files else []) %}
            {% do findings.append([
                'error', 'columns', source.name, 'has ' ~ remedy(column), column.files | length, column.files[0]
            ]) %}
            {% do run_query("delete from lake_files where list_contains(" ~ sql_list(column.files) ~ ", file)") %}
        {% endfor %}
        {% set unread = unread_columns(source) %}
        {% if unread %}
            {% do findings.append([
                'note', 'columns', source.name, 'has columns that are not read: ' ~ unread | join(', '), unread | length, none
            ]) %}
        {% endif %}
        {% do run_query(
            "create or replace temporary table checked_" ~ source.name ~ " as select *, " ~ rejection_reason(source.name, 'id')
            ~ " as rejection_reason from (select *, date as _load_date from (" ~ rows_of_files(source) ~ ")) as delivered"
        ) %}
    {% endfor %}
    {% do run_query(newest_orders()) %}
    {% for query in [findings_in_files(), findings_in_rows('users'), findings_in_rows('orders'), findings_in_orders()] %}
        {% for finding in run_query(query).rows if finding[4] %} {% do findings.append(finding.values() | list) %} {% endfor %}
    {% endfor %}
    {% set result = {'lake': lake, 'tables': [], 'findings': []} %}
    {% for table in run_query(size_of_lake()).rows %} {% do result.tables.append(table.dict()) %} {% endfor %}
    {% for severity, check, table, what, count, example in findings %}
        {% do result.findings.append({
            'severity': severity, 'check': check, 'table': table, 'what': what, 'count': count | int, 'example': example,
        }) %}
    {% endfor %}
    {% do print(tojson(result)) %}
{% endmacro %}


{# The columns that the files of a table have, those of them that can be read, and that it does not declare. #}
{% macro unread_columns(table) %}
    {% set files = list_of_files(table.name) %}
    {% if not files %} {% do return([]) %} {% endif %}
    {% do return(run_query(
        "select column_name from (describe from read_parquet(" ~ files ~ ", union_by_name = true, hive_partitioning = false))"
        ~ " where not list_contains(" ~ sql_list(table.columns.keys()) ~ ", lower(column_name))"
    ).columns[0].values() | list) %}
{% endmacro %}


{# A query of the tables, and how much lies in the lake of each. #}
{% macro size_of_lake() %}
    {% for table in ['users', 'orders'] %}
        select
            '{{ table }}' as "table", count(distinct date) as loads,
            cast(min(date) as varchar) as first, cast(max(date) as varchar) as last,
            count(*) as files, coalesce(sum(size), 0)::bigint as bytes, (select count(*) from checked_{{ table }}) as rows
        from listed_files where table_name = '{{ table }}' and date is not null
        {{ 'union all' if not loop.last }}
    {% endfor %}
{% endmacro %}


{#
    Queries of findings: severity (`error` where a build would stop, `warning`, or `note`), check, table, what is so, of how
    many, and one of them. A finding that has none is not one.
#}
{% macro findings_in_files() %}
    select 'error', 'files', null, 'lies where no load is: a load is <table>/date=YYYY-MM-DD/*.parquet', count(*), min(file)
    from listed_files where date is null
    union all
    select 'note', 'files', null, 'is passed over, as a name with a leading . or _ or with .tmp is not finished', count(*), min(file)
    from ({{ lake_files(hidden=true) }}) as hidden
    {% for table in ['users', 'orders'] %}
        union all
        select 'warning', 'loads', '{{ table }}', 'has no load yet', (count(*) = 0)::int, null
        from listed_files where table_name = '{{ table }}' and date is not null
        union all
        select 'error', 'loads', '{{ table }}', 'has a load that is dated after tomorrow: move it to its date', count(*), min(file)
        from listed_files where table_name = '{{ table }}' and date > {{ date_literal(last_possible_date()) }}
        union all
        select 'warning', 'gaps', '{{ table }}', 'has no load for a date between its first and its last', count(*), min(date::text)
        from (
            select unnest(generate_series(min(date), max(date), interval 1 day))::date as date
            from listed_files where table_name = '{{ table }}'
        ) as dates
        where date not in (select date from listed_files where table_name = '{{ table }}' and date is not null)
    {% endfor %}
{% endmacro %}


{% macro findings_in_rows(table) %}
    {% set content = {'users': 'email, created_at', 'orders': 'user_id, amount, status, created_at'}[table] %}
    with delivered as (
        select *, '{{ table[:-1] }} ' || coalesce(id::text, 'without id') || ' of ' || date as row_name from checked_{{ table }}
    ),

    placeable as (
        select * from delivered where rejection_reason is null
    )

    select 'error', 'rejected', '{{ table }}', 'is rejected: more than max_rejected_share allows', count(rejection_reason), null
    from delivered having count(rejection_reason) > {{ var('max_rejected_share') }} * count(*)
    union all
    select
        'warning', 'rejected', '{{ table }}',
        format('is rejected ({:.1f} %): ', 100 * count(*) / (select count(*) from delivered)) || rejection_reason
        || if(rejection_reason like '% earliest_date', ' ({{ var('earliest_date') }}), a setting', ''),
        count(*), min(row_name)
    from delivered where rejection_reason is not null group by rejection_reason
    union all
    select 'note', 'duplicates', '{{ table }}', 'is more than once in its load, and counts once', count(*), min(row_name)
    from (select min(row_name) as row_name from placeable group by id, updated_at, date having count(*) > 1) as twice
    union all
    select
        'warning', 'duplicates', '{{ table }}', 'has other values under the same updated_at: the one loaded last counts',
        count(*), min(row_name)
    from (
        select max(row_name) as row_name from placeable group by id, updated_at having count(distinct row({{ content }})) > 1
    ) as changed
    union all
    select 'warning', 'times', '{{ table }}', 'was updated before it was created', count(*), min(row_name)
    from placeable where updated_at < created_at
{% endmacro %}


{# Makes a temporary table of the newest version of each order, and what its status counts as. #}
{% macro newest_orders() %}
    create or replace temporary table newest_orders as
    select
        orders.*, 'order ' || orders.id || ' of ' || orders.date as row_name,
        statuses.status is not null as is_known, statuses.counts_as_order, statuses.counts_as_spend
    from checked_orders as orders
    left join {{ seeded_statuses() }} as statuses on orders.status = statuses.status
    where orders.rejection_reason is null
    qualify row_number() over (partition by orders.id order by orders.updated_at desc, _loaded_at desc, date desc) = 1
{% endmacro %}


{# The seed order_statuses as its file has it. #}
{% macro seeded_statuses() %}
    {% set seed = graph.nodes['seed.' ~ project_name ~ '.order_statuses'] %}
    {%- do return("read_csv(" ~ sql_text(seed.root_path ~ '/' ~ seed.original_file_path) ~ ", types = {'status': 'varchar'})") -%}
{% endmacro %}


{% macro findings_in_orders() %}
    select 'error', 'statuses', 'orders', 'has the status ' || status || ' more than once in the seed order_statuses', count(*), null
    from {{ seeded_statuses() }} group by status having count(*) > 1
    union all
    select
        'error', 'statuses', 'orders', 'has the status ' || coalesce(status, 'null') || ', which the seed order_statuses does not have',
        count(*), min(row_name)
    from newest_orders where not is_known group by status
    union all
    select
        'warning', 'signs', 'orders', 'is ' || status || ' and '
        || case when counts_as_order then 'negative' else 'positive: docs/your_data.md has how returns count' end,
        count(*), min(row_name)
    from newest_orders
    where counts_as_spend and case when counts_as_order then amount < 0 else amount > 0 end
    group by status, counts_as_order
    union all
    select 'warning', 'users', 'orders', 'waits for its user, whom no load has', count(*), min(row_name)
    from newest_orders where user_id not in (select id from checked_users where rejection_reason is null)
    union all
    select 'note', 'users', 'orders', 'has no user: the orders of guests count nowhere', count(*), min(row_name)
    from newest_orders where user_id is null
    union all
    select 'error', 'sums', 'orders', 'adds up to more than decimal(18, 2) holds, with its user''s other orders', count(*), min(row_name)
    from (
        select min(row_name) as row_name from newest_orders
        where user_id is not null group by user_id having sum(abs(amount)) >= 10000000000000000
    ) as sums
{% endmacro %}
