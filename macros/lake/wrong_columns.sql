{#
    The columns that these files lack, or have in a type that would lose something on its way to the one declared: a list
    of rows (name, expected, found, files), found being null where the column is missing.

    A narrower type is right, and so is any type where the column holds nothing.

    files: a list in SQL; table: a declared source
#}
{% macro wrong_columns(files, table) %}
    {% set suspicious %}
        with fields as (
            select file_name, lower(name) as name, coalesce(duckdb_type, 'a nested type') as type from parquet_schema({{ files }})
        ),

        expected as (
            {% for column in table.columns.values() if column.name != 'date' %}
                select
                    {{ loop.index }} as position, '{{ column.name }}' as name, '{{ column.data_type }}' as expected,
                    {{ widens_to(column.data_type) }} as accepted
                {{ 'union all' if not loop.last }}
            {% endfor %}
        ),

        compared as (
            select
                roots.file_name, expected.position, expected.name, expected.expected,
                max(fields.type) as found,
                coalesce(bool_or(regexp_full_match(fields.type, expected.accepted)), false) as is_accepted
            from (select distinct file_name from fields) as roots
            cross join expected
            left join fields on roots.file_name = fields.file_name and expected.name = fields.name
            group by all
        )

        select name, expected, found, to_json(array_agg(file_name order by file_name)) as files
        from compared
        where not is_accepted
        group by position, name, expected, found
        order by position
    {% endset %}
    {% set wrong = [] %}
    {% for name, expected, found, files_as_json in run_query(suspicious).rows %}
        {% set suspects = fromjson(files_as_json) %}
        {% set lossy = run_query(lossy_files(suspects, name, found)).columns[0].values() | list if found else suspects %}
        {% do wrong.append({'name': name, 'expected': expected, 'found': found, 'files': lossy}) if lossy %}
    {% endfor %}
    {% do return(wrong) %}
{% endmacro %}


{# A query of those of these files that have a value which their type would lose. #}
{% macro lossy_files(files, name, found) %}
    select distinct filename
    from read_parquet({{ sql_list(files, as_patterns=true) }}, filename = true)
    where {{ "epoch_ns(" ~ name ~ ") % 1000 <> 0" if found == 'TIMESTAMP_NS' else name ~ " is not null" }}
    order by filename
{% endmacro %}


{# The types, as a pattern and a text in SQL, whose every value a declared type can hold as it is. #}
{% macro widens_to(data_type) %}
    {% if data_type == 'bigint' %}
        {% do return("'BIGINT|U?(INTEGER|SMALLINT|TINYINT)'") %}
    {% elif data_type == 'timestamp' %}
        {% do return("'TIMESTAMP(_S|_MS| WITH TIME ZONE)?|DATE'") %}
    {% elif data_type == 'decimal(18, 2)' %}
        {# Up to 16 digits before the point, and 2 behind it. #}
        {% do return("'DECIMAL\\((1[0-6]|[1-9]),0\\)|DECIMAL\\((1[0-7]|[1-9]),1\\)|DECIMAL\\((1[0-8]|[1-9]),2\\)'") %}
    {% endif %}
    {% do return("'" ~ data_type | upper ~ "'") %}
{% endmacro %}


{# What is wrong with a column, and what to write instead, as the end of a sentence. #}
{% macro remedy(column) %}
    {% set name, expected, found = column.name, column.expected, column.found %}
    {% set cast = "cast(" ~ name ~ " as " ~ expected ~ ")" %}
    {% if not found %}
        {% do return("no column " ~ name ~ "; it must be " ~ expected) %}
    {% endif %}
    {% if expected == 'bigint' and found in ['VARCHAR', 'UUID', 'BLOB'] %}
        {% set advice = "write " ~ cast ~ " where it holds numbers, else number it as docs/your_data.md shows" %}
    {% elif expected == 'decimal(18, 2)' and modules.re.search('INT', found) %}
        {% set advice = "write " ~ cast ~ ", or cast(" ~ name ~ " / 100 as " ~ expected ~ ") where it is cents" %}
    {% elif expected == 'timestamp' and modules.re.search('INT', found) %}
        {% set advice = "write to_timestamp(" ~ name ~ ") where it is seconds since 1970, epoch_ms(" ~ name ~ ") where milliseconds" %}
    {% elif found == 'TIMESTAMP_NS' %}
        {% set advice = "it has fractions of a microsecond, which " ~ cast ~ " drops" %}
    {% else %}
        {% set advice = "write " ~ cast %}
    {% endif %}
    {% do return("the column " ~ name ~ " as " ~ found ~ "; it must be " ~ expected ~ ": " ~ advice) %}
{% endmacro %}
