{#
    Incremental strategy `changed_rows`, of user_metrics: in one transaction, the rows that this run has built take the place
    of those that were there. On dates on which only some users' rows were built, everybody's rank is worked out anew, and
    the ranks that have moved are updated.
#}
{% macro get_incremental_changed_rows_sql(arguments) %}
    {% set metrics, window = arguments.target_relation, known_to_this_run().restatement_window %}
    {% set built = built_rows(arguments.temp_relation) %}
    {% set columns = get_quoted_csv(arguments.dest_columns | map(attribute='name')) %}
    {% if flags.EMPTY %}
        {% do return("select 1") %}
    {% endif %}
    {% set replaced %}
        delete from {{ metrics }}
        where
            date >= {{ date_literal(window.first_date) }}
            and (date >= {{ date_literal(window.whole_from) }} or user_id in ({{ changed_users(window) }}));

        insert into {{ metrics }} ({{ columns }})
        select {{ columns }} from {{ built }} {{ '; drop table ' ~ built if built != arguments.temp_relation }}
    {% endset %}
    {% if window.first_date >= window.whole_from %}
        {% do return(replaced) %}
    {% endif %}
    {% do run_query(replaced) %}
    {% do known_to_this_run().update({'ranks_moved': move_ranks(metrics, window)}) %}
    {# One row of the last date tells what was taken in, also where nobody who has changed has a row. #}
    {% set of_last_date = "date = " ~ date_literal(window.last_date) %}
    update {{ metrics }} set
        _restated_from = {{ date_literal(window.first_date) }},
        _orders_revision = {{ window.orders_revision }},
        _users_revision = {{ window.users_revision }},
        _written_at = {{ run_start() }}
    where
        {{ of_last_date }}
        and user_id = (select min(user_id) from {{ metrics }} where {{ of_last_date }})
        and not exists (select 1 from {{ metrics }} where {{ of_last_date }} and _written_at = {{ run_start() }})
{% endmacro %}


{#
    Works out the ranks on the dates before whole_from, some dates at a time to bound the memory it takes, and writes those that
    have moved. Returns of how many rows that this run has not written itself.
#}
{% macro move_ranks(metrics, window) %}
    {% set first_date, whole_from = python_date(window.first_date), python_date(window.whole_from) %}
    {% set moved, max_days, counts = metrics.identifier ~ '__dbt_tmp_moved', var('max_days_per_build'), [] %}
    {% for offset in range(0, (whole_from - first_date).days, max_days) %}
        {% set from_date = first_date + modules.datetime.timedelta(days=offset) %}
        {% set to_date = [from_date + modules.datetime.timedelta(days=max_days), whole_from] | min - modules.datetime.timedelta(days=1) %}
        {% set dates = "between " ~ date_literal(from_date) ~ " and " ~ date_literal(to_date) %}
        {% set moved_ranks %}
            create temporary table {{ moved }} as
            select date, user_id, spending_rank, is_new
            from (
                select
                    date, user_id, spending_rank as stored_rank, _written_at = {{ run_start() }} as is_new,
                    rank() over (partition by date order by total_spent desc) as spending_rank
                from {{ metrics }}
                where date {{ dates }}
            ) as ranked
            where stored_rank <> spending_rank
        {% endset %}
        {% do run_query(moved_ranks) %}
        {% do counts.append(query_row("select count(case when not is_new then 1 end) from " ~ moved)[0]) %}
        {% do adapter.dispatch('write_ranks')(metrics, moved, dates) %}
        {% do run_query("drop table " ~ moved) %}
    {% endfor %}
    {% do return(counts | sum) %}
{% endmacro %}


{% macro default__write_ranks(metrics, moved, dates) %}
    {% set update %}
        update {{ metrics }} set spending_rank = moved.spending_rank
        from {{ moved }} as moved
        where
            {{ metrics }}.date = moved.date and {{ metrics }}.user_id = moved.user_id
            and {{ metrics }}.date {{ dates }}
    {% endset %}
    {% do run_query(update) %}
{% endmacro %}


{#
    On Redshift a row that is updated is written anew, and the old one left to vacuum. So where more than a fifth have moved,
    whole dates are replaced, in their order.
#}
{% macro redshift__write_ranks(metrics, moved, dates) %}
    {% set shares = "select (select count(*) from " ~ moved ~ "), count(*) from " ~ metrics ~ " where date " ~ dates %}
    {% set moved_rows, all_rows = query_row(shares) %}
    {% if moved_rows * 5 <= all_rows %}
        {% do return(default__write_ranks(metrics, moved, dates)) %}
    {% endif %}
    {% set ranked, others = moved ~ '_dates', model.columns | reject('equalto', 'spending_rank') | join(', ') %}
    {% do run_query(
        "create temporary table " ~ ranked ~ " as select " ~ others
        ~ ", rank() over (partition by date order by total_spent desc) as spending_rank from " ~ metrics ~ " where date " ~ dates
    ) %}
    {% do run_query("delete from " ~ metrics ~ " where date " ~ dates) %}
    {% do run_query(
        "insert into " ~ metrics ~ " (" ~ others ~ ", spending_rank) select " ~ others ~ ", spending_rank from " ~ ranked
        ~ " order by date"
    ) %}
    {% do run_query("drop table " ~ ranked) %}
{% endmacro %}
