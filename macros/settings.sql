{#
    The value of a var as a date literal of SQL, for example cast('2024-01-05' as date), or none when the
    var is unset. `validate_settings` has already refused anything that is not a date.
#}
{% macro date_setting(name) %}
    {% if var(name) is not none %}
        {% do return(date_literal(var(name))) %}
    {% endif %}
    {% do return(none) %}
{% endmacro %}


{# The Python date of a date or its text YYYY-MM-DD; none for none. #}
{% macro python_date(value) %}
    {% if value is not none and not execute %}
        {# While dbt parses, no setting has been validated yet; any date will do. #}
        {% do return(modules.datetime.date(2000, 1, 1)) %}
    {% endif %}
    {% if value is not none %}
        {% do return(modules.datetime.date.fromisoformat(value | string)) %}
    {% endif %}
    {% do return(none) %}
{% endmacro %}


{# Tomorrow (UTC), YYYY-MM-DD: nothing may be dated later, lest a wrong year moves the calendar for good. #}
{% macro last_possible_date() %}
    {% do return((run_started_at + modules.datetime.timedelta(days=1)).strftime('%Y-%m-%d')) %}
{% endmacro %}


{# A date, or its text YYYY-MM-DD, as a literal of SQL that every engine prunes partitions by. #}
{% macro date_literal(value) %}
    {% do return("cast('" ~ value ~ "' as date)") %}
{% endmacro %}


{#
    Refuses a wrong setting before anything is built; runs once, on-run-start. Every message names the
    setting, its value and what is allowed.
#}
{% macro validate_settings() %}
    {% do _refuse_unknown_vars() %}
    {% do _require_date('earliest_date', required=true) %}
    {% if not '1900-01-01' <= var('earliest_date') | string <= last_possible_date() %}
        {% do _refuse('earliest_date', "from 1900-01-01 to tomorrow (" ~ last_possible_date() ~ ", UTC)") %}
    {% endif %}
    {% for name in ['run_date', 'restate_from'] %}
        {% do _require_date(name) %}
        {% if var(name) is not none and var(name) | string < var('earliest_date') | string %}
            {% do _refuse(name, "a date on or after earliest_date (" ~ var('earliest_date') ~ ")") %}
        {% endif %}
        {% if var(name) is not none and var(name) | string > last_possible_date() %}
            {% do _refuse(name, "no later than tomorrow (" ~ last_possible_date() ~ ", UTC)") %}
        {% endif %}
    {% endfor %}
    {% for name in ['max_rejected_share', 'max_vanished_share'] %}
        {% if var(name) is not number or var(name) is boolean or not 0 <= var(name) <= 1 %}
            {% do _refuse(name, "a number from 0 to 1") %}
        {% endif %}
    {% endfor %}
    {% if var('max_days_per_build') is not integer or var('max_days_per_build') is boolean or var('max_days_per_build') < 1 %}
        {% do _refuse('max_days_per_build', "a whole number from 1 on") %}
    {% endif %}
    {% for name in ['test_all_dates', 'accept_missing_loads'] if var(name) is not boolean %}
        {% do _refuse(name, "true or false") %}
    {% endfor %}
{% endmacro %}


{#
    Refuses a var, given with --vars, that neither this project nor, by a prefix such as dbt_date:, a package knows. A
    project that adds vars of its own adds them here.
#}
{% macro _refuse_unknown_vars() %}
    {% set known = [
        'run_date', 'restate_from', 'earliest_date', 'max_rejected_share', 'max_vanished_share', 'accept_missing_loads',
        'test_all_dates', 'max_days_per_build',
    ] %}
    {% for name in invocation_args_dict.get('vars') or {} if name not in known and ':' not in name %}
        {% set likeness = [] %}
        {% for candidate in known %} {% do likeness.append([_likeness(name, candidate), candidate]) %} {% endfor %}
        {% set share, likely = likeness | max %}
        {% do exceptions.raise_compiler_error(
            "There is no setting " ~ name ~ (": did you mean " ~ likely ~ "?" if share > 0.2 else ".")
            ~ " docs/settings.md has all of them."
        ) %}
    {% endfor %}
{% endmacro %}


{# How alike two names are, from 0 to 1: the share of their pairs of neighbouring letters that both have. #}
{% macro _likeness(left, right) %}
    {% set pairs = [] %}
    {% for name in [left | string, right] %}
        {% set letters = name | lower | replace('_', '') | replace('-', '') %}
        {% set own = [] %}
        {% for letter in letters[1:] %} {% do own.append(letters[loop.index0] ~ letter) %} {% endfor %}
        {% do pairs.append(own) %}
    {% endfor %}
    {% set shared = pairs[0] | select('in', pairs[1]) | list | length %}
    {% do return(2 * shared / ([pairs[0] | length + pairs[1] | length, 1] | max)) %}
{% endmacro %}


{# Refuses a var that is not a date of the calendar, such as 2024-02-30. #}
{% macro _require_date(name, required=false) %}
    {% if var(name) is none and not required %}
        {% do return(none) %}
    {% endif %}
    {% set text = var(name) | string %}
    {% if not modules.re.match('(?!0000)\\d{4}-(0[1-9]|1[0-2])-(0[1-9]|[12]\\d|3[01])$', text) %}
        {% do _refuse(name, "a date written YYYY-MM-DD, such as 2024-01-05") %}
    {% endif %}
    {% set month_start = modules.datetime.date(text[:4] | int, text[5:7] | int, 1) %}
    {% set day = month_start + modules.datetime.timedelta(days=text[8:] | int - 1) %}
    {% if day.month != month_start.month %}
        {% do _refuse(name, "a date of the calendar") %}
    {% endif %}
{% endmacro %}


{% macro _refuse(name, allowed) %}
    {% do exceptions.raise_compiler_error("The setting " ~ name ~ " is '" ~ var(name) ~ "', but must be " ~ allowed ~ ".") %}
{% endmacro %}
