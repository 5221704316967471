{#
    The ledger of the loads that a table holds: beside dim_users and fct_orders, one row for each load that the table has
    read. docs/loads.md says how it is kept; the model `loads` shows it.
#}
{% macro ledger_of(relation) %}
    {% do return(api.Relation.create(relation.database, relation.schema, relation.identifier ~ '_loads', type='table')) %}
{% endmacro %}


{# The tables that read loads, by the source's table. #}
{% macro readers() %}
    {% do return({'users': ref('dim_users'), 'orders': ref('fct_orders')}) %}
{% endmacro %}


{# Makes the ledgers that are not there yet, on-run-start. #}
{% macro make_ledgers() %}
    {% set readers = readers() %}
    {% if execute and is_build() %}
        {% for reader in readers.values() if not load_relation(ledger_of(reader)) %}
            {% set stored = load_relation(reader) if not will_be_rebuilt(reader) %}
            {% if stored and '_stamp' not in adapter.get_columns_in_relation(stored) | map(attribute='name') %}
                {% do exceptions.raise_compiler_error(
                    stored ~ " was made by an older version of this project: run once with --full-refresh."
                ) %}
            {% endif %}
            {% do create_schema(ledger_of(reader)) %}
            {% call statement('ledger', auto_begin=true) %}
                create table if not exists {{ ledger_of(reader) }} (
                    load_date date not null,
                    fingerprint varchar(256),
                    is_archived boolean not null,
                    delivered_rows bigint,
                    rejected_rows bigint,
                    vanished_rows bigint,
                    first_read_at timestamp not null,
                    last_read_at timestamp,
                    table_stamp bigint
                )
            {% endcall %}
            {% do adapter.commit() %}
            {% do adapter.cache_added(ledger_of(reader)) %}
        {% endfor %}
    {% endif %}
{% endmacro %}


{# Whether this command builds models, and may write. #}
{% macro is_build() %}
    {% do return(flags.WHICH in ['build', 'run', 'retry']) %}
{% endmacro %}


{# Whether this run builds a model. #}
{% macro is_selected(name) %}
    {% do return('model.' ~ project_name ~ '.' ~ name in selected_resources) %}
{% endmacro %}


{# Whether this run builds a model's table from nothing. #}
{% macro will_be_rebuilt(relation) %}
    {% do return(is_selected(relation.identifier) and (flags.FULL_REFRESH or not load_relation(relation))) %}
{% endmacro %}


{#
    Stops the run, on-run-start, before anything is written, when loads that were read are there no more. It is no
    delivery when a folder is unmounted or a partition is half-way through a rewrite. The past alone may go: where every
    load that is missing is older than all that are left, it was archived, and its rows are kept.
    A full refresh would lose them, so it stops for archived loads too.
#}
{% macro refuse_missing_loads() %}
    {% set readers = readers() %}
    {% set listed = source('raw', 'loads') %}
    {% set bounds = [] %}
    {% for table, reader in readers.items() if execute and is_build() and not flags.EMPTY %}
        {% set missing, first, last, oldest, future, is_void = query_row(missing_loads(table, reader, listed)) %}
        {% do bounds.append(oldest) %}
        {% if future %}
            {% do exceptions.raise_compiler_error(
                place_of(listed) ~ " has a load of " ~ table ~ " for " ~ future ~ ", which is after tomorrow. Move it to the date that it is of."
            ) %}
        {% endif %}
        {% set is_archive = missing and oldest and not is_void and last < oldest %}
        {% if missing and not is_archive and not var('accept_missing_loads') %}
            {% do exceptions.raise_compiler_error(
                place_of(listed) ~ " no longer has " ~ missing ~ " loads of " ~ table ~ " that " ~ reader.identifier ~ " was built from ("
                ~ first ~ (" to " ~ last if missing > 1 else "") ~ "). Nothing was written. Bring them back; or, if they are meant to be"
                ~ " gone for good, run once with --vars '{accept_missing_loads: true}', which takes out what they brought."
            ) %}
        {% endif %}
        {% if loop.last and not bounds | select | list and not load_relation(reader) %}
            {% do exceptions.warn(place_of(listed) ~ " holds no load yet: user_metrics will have no rows.") %}
        {% endif %}
    {% endfor %}
{% endmacro %}


{# The beginning of a sentence on what is delivered. #}
{% macro place_of(listed) %}
    {% if target.type == 'duckdb' %}
        {% do return("LAKE_URI is '" ~ query_row("select getvariable('lake_uri')")[0] ~ "', which") %}
    {% endif %}
    {% do return(listed) %}
{% endmacro %}


{#
    A query of one row: how many loads are missing, their first and last, the oldest load that is there, one that is dated
    too late, and whether the ledger is void. Archived loads are missing too when the table is to be made anew.
#}
{% macro missing_loads(table, reader, listed) %}
    with state as (
        {% if will_be_rebuilt(reader) or not load_relation(reader) %}
        select {{ will_be_rebuilt(reader) | lower }} as is_void
        {% else %}
        select {{ stamps_differ(reader) }} as is_void
        {% endif %}
    ),

    bounds as (
        select
            min(date) as oldest,
            max(case when date > {{ date_literal(last_possible_date()) }} then date end) as future
        from {{ listed }} where table_name = '{{ table }}'
    ),

    missing as (
        select ledger.load_date from {{ ledger_of(reader) }} as ledger
        cross join state
        left join {{ listed }} as listed on ledger.load_date = listed.date and listed.table_name = '{{ table }}'
        where listed.date is null and (state.is_void or not ledger.is_archived)
    )

    select
        count(missing.load_date), min(missing.load_date), max(missing.load_date),
        min(bounds.oldest), max(bounds.future), state.is_void
    from bounds
    cross join state
    left join missing on 1 = 1
    group by state.is_void
{% endmacro %}


{#
    Protocol step d, before a reader writes and in its transaction: the entries of the loads that it is about to read are
    withdrawn, so that what is not confirmed below will be read again.

    table: of the source; loads: relation of the loads delivered
#}
{% macro withdraw_loads(table, loads) %}
    {% set ledger = ledger_of(this) %}
    {% set listed = "select load_date from " ~ loads ~ " where table_name = '" ~ table ~ "'" %}
    {% if is_build() and not flags.EMPTY %}
    {% if var('accept_missing_loads') %}
    delete from {{ ledger }} where load_date not in ({{ listed }}) {{ 'and not is_archived' if is_incremental() }};
    {% endif %}
    update {{ ledger }} set fingerprint = null, is_archived = false
    where
        {{ is_void(this) }}
        or load_date not in (
            select listed.load_date from {{ loads }} as listed
            inner join {{ ledger }} as ledger
                on listed.load_date = ledger.load_date and listed.fingerprint = ledger.fingerprint
            where listed.table_name = '{{ table }}'
        );
    update {{ ledger }} set is_archived = true where load_date not in ({{ listed }});
    insert into {{ ledger }} (load_date, is_archived, first_read_at)
    select listed.load_date, false, {{ run_start() }}
    from {{ loads }} as listed
    where listed.table_name = '{{ table }}' and listed.load_date not in (select load_date from {{ ledger }})
    {% endif %}
{% endmacro %}


{#
    Protocol step e, after a reader has written and in its transaction: the loads that were read are confirmed, unless one
    of them has been delivered anew meanwhile; then none is, as a row may have gone from one to another.

    table: of the source; loads: relation of the loads delivered; checked: relation of checked staging rows
#}
{% macro confirm_loads(table, loads, checked) %}
    {% set ledger = ledger_of(this) %}
    {% if execute and is_build() and not flags.EMPTY %}
    {% set dates = run_query(
        "select listed.load_date from " ~ loads ~ " as listed inner join " ~ ledger ~ " as ledger on listed.load_date = ledger.load_date"
        ~ " where listed.table_name = '" ~ table ~ "' and ledger.fingerprint is null"
    ).columns[0].values() | list %}
    {% if dates %}
    update {{ ledger }} set
        fingerprint = {{ 'null' if were_redelivered(table, dates) else 'news.fingerprint' }},
        delivered_rows = news.delivered_rows,
        rejected_rows = news.rejected_rows,
        vanished_rows = news.vanished_rows,
        last_read_at = {{ run_start() }}
    from (
        select
            listed.load_date, listed.fingerprint,
            coalesce(max(delivered.delivered_rows), 0) as delivered_rows,
            coalesce(max(delivered.rejected_rows), 0) as rejected_rows,
            coalesce(max(vanished.vanished_rows), 0) as vanished_rows
        from {{ loads }} as listed
        left join (
            select _load_date, count(*) as delivered_rows, count(rejection_reason) as rejected_rows
            from {{ checked }}
            where {{ in_dates('_load_date', dates) }}
            group by _load_date
        ) as delivered on listed.load_date = delivered._load_date
        left join (
            select _vanished_from, count(*) as vanished_rows
            from {{ this }}
            where _vanished_from is not null and _stamp > (select coalesce(max(table_stamp), 0) from {{ ledger }})
            group by _vanished_from
        ) as vanished on listed.load_date = vanished._vanished_from
        where listed.table_name = '{{ table }}' and {{ in_dates('listed.load_date', dates) }}
        group by listed.load_date, listed.fingerprint
    ) as news
    where {{ ledger }}.load_date = news.load_date;
    {% endif %}
    update {{ ledger }} set table_stamp = (select coalesce(max(_stamp), 0) from {{ this }})
    where coalesce(table_stamp, 0) <> (select coalesce(max(_stamp), 0) from {{ this }})
    {% endif %}
{% endmacro %}


{#
    Whether one of these loads may have been delivered anew since the run has listed them. Redshift need not look: the
    transaction reads one state of the raw tables.
#}
{% macro were_redelivered(table, dates) %}
    {% do return(adapter.dispatch('were_redelivered')(table, dates)) %}
{% endmacro %}


{% macro redshift__were_redelivered(table, dates) %}
    {% do return(false) %}
{% endmacro %}


{#
    On DuckDB, files are looked at again. Their times are of whole seconds, so that a file written since the second in
    which this run began could have been written again, of equal size, without a trace.
#}
{% macro duckdb__were_redelivered(table, dates) %}
    {% do return(query_row(
        "select count(*) from raw.loads as listed left join (" ~ loads_of('(' ~ lake_files() ~ ') as now_there') ~ ") as there"
        ~ " on listed.table_name = there.table_name and listed.date = there.date"
        ~ " where listed.table_name = '" ~ table ~ "' and " ~ in_dates('listed.date', dates)
        ~ " and (listed.checksum is distinct from there.checksum or listed.loaded_at >= date_trunc('second', " ~ run_start() ~ "))"
    )[0] > 0) %}
{% endmacro %}


{#
    The condition that a reader's ledger does not speak of its table as it stands: it is rebuilt, or it was restored from
    a copy. The two are written in one transaction, and the greatest stamp tells them apart.
#}
{% macro is_void(reader) %}
    {%- do return(stamps_differ(reader) if is_incremental() else '1 = 1') -%}
{% endmacro %}


{# The condition that a reader's table and its ledger were not written last by the same run. #}
{% macro stamps_differ(reader) %}
    {%- do return(
        "(select coalesce(max(_stamp), 0) from " ~ reader ~ ") <> (select coalesce(max(table_stamp), 0) from " ~ ledger_of(reader) ~ ")"
    ) -%}
{% endmacro %}


{# When this run began (UTC), as a literal. #}
{% macro run_start() %}
    {%- do return("cast('" ~ run_started_at.strftime('%Y-%m-%d %H:%M:%S.%f') ~ "' as timestamp)") -%}
{% endmacro %}
