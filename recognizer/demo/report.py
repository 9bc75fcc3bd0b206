"""Compares what was planted in the programme with what was detected.

A planted cover is *found* when a detection of its work overlaps it by `LEAST_OVERLAP_S` or more. Every other
detection is a *false claim*, withdrawn (retracted) or not: it was on the page. Several detections within one planted
cover are pieces of one find.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from recognizer.demo.programme import Planted
from recognizer.events import DETECTION_TYPES, OPENED, RETRACTED, Event

LEAST_OVERLAP_S = 5.0


@dataclass(frozen=True, slots=True)
class Claim:
    """One detection as last told, in seconds of the feed; ``end_s`` is None while it is open."""

    detection_id: str
    work_id: str
    title: str | None
    start_s: float
    end_s: float | None
    opened_s: float | None
    confidence: float
    transpose_semitones: int | None
    tempo_ratio: float | None
    retracted: bool

    def overlap_s(self, planted: Planted, offset_s: float) -> float:
        """Seconds that it shares with a planted cover of the same work; 0 for another work."""
        if self.work_id != planted.work_id:
            return 0.0
        end_s = planted.end_s + offset_s if self.end_s is None else self.end_s
        return max(0.0, min(end_s, planted.end_s + offset_s) - max(self.start_s, planted.start_s + offset_s))


@dataclass(frozen=True, slots=True)
class Row:
    """A planted cover and how it was heard; errors and delays in seconds, None where nothing was measured.

    ``open_after_s`` counts from the moment the cover began to sound until the detection opened.
    """

    planted: Planted
    pieces: tuple[Claim, ...]
    start_error_s: float | None
    end_error_s: float | None
    open_after_s: float | None
    transpose_right: bool | None
    tempo_error: float | None

    @property
    def found(self) -> bool:
        """Whether it was detected at all."""
        return bool(self.pieces)


@dataclass(frozen=True, slots=True)
class Report:
    """The comparison; ``ok`` when every planted cover was found and nothing else was claimed."""

    rows: tuple[Row, ...]
    false_claims: tuple[Claim, ...]

    @property
    def found(self) -> int:
        """Number of planted covers found."""
        return sum(row.found for row in self.rows)

    @property
    def ok(self) -> bool:
        """Whether the demo passed; a programme with nothing planted does not."""
        return bool(self.rows) and self.found == len(self.rows) and not self.false_claims

    def table(self) -> tuple[tuple[str, ...], list[tuple[str, ...]]]:
        """Headings and one row of text per planted cover."""
        headings = ("planted", "on air", "found", "opened after", "start", "end", "transposed", "tempo")
        return headings, [_cells(row) for row in self.rows]

    def lines(self) -> list[str]:
        """The report as lines of plain text."""
        headings, rows = self.table()
        widths = [max(len(row[column]) for row in (headings, *rows)) for column in range(len(headings))]
        text = ["  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip()
                for row in (headings, *rows)]  # fmt: skip
        for claim in self.false_claims:
            end = "open" if claim.end_s is None else f"{claim.end_s:.0f} s"
            withdrawn = ", withdrawn" if claim.retracted else ""
            text.append(f"false claim: {claim.title or claim.work_id}, {claim.start_s:.0f} s to {end}{withdrawn}")
        verdict = "passed" if self.ok else "failed"
        text.append(f"{verdict}: {self.found} of {len(self.rows)} found, {len(self.false_claims)} false claims")
        return text


def compare(truth: Sequence[Planted], events: Iterable[Event], *, offset_s: float = 0.0) -> Report:
    """Judge the events of one feed.

    Parameters
    ----------
    truth : sequence of Planted
        Times from the start of the programme.
    events : iterable of event envelopes
        In the order they were told; types other than detections are passed over.
    offset_s : float
        Position on the feed's timeline at which the programme began.
    """
    claims = claims_of(events)
    used: set[str] = set()
    rows = []
    for planted in truth:
        pieces = tuple(
            claim for claim in claims if not claim.retracted and claim.overlap_s(planted, offset_s) >= LEAST_OVERLAP_S
        )
        used.update(claim.detection_id for claim in pieces)
        rows.append(_row(planted, pieces, offset_s))
    return Report(tuple(rows), tuple(claim for claim in claims if claim.detection_id not in used))


def claims_of(events: Iterable[Event]) -> list[Claim]:
    """The detections among event envelopes, each as last told, in order of opening."""
    opened: dict[str, float] = {}
    latest: dict[str, Event] = {}
    for event in events:
        if event["type"] not in DETECTION_TYPES:
            continue
        data = event["data"]
        known = latest.get(data["detection_id"])
        if event["type"] == OPENED:
            opened.setdefault(data["detection_id"], _told_s(event))
        if known is None or known["data"]["revision"] <= data["revision"]:
            latest[data["detection_id"]] = event
    return [_claim(event, opened.get(detection_id)) for detection_id, event in latest.items()]


def _claim(event: Event, opened_s: float | None) -> Claim:
    data = event["data"]
    return Claim(
        detection_id=data["detection_id"],
        work_id=data["work_id"],
        title=data["title"],
        start_s=data["start_ms"] / 1000,
        end_s=None if data["end_ms"] is None else data["end_ms"] / 1000,
        opened_s=opened_s,
        confidence=data["confidence"],
        transpose_semitones=data["transpose_semitones"],
        tempo_ratio=data["tempo_ratio"],
        retracted=event["type"] == RETRACTED,
    )


def _told_s(event: Event) -> float:
    """Position on the feed at which an event was told: its time, less the time of position 0."""
    data = event["data"]
    told, start = dt.datetime.fromisoformat(event["time"]), dt.datetime.fromisoformat(data["start_time"])
    return (told - start).total_seconds() + float(data["start_ms"]) / 1000


def _row(planted: Planted, pieces: tuple[Claim, ...], offset_s: float) -> Row:
    if not pieces:
        return Row(planted, pieces, None, None, None, None, None)
    begin_s, end_s = planted.start_s + offset_s, planted.end_s + offset_s
    ends = [piece.end_s for piece in pieces]
    opened = [piece.opened_s for piece in pieces if piece.opened_s is not None]
    longest = max(pieces, key=lambda piece: piece.overlap_s(planted, offset_s))
    shift, ratio = longest.transpose_semitones, longest.tempo_ratio
    return Row(
        planted,
        pieces,
        start_error_s=min(piece.start_s for piece in pieces) - begin_s,
        end_error_s=None if None in ends else max(end for end in ends if end is not None) - end_s,
        open_after_s=min(opened) - begin_s if opened else None,
        # Pitch classes repeat every octave, so that seven up and five down are the same measurement.
        transpose_right=None if shift is None else (shift - planted.transpose_semitones) % 12 == 0,
        tempo_error=None if ratio is None else ratio / planted.tempo_ratio - 1,
    )


def _cells(row: Row) -> tuple[str, ...]:
    planted = row.planted
    air = f"{_clock(planted.start_s)}-{_clock(planted.end_s)}"
    if not row.found:
        return (planted.title, air, "NO", "", "", "", f"{planted.transpose_semitones:+d}", f"{planted.tempo_ratio:.2f}")
    longest = max(row.pieces, key=lambda piece: (piece.end_s or planted.end_s) - piece.start_s)
    found = "yes" if len(row.pieces) == 1 else f"yes, in {len(row.pieces)} pieces"
    shift = "?" if longest.transpose_semitones is None else f"{longest.transpose_semitones:+d}"
    tempo = "?" if longest.tempo_ratio is None else f"{longest.tempo_ratio:.2f}"
    return (
        planted.title,
        air,
        found,
        "?" if row.open_after_s is None else f"{row.open_after_s:.1f} s",
        _error(row.start_error_s),
        "open" if row.end_error_s is None else _error(row.end_error_s),
        f"{shift} ({planted.transpose_semitones:+d})",
        f"{tempo} ({planted.tempo_ratio:.2f})",
    )


def _error(seconds: float | None) -> str:
    return "?" if seconds is None else f"{seconds:+.1f} s"


def _clock(seconds: float) -> str:
    return f"{int(seconds) // 60}:{int(seconds) % 60:02d}"
