"""What is seen of work that takes long: on a terminal bars and lines to read, elsewhere a line of JSON for each event.

All of it goes to standard error; standard output has results alone.
"""

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from threading import Event, Thread

import duckdb
import structlog
from rich.console import Console
from rich.progress import Progress


def bars() -> Progress:
    """Bars on a terminal, which are gone in the end, and nothing elsewhere."""
    return Progress(console=Console(stderr=True), transient=True, disable=not sys.stderr.isatty())


def log_events() -> None:
    """Sets how events are written, which structlog.get_logger() takes."""
    render = structlog.dev.ConsoleRenderer() if sys.stderr.isatty() else structlog.processors.JSONRenderer()
    structlog.configure(
        processors=[structlog.processors.add_log_level, structlog.processors.TimeStamper("iso", utc=True), render],
        # Looked up each time, as bars put their own in its place while they are shown.
        logger_factory=lambda: structlog.PrintLogger(sys.stderr),
    )


@contextmanager
def shown(connection: duckdb.DuckDBPyConnection, progress: Progress, what: str) -> Iterator[None]:
    """Shows by a bar how far the statement of a session is, in a block."""
    if progress.disable:
        yield
        return
    task, is_over = progress.add_task(what, total=100), Event()

    def look() -> None:
        while not is_over.wait(0.2):
            progress.update(task, completed=max(0, connection.query_progress()))

    looking = Thread(target=look, daemon=True)
    looking.start()
    try:
        yield
    finally:
        is_over.set()
        looking.join()
        progress.remove_task(task)
