{#
    A query of the ids whose rows may change: those that a load of this run delivers, and those that came last from such a
    load; all of them where nothing that is stored can be relied on.
    It is asked of the tables and not of what known_versions() gives: engines keep a query that is asked twice whole.

    checked: relation of checked staging rows; loads: from loads_to_read(); id: column of the row's id
#}
{% macro touched_ids(checked, loads, id) %}
    select {{ id }} from {{ checked }}
    where rejection_reason is null and {{ in_dates('_load_date', loads.dates) }}
    union
    select {{ id }} from ({{ stored_rows() }}) as stored
    where {{ loads.is_void | lower }} or {{ in_dates('_load_date', loads.dates) }}
{% endmacro %}


{#
    A query of the versions that are known of each row: those that the loads of this run deliver, and the stored one.
    A stored version whose load is read again is marked as deleted; if that load still has it, it is delivered too.

    checked, loads, id: as for touched_ids(); stored: name of a query of the stored rows; columns: what a version says
    Returns: a query of those columns and _loaded_at, _load_date, first_load_date, is_deleted
#}
{% macro known_versions(checked, loads, id, stored, columns) %}
    select {{ columns | join(', ') }}, _loaded_at, _load_date, _load_date as first_load_date, false as is_deleted
    from {{ checked }}
    where rejection_reason is null and {{ in_dates('_load_date', loads.dates) }}
    {% if loads.look_back %}
    union all
    select {{ columns | join(', ') }}, _loaded_at, _load_date, _load_date, false
    from {{ checked }}
    where
        rejection_reason is null and {{ in_dates('_load_date', loads.look_back) }}
        and {{ id }} in (select in_doubt.{{ id }} from {{ stored }} as in_doubt where {{ in_dates('in_doubt._load_date', loads.dates) }})
    {% endif %}
    union all
    select
        {{ columns | join(', ') }}, _loaded_at, _load_date, _first_load_date,
        is_deleted or {{ in_dates('_load_date', loads.dates) }}
    from {{ stored }}
{% endmacro %}
