"""Tables and lists that users hand over: read whole, within bounds, and refused with what is wrong in which line."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from recognizer.errors import UsageError

MAX_BYTES = 256 * 1024 * 1024
_SHOWN = 5  # errors in one message


def read_text(path: Path, what: str, most_bytes: int = MAX_BYTES) -> str:
    """The text of a file (UTF-8, at most ``most_bytes``).

    Parameters
    ----------
    path : Path
    what : str
        What to call it in messages, such as ``table``.

    Raises
    ------
    UsageError
        When it cannot be read, is too large or not UTF-8.
    """
    try:
        with path.open("rb") as file:
            data = file.read(most_bytes + 1)
    except (OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or error
        raise UsageError(f"the {what} {path} cannot be read: {reason}") from error
    if len(data) > most_bytes:
        raise UsageError(f"the {what} {path} is larger than {most_bytes >> 20} MiB; divide it")
    try:
        return data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = data[: error.start].count(b"\n") + 1
        raise UsageError(f"the {what} {path}, line {line}, is not UTF-8; save it as CSV UTF-8") from error


def refuse(path: Path, what: str, problems: Sequence[str]) -> None:
    """Raise `UsageError` with the first of the problems, if there are any."""
    if problems:
        more = f" (and {len(problems) - _SHOWN} more)" if len(problems) > _SHOWN else ""
        raise UsageError(f"the {what} {path} has errors; {'; '.join(problems[:_SHOWN])}{more}")
