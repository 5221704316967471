"""What is seen of work that takes long: on a terminal bars and lines to read, elsewhere a line of JSON for each event.

All of it goes to standard error; standard output has results alone.
"""

import logging
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from threading import Event, Thread

import structlog
from rich.console import Console
from rich.progress import Progress
from structlog.dev import ConsoleRenderer
from structlog.processors import JSONRenderer
from structlog.typing import Processor


def bars() -> Progress:
    """Bars on a terminal, which are gone in the end, and nothing elsewhere."""
    return Progress(console=Console(stderr=True), transient=True, disable=not sys.stderr.isatty())


def log_events() -> None:
    """Sets how events are written, which structlog.get_logger() takes."""
    processors: list[Processor]
    if sys.stderr.isatty():
        processors, least = [structlog.processors.TimeStamper("%H:%M:%S", utc=False), ConsoleRenderer()], logging.INFO
    else:
        processors, least = [structlog.processors.TimeStamper("iso"), JSONRenderer()], logging.DEBUG
    structlog.configure(
        processors=[structlog.processors.add_log_level, *processors],
        wrapper_class=structlog.make_filtering_bound_logger(least),
        # Looked up each time, as bars put their own in its place while they are shown.
        logger_factory=lambda: structlog.PrintLogger(sys.stderr),
    )


@contextmanager
def growing(file: Path, progress: Progress, what: str) -> Iterator[None]:
    """Shows in a block how large a file has become; of how large it will be DuckDB knows too little."""
    if progress.disable:
        yield
        return
    task, is_over = progress.add_task(what, total=None), Event()

    def look() -> None:
        while not is_over.wait(0.2):
            progress.update(task, description=f"{what}: {file.stat().st_size / 1e6:,.1f} MB")

    looking = Thread(target=look, daemon=True)
    looking.start()
    try:
        yield
    finally:
        is_over.set()
        looking.join()
        progress.remove_task(task)
