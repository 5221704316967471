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
        {% if not oldest and not missing and not var('accept_missing_loads') and load_relation(reader)
            and run_query("select 1 from " ~ reader ~ " limit 1").rows %}
            {% do exceptions.raise_compiler_error(
                place_of(listed) ~ " holds no load of " ~ table ~ ", but " ~ reader.identifier ~ " holds rows. Nothing was written."
                ~ " Correct the path; or, if they are meant to be gone, run with --vars '{accept_missing_loads: true}'."
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
