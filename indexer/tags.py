"""Title, artist and identifiers from a file's tags, whatever their format."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import mutagen

from recognizer.catalogue.track import clean_text

# ID3, Vorbis comments, MP4, APEv2 and ASF name the same things differently.
_KEYS = {
    "title": ("TIT2", "title", "\xa9nam", "Title"),
    "artist": ("TPE1", "artist", "\xa9ART", "Artist", "Author"),
    "isrc": ("TSRC", "isrc", "----:com.apple.iTunes:ISRC", "ISRC", "WM/ISRC"),
    "iswc": ("TXXX:ISWC", "iswc", "----:com.apple.iTunes:ISWC", "ISWC"),
}
_ISRC = re.compile(r"[A-Z]{2}[A-Z0-9]{3}[0-9]{7}")
_ISWC = re.compile(r"T[0-9]{10}")


@dataclass(frozen=True, slots=True)
class Tags:
    """What is known about a recording; cleaned text or ``None``."""

    title: str | None = None
    artist: str | None = None
    isrc: str | None = None
    iswc: str | None = None


def read_tags(path: Path) -> Tags:
    """The tags of a file; empty where there are none or they cannot be read."""
    try:
        file = mutagen.File(path)
    except Exception:  # damaged tags raise anything; the audio may be fine all the same
        return Tags()
    tags = getattr(file, "tags", None)
    if not tags:
        return Tags()
    values = {name: _first(tags, keys) for name, keys in _KEYS.items()}
    return Tags(values["title"], values["artist"], isrc(values["isrc"]), iswc(values["iswc"]))


def isrc(text: str | None) -> str | None:
    """A recording code as twelve characters, ``None`` when it is not one."""
    code = re.sub(r"[-\s]", "", text or "").upper()
    return code if _ISRC.fullmatch(code) else None


def iswc(text: str | None) -> str | None:
    """A work code as ``T`` and ten digits, ``None`` when it is not one."""
    code = re.sub(r"[-.\s]", "", text or "").upper()
    return code if _ISWC.fullmatch(code) else None


def _first(tags: Any, keys: tuple[str, ...]) -> str | None:
    for key in keys:
        try:
            value = tags.get(key)
        except (KeyError, ValueError):  # some formats refuse keys that are not theirs
            continue
        if value is not None and (text := _text(value)):
            return text
    return None


def _text(value: Any) -> str | None:
    value = getattr(value, "text", value)  # an ID3 frame
    values = value if isinstance(value, list | tuple) else [value]
    parts = []
    for item in values[:20]:
        item = getattr(item, "value", item)  # an APEv2 or ASF attribute
        text = item.decode("utf-8", "replace") if isinstance(item, bytes) else str(item)
        if cleaned := clean_text(text):
            parts.append(cleaned)
    return clean_text(", ".join(parts))
