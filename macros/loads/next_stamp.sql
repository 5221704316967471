{#
    A query of one row, `stamp`: what this run stamps on the rows that it writes, and as their revision on those that
    changed. A hybrid logical clock, the greater of the run's start in milliseconds and 1 + the greatest stamp so far. It
    is worked out in the statement that writes, so that of two runs the later has the greater one.
#}
{% macro next_stamp() %}
    {% set start = (run_started_at.timestamp() * 1000) | int %}
    select greatest(
        {{ start }}
        {% if execute and load_relation(ledger_of(this)) %}, (select 1 + coalesce(max(table_stamp), 0) from {{ ledger_of(this) }}){% endif %}
        {% if is_incremental() %}, (select 1 + coalesce(max(_stamp), 0) from {{ this }}){% endif %}
    ) as stamp
{% endmacro %}
