{#
    The revision that this run stamps on rows that changed: a hybrid logical clock, the greater of the run's
    start in milliseconds and 1 + the greatest revision stored. It grows even when a clock is set back.

    Returns: bigint literal, for example 1704412800000
#}
{% macro next_revision() %}
    {% set stored = stored_maximum(this, '_revision') or 0 %}
    {% do return([(run_started_at.timestamp() * 1000) | int, stored | int + 1] | max) %}
{% endmacro %}
