{#
    Incremental strategy `replace_dates`, of user_metrics: in one transaction, every date from the start of the
    restatement on is deleted, by a literal date, and written anew.
#}
{% macro get_incremental_replace_dates_sql(arguments) %}
    {% set columns = get_quoted_csv(arguments.dest_columns | map(attribute='name')) %}
    delete from {{ arguments.target_relation }}
    where date >= {{ date_literal(restatement_window().first_date) }};

    insert into {{ arguments.target_relation }} ({{ columns }})
    select {{ columns }} from {{ arguments.temp_relation }}
{% endmacro %}
