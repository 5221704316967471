{#
    user_metrics of more dates than max_days_per_build is worked out in steps of so many, which bounds the memory that it
    takes. Until all steps are done their rows wait in a table beside user_metrics; then they are put in place at once.
    So readers see no half of it, and a run that is stopped is carried on by the next where it was.
#}


{#
    Whether a window is more than one step: max_days_per_build dates of all users, or as many more as there are fewer users
    to be written.
#}
{% macro is_long(window) %}
    {% set days = (python_date(window.last_date) - python_date(window.first_date)).days + 1 %}
    {% if days <= var('max_days_per_build') or not is_build() or flags.EMPTY %}
        {% do return(false) %}
    {% endif %}
    {% do return(python_date(window.last_date) > last_of_step(window, python_date(window.first_date))) %}
{% endmacro %}


{# The last date of the step that begins on a date. #}
{% macro last_of_step(window, from_date) %}
    {% set days_of_all, carried_days = var('max_days_per_build'), (python_date(window.whole_from) - from_date).days %}
    {% if carried_days > 0 %}
        {% set share = share_of_users(window) %}
        {% set few = [carried_days, [(days_of_all / share) | int, 1] | max] | min %}
        {% set days = few + ((days_of_all - few * share) | int if few == carried_days else 0) %}
    {% endif %}
    {% do return(from_date + modules.datetime.timedelta(days=(days or days_of_all) - 1)) %}
{% endmacro %}


{# Which share of all users changed_users() has, over 0; asked once a run, and of a few numbers in a row. #}
{% macro share_of_users(window) %}
    {% set known, what = known_to_this_run(), 'share_' ~ window.orders_revision ~ '_' ~ window.users_revision %}
    {% if what not in known %}
        {% set changed, all = query_row(
            "select (select count(*) from (" ~ changed_users(window) ~ ") as changed), count(*) from " ~ ref('dim_users') ~ " where is_current"
        ) %}
        {% do known.update({what: ([changed, 1] | max) / ([changed, all, 1] | max)}) %}
    {% endif %}
    {% do return(known[what]) %}
{% endmacro %}


{# The table in which the rows of a long build wait. Its name tells what they depend on: where that is another, so is it. #}
{% macro waiting_rows(window) %}
    {% set what = [
        window.first_date, window.whole_from, window.last_date, window.orders_revision, window.users_revision,
        model.checksum.checksum,
    ] %}
    {% if window.first_date < window.whole_from %}
        {% do what.extend([window.orders_taken_in, window.users_taken_in]) %}
    {% endif %}
    {% set name = waiting_prefix() ~ local_md5(what | join(' '))[:12] %}
    {% do return(this.incorporate(path={'identifier': name}, type='table')) %}
{% endmacro %}


{% macro waiting_prefix() %}
    {% do return(this.identifier ~ '__waiting_') %}
{% endmacro %}


{#
    The step that is next in a window: the window, with from_date and to_date (of the step; from_date is later when all are
    done), base_date and carried_date (the days that rows of changed users and of the others carry on from; all texts
    YYYY-MM-DD) and waiting (the relation that holds the rows of the steps before, none for the first).
#}
{% macro next_step(window) %}
    {% set one_day = modules.datetime.timedelta(days=1) %}
    {% set from_date, to_date, waiting = python_date(window.first_date), python_date(window.last_date), none %}
    {% if execute and is_long(window) %}
        {% set waiting = load_relation(waiting_rows(window)) %}
        {% if waiting %}
            {# A step of which nobody has rows leaves no trace but this. #}
            {% set known = known_to_this_run()[waiting.identifier] %}
            {% set done = [known, query_row("select max(date) from " ~ waiting)[0]] | select | list %}
            {% set from_date = (done | max) + one_day if done else from_date %}
        {% endif %}
        {% set to_date = [to_date, last_of_step(window, from_date)] | min %}
    {% endif %}
    {% set base_date = from_date - one_day %}
    {% do return(dict(
        window,
        from_date=from_date | string,
        to_date=to_date | string,
        base_date=base_date | string,
        carried_date=[base_date, python_date(window.whole_from) - one_day] | max | string,
        waiting=waiting,
    )) %}
{% endmacro %}


{# A query of the rows that a step carries on from: date, user_id, order_count, total_spent, last_order_at. #}
{% macro carried_rows(step) %}
    {% if step.waiting %}
        select date, user_id, order_count, total_spent, last_order_at from {{ step.waiting }}
        where date = {{ date_literal(step.base_date) }}
        {% if step.from_date <= step.whole_from %}
        union all
        select date, user_id, order_count, total_spent, last_order_at from {{ this }}
        where
            date = {{ date_literal(step.carried_date) }}
            and user_id not in (select changed_users.user_id from changed_users)
        {% endif %}
    {% else %}
        {{ stored_rows("date in (" ~ date_literal(step.base_date) ~ ", " ~ date_literal(step.carried_date) ~ ")") }}
    {% endif %}
{% endmacro %}


{#
    Builds the steps of a long build that are not done yet, each in a transaction of its own, and returns the relation in which
    all its rows wait then; none when the build is not long. Each step asks for the window again, which must be the same.

    relation: that is to hold the rows; sql: of the next step
#}
{% macro build_in_steps(relation, sql) %}
    {% if model.name != 'user_metrics' or relation.identifier.startswith(waiting_prefix()) %}
        {% do return(none) %}
    {% endif %}
    {% set at = namespace(step=known_to_this_run().restatement_window, sql=sql) %}
    {% do drop_waiting_rows(at.step.waiting) %}
    {% if not is_long(at.step) %}
        {% do return(none) %}
    {% endif %}
    {% if at.step.waiting %}
        {# What an earlier run has worked out is this run's, which puts it in place. #}
        {% call statement('step', auto_begin=true) %}
            update {{ at.step.waiting }} set _written_at = {{ run_start() }} where _written_at <> {{ run_start() }}
        {% endcall %}
        {% do adapter.commit() %}
    {% endif %}
    {% set columns = get_quoted_csv(model.columns) %}
    {% for _ in range(100000) if at.step.from_date <= at.step.to_date %}
        {% set waiting = waiting_rows(at.step) %}
        {% call statement('step', auto_begin=true) %}
            {% if at.step.waiting %}
            insert into {{ waiting }} ({{ columns }}) select {{ columns }} from ({{ at.sql }}) as step
            {% else %}
            {{ create_table_as(false, waiting, at.sql) }}
            {% endif %}
        {% endcall %}
        {% do adapter.commit() %}
        {% do adapter.cache_added(waiting) if not at.step.waiting %}
        {% do known_to_this_run().update({waiting.identifier: python_date(at.step.to_date)}) %}
        {% do log("user_metrics: worked out to " ~ at.step.to_date ~ " of " ~ at.step.last_date, info=true) %}
        {% set at.sql = render(model.raw_code) %}
        {% set at.step = known_to_this_run().restatement_window %}
        {% if waiting_rows(at.step) != waiting %}
            {% do exceptions.raise_compiler_error(
                "Another run has written " ~ this ~ ", or what it is built from, while this one was at work. Nothing was put in place:"
                ~ " run it again."
            ) %}
        {% endif %}
    {% endfor %}
    {% do return(waiting_rows(at.step)) %}
{% endmacro %}


{# Drops, with what this run commits next, rows that wait for a build that has become another one. #}
{% macro drop_waiting_rows(wanted) %}
    {% for name in columns_at_start(this) | map(attribute=0) | unique if name.startswith(waiting_prefix()) and name != wanted.identifier %}
        {% do adapter.drop_relation(this.incorporate(path={'identifier': name}, type='table')) %}
    {% endfor %}
{% endmacro %}


{# What dbt makes of a model's SQL, before it is put in place: in steps where the build is long. #}
{% macro duckdb__create_table_as(temporary, relation, compiled_code, language='sql', partitioned_by=none, sorted_by=none) %}
    {% set waiting = build_in_steps(relation, compiled_code) %}
    {% if waiting %}
        {% do return(hand_over(waiting, temporary, relation)) %}
    {% endif %}
    {% do return(dbt.duckdb__create_table_as(temporary, relation, compiled_code, language, partitioned_by, sorted_by)) %}
{% endmacro %}


{% macro redshift__create_table_as(temporary, relation, sql) %}
    {% set waiting = build_in_steps(relation, sql) %}
    {% if waiting %}
        {% do return(hand_over(waiting, temporary, relation)) %}
    {% endif %}
    {% do return(dbt.redshift__create_table_as(temporary, relation, sql)) %}
{% endmacro %}


{# Waiting rows become the table that dbt makes anew; a temporary one stays empty, as built_rows() has them where they are. #}
{% macro hand_over(waiting, temporary, relation) %}
    {% if temporary %}
        {% do known_to_this_run().update({'built_' ~ this.identifier: waiting}) %}
        {% do return(
            "create temporary table " ~ relation.include(database=false, schema=false) ~ " as select * from " ~ waiting ~ " where 1 = 0"
        ) %}
    {% endif %}
    {% do adapter.rename_relation(waiting, relation) %}
    {% do return("select 1") %}
{% endmacro %}


{# Where the rows are that a model has built. #}
{% macro built_rows(temporary) %}
    {% do return(known_to_this_run()['built_' ~ this.identifier] or temporary) %}
{% endmacro %}
