{#
    Incremental strategy `replace_dates`, of user_metrics: in one transaction, every date from the first that was built
    on is deleted, by a literal date, and written anew.

    Nothing was built when nothing had changed, and when no user has signed up by the end of the calendar: then no date
    before the first sign-up may stay.
#}
{% macro get_incremental_replace_dates_sql(arguments) %}
    {% set columns = get_quoted_csv(arguments.dest_columns | map(attribute='name')) %}
    {% set first_date = query_row("select min(_restated_from) from " ~ arguments.temp_relation)[0] %}
    delete from {{ arguments.target_relation }}
    {% if first_date %}
    where date >= {{ date_literal(first_date) }};
    {% else %}
    where date < coalesce(
        (select min(cast(signed_up_at as date)) from {{ ref('dim_users') }} where not is_deleted),
        {{ date_literal(var('earliest_date') if flags.EMPTY else '9999-12-31') }}
    );
    {% endif %}

    insert into {{ arguments.target_relation }} ({{ columns }})
    select {{ columns }} from {{ arguments.temp_relation }}
{% endmacro %}
