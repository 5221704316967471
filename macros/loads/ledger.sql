{#
    The ledger of the loads that a table holds: beside dim_users and fct_orders, one row for each load that the table has
    read. docs/loads.md says how it is kept; the model `loads` shows it.
#}
{% macro ledger_of(relation) %}
    {% do return(api.Relation.create(relation.database, relation.schema, relation.identifier ~ '_loads', type='table')) %}
{% endmacro %}


{#
    What tells one state of a load, a row of raw.loads, from another. With another earliest_date other rows of it count, so
    that it has to be read again too.
#}
{% macro fingerprint() %}
    {%- do return("checksum || ' ' || cast(loaded_at as varchar) || ' ' || '" ~ var('earliest_date') ~ "'") -%}
{% endmacro %}


{#
    The loads that were new or had been delivered anew when this run began: a list of Python dates; all of them in a full
    refresh. Asked once a run.

    table: of the source; reader: name of the table that reads them; listed: relation of raw.loads
#}
{% macro unread_loads(table, reader, listed) %}
    {% if not load_relation(listed) %}
        {% do return([]) %}
    {% endif %}
    {% set known = known_to_this_run() %}
    {% if 'unread_' ~ table not in known %}
        {% set ledger = load_relation(ledger_of(listed.incorporate(path={'schema': target.schema, 'identifier': reader}))) %}
        {% set unread %}
            select date from {{ listed }}
            where table_name = '{{ table }}'
            {% if ledger and not flags.FULL_REFRESH %}
                and date not in (
                    select listed.date from {{ listed }} as listed
                    inner join {{ ledger }} as ledger on listed.date = ledger.load_date and {{ fingerprint() }} = ledger.fingerprint
                    where listed.table_name = '{{ table }}'
                )
            {% endif %}
        {% endset %}
        {% do known.update({'unread_' ~ table: run_query(unread).columns[0].values() | list}) %}
    {% endif %}
    {% do return(known['unread_' ~ table]) %}
{% endmacro %}


{# The tables that read loads, by the source's table. #}
{% macro readers() %}
    {% do return({'users': ref('dim_users'), 'orders': ref('fct_orders')}) %}
{% endmacro %}


{# Makes the ledgers that are not there yet, on-run-start. #}
{% macro make_ledgers() %}
    {% set readers = readers() %}
    {% if execute and is_build() %}
        {% for reader in readers.values() %}
            {% set stored = load_relation(reader) if is_selected(reader.identifier) and not will_be_rebuilt(reader) %}
            {% if stored and lacks_columns(stored) %}
                {% do exceptions.raise_compiler_error(
                    stored ~ " was made by an older version of this project: run once with --full-refresh."
                ) %}
            {% endif %}
            {% do make_bookkeeping(ledger_of(reader)) if not load_relation(ledger_of(reader)) %}
        {% endfor %}
    {% endif %}
{% endmacro %}


{# Whether a table of a model's lacks columns that the model declares. #}
{% macro lacks_columns(stored) %}
    {% set there = stored_columns(stored) %}
    {% for column in graph.nodes['model.' ~ project_name ~ '.' ~ stored.identifier].columns if column not in there %}
        {% do return(true) %}
    {% endfor %}
    {% do return(false) %}
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
    {% set folders = [] %}
    {% for date in dates %} {% do folders.append(table ~ '/date=' ~ date ~ '/*') %} {% endfor %}
    {% set files = lake_files(folders if folders | length <= 20 else [table ~ '/*/*']) %}
    {% do return(query_row(
        "select count(*) from raw.loads as listed left join (" ~ loads_of('(' ~ files ~ ') as now_there') ~ ") as there"
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
