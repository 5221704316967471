"""HTML pages of one look: the templates in `templates/`, with style.css in each, so that a page is whole in itself."""

from datetime import UTC, datetime
from typing import Any

from jinja2 import Environment, PackageLoader


def filled_in(template: str, **values: Any) -> str:
    """A template with its values."""
    environment = Environment(
        loader=PackageLoader("user_metrics"), autoescape=True, trim_blocks=True, lstrip_blocks=True
    )
    environment.filters.update(money=_money, thousands=_thousands)
    return environment.get_template(template).render(**values, made_at=datetime.now(UTC))


def _money(amount: str | float | None) -> str:
    return "" if amount is None else f"{float(amount):,.2f}"


def _thousands(number: str | float) -> str:
    return f"{int(float(number)):,}"
