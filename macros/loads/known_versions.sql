{#
    A query of the versions that are known of each row: those that the loads of this run deliver, and the stored one.
    A stored version whose load is read again is marked as deleted; if that load still has it, it is delivered too.

    checked: relation of checked staging rows; loads: from loads_to_read(); id: column of the row's id; columns: what a
    version says
    Returns: a query of those columns and _loaded_at, _load_date, first_load_date, is_deleted
#}
{% macro known_versions(checked, loads, id, columns) %}
    select {{ columns | join(', ') }}, _loaded_at, _load_date, _load_date as first_load_date, false as is_deleted
    from {{ checked }}
    where rejection_reason is null and {{ in_dates('_load_date', loads.dates) }}
    {% if loads.look_back %}
    union all
    select {{ columns | join(', ') }}, _loaded_at, _load_date, _load_date, false
    from {{ checked }}
    where
        rejection_reason is null and {{ in_dates('_load_date', loads.look_back) }}
        and {{ id }} in (select in_doubt.{{ id }} from {{ this }} as in_doubt where {{ in_dates('in_doubt._load_date', loads.dates) }})
    {% endif %}
    union all
    select
        {{ columns | join(', ') }}, _loaded_at, _load_date, _first_load_date,
        is_deleted or {{ in_dates('_load_date', loads.dates) }}
    from ({{ stored_rows() }}) as stored
{% endmacro %}
