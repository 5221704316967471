"""The Python beside the dbt project: sample data and what DuckDB itself cannot do."""
