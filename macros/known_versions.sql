{#
    A query of the versions that are known of each row: those that the window's loads deliver, and the stored one.
    A stored version whose load is read again is marked as deleted; if that load still has it, it is delivered too.

    checked: relation of checked staging rows; window: from load_window(); columns: what a version says
    Returns: a query of those columns and loaded_at, load_date, first_load_date, last_load_date, is_deleted
#}
{% macro known_versions(checked, window, columns) %}
    select
        {{ columns | join(', ') }}, loaded_at, load_date,
        load_date as first_load_date, load_date as last_load_date, false as is_deleted
    from {{ checked }}
    where rejection_reason is null and {{ in_load_window('load_date', window) }}
    union all
    select
        {{ columns | join(', ') }}, _loaded_at, _load_date,
        _first_load_date, _last_load_date, is_deleted or {{ in_load_window('_load_date', window) }}
    from ({{ stored_rows() }}) as stored
{% endmacro %}
