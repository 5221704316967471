"""Data on a terminal: what is in it is shown, and does nothing."""

from typing import Any


def printable(data: Any) -> Any:
    r"""Data whose texts have signs in place of what moves a cursor, rings or breaks a line: \n and \x1b.

    data: of JSON; what is no text stays.
    """
    if isinstance(data, dict):
        return {key: printable(value) for key, value in data.items()}
    if isinstance(data, list):
        return [printable(value) for value in data]
    if isinstance(data, str):
        return "".join(sign if sign.isprintable() else sign.encode("unicode_escape").decode() for sign in data)
    return data
