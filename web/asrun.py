"""The as-run log as CSV, safe to open in a spreadsheet.

What nobody measured stays blank: album, label and audience are not guessed. A text cell that a spreadsheet
would run as a formula gets an apostrophe in front (titles and tags come from files of unknown origin).
"""

from __future__ import annotations

import csv
import io
from collections.abc import Iterable, Iterator

from web.history import utc_ms
from web.streams import Json

COLUMNS = (
    "station",
    "start_utc",
    "end_utc",
    "title",
    "artist",
    "album",
    "label",
    "isrc",
    "iswc",
    "duration_s",
    "confidence",
    "confidence_kind",
    "verdict",
    "state",
    "close_reason",
    "relation",
    "work_id",
    "reference_id",
    "detection_id",
)
# Full-width forms count too: spreadsheets fold them before they look for a formula.
FORMULA_STARTS = ("=", "+", "-", "@", "\t", "\r", "\n", "\uff1d", "\uff0b", "\uff0d", "\uff20", "|", "%")


def safe(value: object) -> object:
    """A cell that no spreadsheet takes for a formula; numbers pass."""
    if not isinstance(value, str):
        return "" if value is None else value
    text = value.replace("\x00", "")
    return f"'{text}" if text.lstrip(" \u00a0\u3000\ufeff").startswith(FORMULA_STARTS) else text


def rows_to_csv(rows: Iterable[Json]) -> Iterator[str]:
    """CSV lines (RFC 4180, CRLF), header first."""
    buffer = io.StringIO()
    writer = csv.writer(buffer, quoting=csv.QUOTE_MINIMAL)
    writer.writerow(COLUMNS)
    for row in rows:
        writer.writerow([safe(value) for value in _cells(row)])
        if buffer.tell() > 32_768:
            yield buffer.getvalue()
            buffer.seek(0)
            buffer.truncate()
    yield buffer.getvalue()


def _cells(row: Json) -> list[object]:
    start_ms, end_ms = utc_ms(row.get("start_time")), utc_ms(row.get("end_time"))
    known: dict[str, object] = {
        "station": row["feed"],
        "start_utc": row.get("start_time"),
        "end_utc": row.get("end_time"),
        "duration_s": None if start_ms is None or end_ms is None else round((end_ms - start_ms) / 1000, 1),
    }
    return [known[column] if column in known else row.get(column) for column in COLUMNS]
