{#
    How rejected_users and rejected_orders are kept: a row stays as long as its load is as it was when the row was found.

    They do not wait for dim_users and fct_orders, whose tests may stop what comes after them: when a run is stopped for
    its rejected rows, one wants to see them. The ledger only spares them the loads that are known to be clean.
#}


{#
    The loads that such a table has to look at, a list of Python dates: those that it holds no row of, as they are now,
    and that are not known to have none.

    table: of the source; reader: name of the model that reads the loads; loads: relation of the loads delivered
#}
{% macro loads_with_new_rejects(table, reader, loads) %}
    {% do wait_for_other_writers() %}
    {% set ledger = load_relation(ledger_of(this.incorporate(path={'identifier': reader}))) if execute %}
    {% if not ledger or not load_relation(loads) %}
        {% do return([]) %}
    {% endif %}
    {% set unknown %}
        select listed.load_date
        from {{ loads }} as listed
        left join {{ ledger }} as ledger on listed.load_date = ledger.load_date and listed.fingerprint = ledger.fingerprint
        where
            listed.table_name = '{{ table }}' and coalesce(ledger.rejected_rows, 1) > 0
            {% if is_incremental() %}
            and not exists (
                select 1 from {{ this }} as held
                where held._load_date = listed.load_date and held._fingerprint = listed.fingerprint
            )
            {% endif %}
    {% endset %}
    {% do return(run_query(unknown).columns[0].values() | list) %}
{% endmacro %}


{# Before such a table is written and in its transaction: rows go whose load is another by now, or is meant to be gone. #}
{% macro forget_old_rejects(table, reader, loads) %}
    {% if is_build() and is_incremental() and not flags.EMPTY %}
    delete from {{ this }}
    where
        exists (
            select 1 from {{ loads }} as listed
            where
                listed.table_name = '{{ table }}'
                and listed.load_date = {{ this }}._load_date and listed.fingerprint <> {{ this }}._fingerprint
        )
        or (
            _load_date not in (select listed.load_date from {{ loads }} as listed where listed.table_name = '{{ table }}')
            and _load_date not in (
                select ledger.load_date from {{ ledger_of(this.incorporate(path={'identifier': reader})) }} as ledger
                where ledger.is_archived or {{ not var('accept_missing_loads') }}
            )
        )
    {% endif %}
{% endmacro %}
