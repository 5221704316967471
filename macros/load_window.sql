{#
    The load partitions that this run reads: those newer than (newest processed load date - load_window_days),
    plus run_date's own. This macro owns that decision; models only apply it.

    A partition that is read again may have lost a version that was current (its date was extracted again
    after the row had changed). Then the window reaches back to the first load that brought the row, so that
    an older version takes over again.

    versions: relation of checked staging rows; key: columns that identify a stored row
    Returns: dict of `after` (a Python date, none for every load) and `run_date` (a literal, none when unset), for
    in_load_window()
#}
{% macro load_window(versions, key) %}
    {% do wait_for_other_writers() %}
    {% set window = {'after': none, 'run_date': date_setting('run_date')} %}
    {% if not execute or not is_incremental() %}
        {% do return(window) %}
    {% endif %}
    {% set processed = stored_maximum(this, '_last_load_date') %}
    {% if processed is none %}
        {% do return(window) %}
    {% endif %}
    {% do window.update({'after': processed - modules.datetime.timedelta(days=var('load_window_days'))}) %}
    {% set first_load_of_vanished %}
        select min(stored._first_load_date)
        from {{ this }} as stored
        left join {{ versions }} as versions
            on {{ in_load_window('versions.load_date', window) }}
            and versions.rejection_reason is null
            {% for column in key %} and versions.{{ column }} = stored.{{ column }} {% endfor %}
            and (
                versions.updated_at > stored.updated_at
                or (versions.updated_at = stored.updated_at and versions.loaded_at > stored._loaded_at)
                or (
                    versions.updated_at = stored.updated_at
                    and versions.loaded_at = stored._loaded_at
                    and versions.load_date >= stored._load_date
                )
            )
        where
            {{ in_load_window('stored._load_date', window) }}
            and not stored.is_deleted
            and versions.load_date is null
    {% endset %}
    {% set first_load = run_query(first_load_of_vanished).columns[0].values()[0] %}
    {% if first_load is not none %}
        {% do window.update({'after': [window.after, first_load - modules.datetime.timedelta(days=1)] | min}) %}
    {% endif %}
    {% do return(window) %}
{% endmacro %}


{# The condition that a load date is in a window of load_window(), with literal dates. #}
{% macro in_load_window(column, window) %}
    {%- if window.after is none -%}
        1 = 1
    {%- elif window.run_date is none -%}
        {{ column }} > {{ date_literal(window.after) }}
    {%- else -%}
        ({{ column }} > {{ date_literal(window.after) }} or {{ column }} = {{ window.run_date }})
    {%- endif -%}
{% endmacro %}
