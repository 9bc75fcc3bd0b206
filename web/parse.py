"""Reads JSON that others wrote, without trusting it: what is malformed becomes ``None``, never an error."""

from __future__ import annotations

import json
import math
from typing import Any


def _no_constant(_: str) -> None:
    """NaN and infinities are not JSON: browsers refuse the whole message."""


def loads(raw: bytes | str | None) -> dict[str, Any] | None:
    """A JSON object, or ``None`` when it is missing or is anything else."""
    if raw is None:
        return None
    try:
        value = json.loads(raw, parse_constant=_no_constant)
    except (ValueError, RecursionError):
        return None
    return value if isinstance(value, dict) else None


def dumps(value: Any) -> str:
    """Compact JSON that browsers accept."""
    return json.dumps(value, ensure_ascii=False, separators=(",", ":"), allow_nan=False)


def name(raw: bytes | str) -> str:
    """A hash field (feed id, worker id) as text."""
    return raw.decode("utf-8", "replace") if isinstance(raw, bytes) else raw


def text(value: Any, limit: int = 500) -> str | None:
    """A string of at most ``limit`` characters, else ``None``."""
    return value[:limit] if isinstance(value, str) else None


def integer(value: Any) -> int | None:
    """A whole number, else ``None``."""
    found = number(value)
    return None if found is None else round(found)


def number(value: Any) -> float | None:
    """A finite number, else ``None``."""
    if isinstance(value, bool) or not isinstance(value, int | float):
        return None
    try:
        found = float(value)
    except OverflowError:
        return None
    return found if math.isfinite(found) else None
