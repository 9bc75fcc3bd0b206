"""Which reference and which work a file is, from what its tags and the user say."""

from __future__ import annotations

import hashlib
import unicodedata
from pathlib import Path

from indexer.manifest_csv import Entry
from indexer.pool import Analysed
from recognizer.catalogue import Track
from recognizer.catalogue.track import clean_text


def track_of(result: Analysed, entry: Entry | None) -> Track:
    """The catalogue's description of an analysed file.

    The user's table wins over the tags; a file without a title is shown by its name. Without a ``work_id``, files
    with the same title and artist are one work, and a file that lacks either is a work of its own.
    """
    said = entry or Entry(result.job.path)
    title, artist = said.title or result.tags.title, said.artist or result.tags.artist
    return Track(
        reference_id=reference_id(result.sha256),
        work_id=said.work_id or work_id(title, artist, result.sha256),
        title=title or clean_text(result.job.path.stem),
        artist=artist,
        isrc=said.isrc or result.tags.isrc,
        iswc=said.iswc or result.tags.iswc,
        path=stored_path(result.job.path),
        sha256=result.sha256,
        duration_s=round(result.analysis.duration_s, 3),
        windows=len(result.analysis.embeddings),
    )


def reference_id(sha256: str) -> str:
    """Identifier of a recording: the same file gets the same one again."""
    return f"r-{sha256[:16]}"


def work_id(title: str | None, artist: str | None, sha256: str) -> str:
    """Identifier of a work by title and artist, else by file."""
    names = [normalised(title or ""), normalised(artist or "")]
    if not all(names):
        return f"w-{sha256[:16]}"
    return f"w-{hashlib.blake2b(chr(31).join(names).encode(), digest_size=8).hexdigest()}"


def normalised(text: str) -> str:
    """Letters and digits only, without case and accents, words apart by single spaces."""
    plain = unicodedata.normalize("NFKD", text).casefold()
    kept = [c if c.isalnum() else "" if unicodedata.combining(c) else " " for c in plain]
    return " ".join("".join(kept).split())


def stored_path(path: Path) -> str:
    """An absolute path as text; bytes of the name that are not UTF-8 are written as escapes."""
    return str(path.absolute()).encode("utf-8", "surrogateescape").decode("utf-8", "backslashreplace")
