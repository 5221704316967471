{#
    The loads that this run of a reader (dim_users, fct_orders) reads: those that are new or have been delivered anew
    since it read them, however old, and nothing else. This macro owns that decision; models only apply it.

    A load that is read again may have lost a row that came from it. For the rows in doubt, and for them alone, the other
    loads since the first that brought one of them are read too, so that an older version takes over again.

    table: of the source; loads: relation of the loads delivered; checked: relation of checked staging rows; key: columns
    that identify a stored row
    Returns: dict of `dates` (to read, Python dates), `look_back` (dates to read for the rows in doubt) and `is_void`
    (nothing that is stored can be relied on)
#}
{% macro loads_to_read(table, loads, checked, key) %}
    {% do wait_for_other_writers() %}
    {% set ledger = load_relation(ledger_of(this)) if execute %}
    {% set to_read = {'dates': [], 'look_back': [], 'is_void': not is_incremental()} %}
    {% if not ledger or flags.EMPTY or not load_relation(loads) %}
        {% do return(to_read) %}
    {% endif %}
    {% set new_or_changed %}
        select listed.load_date, ledger.load_date is not null, ledger.fingerprint is null, state.is_void
        from {{ loads }} as listed
        cross join (select {{ is_void(this) }} as is_void) as state
        left join {{ ledger }} as ledger on listed.load_date = ledger.load_date
        where
            listed.table_name = '{{ table }}'
            and (state.is_void or not coalesce(listed.fingerprint = ledger.fingerprint, false))
        {% if var('accept_missing_loads') %}
        union all
        select ledger.load_date, true, true, state.is_void
        from {{ ledger }} as ledger
        cross join (select {{ is_void(this) }} as is_void) as state
        left join {{ loads }} as listed on ledger.load_date = listed.load_date and listed.table_name = '{{ table }}'
        where listed.load_date is null and not ledger.is_archived
        {% endif %}
    {% endset %}
    {% set again, unconfirmed = [], [] %}
    {% for date, was_read, is_unconfirmed, is_void in run_query(new_or_changed).rows %}
        {% do to_read.dates.append(date) %}
        {% do again.append(date) if was_read %}
        {% do unconfirmed.append(date) if was_read and is_unconfirmed %}
        {% do to_read.update({'is_void': is_void}) %}
    {% endfor %}
    {% if to_read.is_void or not again %}
        {% do return(to_read) %}
    {% endif %}
    {% set first_load_in_doubt = query_row(
        "select min(_first_load_date) from " ~ this ~ " as stored where " ~ in_doubt(checked, key, to_read.dates, again, unconfirmed)
    )[0] %}
    {% if first_load_in_doubt %}
        {% do to_read.update({'look_back': run_query(
            "select load_date from " ~ loads ~ " where table_name = '" ~ table ~ "' and load_date >= " ~ date_literal(first_load_in_doubt)
            ~ " and not " ~ in_dates('load_date', to_read.dates)
        ).columns[0].values() | list}) %}
    {% endif %}
    {% do return(to_read) %}
{% endmacro %}


{#
    The condition that a stored row is in doubt: it came last from a load that is read again, and this load was not
    confirmed, or none of the loads read has the row in that version or a newer one. Rows marked deleted are in doubt too.
#}
{% macro in_doubt(checked, key, dates, again, unconfirmed) %}
    {{ in_dates('stored._load_date', again) }}
    and ({{ in_dates('stored._load_date', unconfirmed) }} or not exists (
        select 1 from {{ checked }} as versions
        where
            {{ in_dates('versions._load_date', dates) }}
            and versions.rejection_reason is null
            {% for column in key %} and versions.{{ column }} = stored.{{ column }} {% endfor %}
            and (
                versions.updated_at > stored.updated_at
                or (versions.updated_at = stored.updated_at and versions._loaded_at > stored._loaded_at)
                or (
                    versions.updated_at = stored.updated_at
                    and versions._loaded_at = stored._loaded_at
                    and versions._load_date >= stored._load_date
                )
            )
    ))
{% endmacro %}


{#
    The condition that a date is one of these, with literals, in ranges where they follow each other: engines open just
    those partitions.

    column: of dates; dates: Python dates
#}
{% macro in_dates(column, dates) %}
    {% set one_day = modules.datetime.timedelta(days=1) %}
    {% set ranges = [] %}
    {% for date in dates | map('string') | unique | sort %}
        {% set date = python_date(date) %}
        {% if ranges and ranges[-1][1] + one_day == date %}
            {% do ranges[-1].append(date) or ranges[-1].pop(1) %}
        {% else %}
            {% do ranges.append([date, date]) %}
        {% endif %}
    {% endfor %}
    {% set conditions = [] %}
    {% for first, last in ranges %}
        {% do conditions.append(
            column ~ " = " ~ date_literal(first) if first == last
            else column ~ " between " ~ date_literal(first) ~ " and " ~ date_literal(last)
        ) %}
    {% endfor %}
    {% do return('(' ~ conditions | join(' or ') ~ ')' if conditions else '1 = 0') %}
{% endmacro %}
