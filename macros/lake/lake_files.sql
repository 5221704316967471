{#
    A query of the files that lie in the lake now, without those that are hidden or unfinished, or of those alone; date is
    null for a stray.

    folders: patterns of paths under LAKE_URI, all that lies there where they are left out
#}
{% macro lake_files(folders=none, hidden=false) %}
    {% set lake = query_row("select getvariable('lake_uri')")[0] %}
    {# In a folder, `**` does not follow links, and `*` does; S3 has none, and each pattern is a listing. #}
    {% set folders = folders or ['users/**', 'orders/**'] + ([] if lake.startswith('s3://') else ['users/*/*', 'orders/*/*']) %}
    {% set patterns = [] %}
    {% for folder in folders %} {% do patterns.append(escaped(lake) ~ '/' ~ folder) %} {% endfor %}
    select
        split_part(path, '/', 1) as table_name,
        try_cast(regexp_extract(path, '^\w+/date=(\d{4}-\d\d-\d\d)/[^/]+[.]parquet$', 1) as date) as date,
        filename as file, size, modified
    from (
        select distinct
            filename, size, epoch_us(last_modified) as modified, substr(filename, {{ lake | length + 2 }}) as path
        from read_blob({{ sql_list(patterns) }})
    ) as files
    {# Hadoop marks folders of S3 by files that end with _$folder$. #}
    where {{ '' if hidden else 'not' }} regexp_matches(path, '/[._]|[.]tmp|_[$]folder[$]$')
{% endmacro %}


{# A query of the loads that such files make: those of one table, date and state. #}
{% macro loads_of(files) %}
    select
        table_name, date, null::bigint as row_count, sum(size)::bigint as bytes,
        md5(string_agg(concat_ws(' ', parse_filename(file), size, modified), ', ' order by file)) as checksum,
        make_timestamp(max(modified)) as loaded_at
    from {{ files }}
    group by all
{% endmacro %}


{# The files of a table in the temporary table lake_files, as a list in SQL; none without any. #}
{% macro list_of_files(table_name, condition='1 = 1') %}
    {% set files = run_query(
        "select file from lake_files where table_name = " ~ sql_text(table_name) ~ " and " ~ condition ~ " order by file"
    ).columns[0].values() %}
    {% do return(sql_list(files, as_patterns=true) if files else none) %}
{% endmacro %}


{#
    The query of one table's files; without any file, of no rows. Each column is read by its name, whatever its case, as
    the type that the source declares, whatever type this or another file has it in: wrong_columns() has refused those
    that would lose something. The date is that of the folder, and a condition on it opens the folders that it leaves.
#}
{% macro rows_of_files(table) %}
    {% set files = list_of_files(table.name) %}
    {% if not files %}
        {% do return(no_rows(table.columns)) %}
    {% endif %}
    {% set columns = table.columns.values() | rejectattr('name', 'equalto', 'date') | list %}
    select
        {% for column in columns %}
        {{ 'coalesce(' ~ column.name ~ ', null) as ' ~ column.name if column.data_type == 'bigint' else column.name }},
        {% endfor %}
        cast(right(parse_dirpath(filename), 10) as date) as date
    from read_parquet({{ files }}, filename = true, schema = map {
        {% for column in columns %}
        '{{ column.name }}': {name: '{{ column.name }}', type: '{{ column.data_type }}', default_value: null}{{ ',' if not loop.last }}
        {% endfor %}
    })
{% endmacro %}


{% macro sql_text(text) %}
    {% do return("'" ~ text | replace("'", "''") ~ "'") %}
{% endmacro %}


{# A list of texts in SQL; of paths, also as patterns that match themselves alone. #}
{% macro sql_list(texts, as_patterns=false) %}
    {% set literals = [] %}
    {% for text in texts %} {% do literals.append(sql_text(escaped(text) if as_patterns else text)) %} {% endfor %}
    {% do return('[' ~ literals | join(', ') ~ ']') %}
{% endmacro %}


{# A path as a pattern that matches itself alone. #}
{% macro escaped(path) %}
    {% do return(modules.re.sub('([][*?])', '[\\1]', path)) %}
{% endmacro %}
