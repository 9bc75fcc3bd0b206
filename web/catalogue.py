"""What may be said about the published catalogue from its manifest alone."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from web import parse
from web.streams import Json


def summary(manifest: Mapping[str, Any] | None) -> Json:
    """Generation, sizes and model of the published catalogue; all ``None`` when nothing is published."""
    found = manifest or {}
    return {
        "generation": parse.integer(found.get("generation")),
        "tracks": _count(found, "tracks"),
        "works": _count(found, "works"),
        "windows": _count(found, "windows"),
        "model_id": parse.text(found.get("model_id"), 100),
    }


def _count(manifest: Mapping[str, Any], what: str) -> int | None:
    value = manifest.get(what)
    return len(value) if isinstance(value, list | dict) else parse.integer(value)
