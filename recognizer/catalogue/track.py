"""One indexed recording, as a line of JSON and in memory."""

from __future__ import annotations

import json
import math
import unicodedata
from dataclasses import asdict, dataclass, fields
from typing import Any

from recognizer.errors import CatalogueCorrupt

MAX_TEXT = 500  # characters of a title, name or identifier
MAX_PATH = 8_192
MAX_LINE_BYTES = 65_536
_UNFIT = {"Cc", "Cs", "Zl", "Zp"}  # controls, lone surrogates, line and paragraph separators
_JOINERS = {"\u200c", "\u200d"}  # format characters needed to write Persian and several Indian scripts
# Marks, embeddings, overrides and isolates of direction: they can make one text look like another.
_DIRECTION = set("\u061c\u200e\u200f\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069")


@dataclass(frozen=True, slots=True)
class Track:
    """A reference: one recording of a work.

    Attributes
    ----------
    reference_id, work_id : str
        Identifiers, never empty; recordings of one composition share the ``work_id``.
    title, artist, isrc, iswc : str or None
    path : str or None
        Where the source file was when it was indexed.
    sha256 : str
        Hash of the source file's content.
    duration_s : float
    windows : int
        Rows of the vector table that belong to it.
    """

    reference_id: str
    work_id: str
    title: str | None
    artist: str | None
    isrc: str | None
    iswc: str | None
    path: str | None
    sha256: str
    duration_s: float
    windows: int

    def __post_init__(self) -> None:
        for name in ("reference_id", "work_id"):
            _check_text(name, getattr(self, name), required=True)
        for name in ("title", "artist", "isrc", "iswc"):
            _check_text(name, getattr(self, name), required=False)
        if self.path is not None and (not isinstance(self.path, str) or len(self.path) > MAX_PATH):
            raise ValueError(f"path is {self.path!r:.80}, expected at most {MAX_PATH} characters")
        if not is_sha256(self.sha256):
            raise ValueError(f"sha256 is {self.sha256!r:.80}, expected 64 hexadecimal digits")
        duration_ok = isinstance(self.duration_s, int | float) and math.isfinite(self.duration_s)
        if not duration_ok or isinstance(self.duration_s, bool) or self.duration_s < 0:
            raise ValueError(f"duration_s is {self.duration_s!r:.80}, expected seconds")
        if not isinstance(self.windows, int) or isinstance(self.windows, bool) or self.windows < 1:
            raise ValueError(f"windows is {self.windows!r:.80}, expected a positive integer")

    def to_json(self) -> dict[str, Any]:
        """The fields as JSON values."""
        return asdict(self)


_FIELDS = frozenset(field.name for field in fields(Track))


def track_from_json(raw: Any) -> Track:
    """Inverse of `Track.to_json`.

    Raises
    ------
    CatalogueCorrupt
        When a field is missing, unknown or out of range.
    """
    if not isinstance(raw, dict) or set(raw) != _FIELDS:
        seen = sorted(set(raw) ^ _FIELDS) if isinstance(raw, dict) else type(raw).__name__
        raise CatalogueCorrupt(f"a track of the catalogue has missing or unknown fields: {seen!s:.200}")
    try:
        return Track(**raw)
    except (TypeError, ValueError) as error:
        raise CatalogueCorrupt(f"a track of the catalogue cannot be used: {error}") from error


def clean_text(text: str, limit: int = MAX_TEXT) -> str | None:
    """Text of a stranger made fit to show: no control or direction characters, single spaces, bounded length.

    Returns ``None`` when nothing is left.
    """
    kept = []
    for character in unicodedata.normalize("NFC", text[: 4 * limit]):
        category = unicodedata.category(character)
        if character.isspace() or character == "\0":
            kept.append(" ")
        elif category not in _UNFIT and (category != "Cf" or character in _JOINERS):
            kept.append(character)
    return " ".join("".join(kept).split())[:limit].strip() or None


def is_fit_text(value: object) -> bool:
    """Whether ``value`` may be stored and shown: bounded, without controls or direction characters."""
    if not isinstance(value, str) or not value.strip() or len(value) > MAX_TEXT:
        return False
    return not any(c in _DIRECTION or unicodedata.category(c) in _UNFIT for c in value)


def is_sha256(value: object) -> bool:
    """Whether ``value`` is a SHA-256 in lower-case hexadecimal."""
    return isinstance(value, str) and len(value) == 64 and not set(value) - set("0123456789abcdef")


def _check_text(name: str, value: object, *, required: bool) -> None:
    if value is None and not required:
        return
    if not is_fit_text(value):
        raise ValueError(f"{name} is {value!r:.80}, expected 1 to {MAX_TEXT} printable characters")


def dump_line(value: dict[str, Any]) -> bytes:
    """One line of JSON, ASCII only."""
    return json.dumps(value, sort_keys=True, allow_nan=False).encode("ascii") + b"\n"
