"""Writes docs/commands.md, of what the commands say of themselves: `make commands`."""

import html
import re
from pathlib import Path

import typer
from typer.cli import get_docs_for_click

from user_metrics.cli import app

PAGE = Path(__file__).parents[1] / "docs" / "commands.md"


def page() -> str:
    """The page as it must be, without the list of all commands, whose sentences typer cuts off."""
    command = typer.main.get_command(app)
    with typer.Context(command).scope() as context:
        docs = get_docs_for_click(obj=command, ctx=context, name="user-metrics", title="Commands")  # type: ignore[arg-type]
    listed = r"\*\*Usage\*\*.*?(?=## )"
    return html.unescape(re.sub(listed, "", docs, count=1, flags=re.DOTALL)).rstrip() + "\n"


if __name__ == "__main__":
    PAGE.write_text(page())
