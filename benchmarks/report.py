"""What a measured program says last: a JSON of its seconds, and of the peak of memory of it and its children."""

from __future__ import annotations

import json
import re
from pathlib import Path


def report(seconds: dict[str, float]) -> None:
    """Prints the line."""
    print(json.dumps({"peak_mb": sum(_peaks("self")) / 1024, **seconds}), flush=True)


def _peaks(process: str) -> list[int]:
    """The greatest memory of a process and of each child that it still has, in kB.

    Of these alone: what getrusage says begins with what the process had that started this one.
    """
    folder = Path("/proc") / process
    try:
        peaks = re.findall(r"^VmHWM:\s+(\d+) kB", (folder / "status").read_text(), re.MULTILINE)
        children = [child for task in (folder / "task").iterdir() for child in (task / "children").read_text().split()]
    except OSError:  # It has ended meanwhile.
        return []
    return [*map(int, peaks), *(peak for child in children for peak in _peaks(child))]
