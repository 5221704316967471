"""The command line beside dbt: `python -m user_metrics --help`."""

from user_metrics.cli import app

app(prog_name="user-metrics")
