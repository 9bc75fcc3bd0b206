"""How well a monitor followed programmes: what was played against what was detected.

All figures come from two tables, the truth (`Played`) and the detections (`Heard`). A detection *belongs* to a cover
of the same programme when it names the same work and overlaps it at all; it *finds* the cover when it was not
retracted and overlaps at least half of it, one detection a cover and one cover a detection. Recording societies count
covers and seconds, so their three figures are given too: DAP (share of covers with any detection that belongs to
them), DLP (share of the covers' time detected rightly) and purity (share of the detected time that is right).
A retracted detection was wrong or unsure: it finds nothing, but it was shown, so it counts against precision, false
detections and flicker.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from recognizer.evaluation.intervals import Span, overlap_s, union_s

COVER = "cover"
KINDS = (COVER, "foreign", "speech", "applause", "silence", "jingle", "noise")
FOUND_OVERLAP = 0.5


@dataclass(frozen=True, slots=True)
class Played:
    """One row of the truth.

    Attributes
    ----------
    programme : str
    start_s, end_s : float
    kind : str
        One of `KINDS`; rows may overlap, and time without a row is music or sound of no work of the catalogue.
    work_id : str
        Of a cover; empty otherwise.
    """

    programme: str
    start_s: float
    end_s: float
    kind: str
    work_id: str = ""


@dataclass(frozen=True, slots=True)
class Heard:
    """One detection.

    Attributes
    ----------
    programme, work_id : str
    start_s, end_s : float
        As it stood when it was closed.
    opened_at_s : float or None
        Audio that had to be heard before it was opened; None for a method that works afterwards.
    confidence : float
    retracted : bool
        Taken back later.
    """

    programme: str
    work_id: str
    start_s: float
    end_s: float
    opened_at_s: float | None
    confidence: float
    retracted: bool = False


@dataclass(frozen=True, slots=True)
class CoverOutcome:
    """What became of one cover.

    Attributes
    ----------
    found : bool
        By the rule of the module; ``touched`` is the weaker rule of DAP.
    matched_s : float
        Its time under detections that belong to it.
    opens : int
        Detections that belong to it, retracted ones included.
    opened_after_s : float or None
        From its start to the first opening that belongs to it and stood; None when there was none.
    start_error_s, end_error_s : float or None
        Detected minus true, of the detection that found it.
    """

    played: Played
    found: bool
    touched: bool
    matched_s: float
    opens: int
    opened_after_s: float | None
    start_error_s: float | None
    end_error_s: float | None


@dataclass(frozen=True, slots=True)
class Outcome:
    """What became of one programme, in sums that can be added up.

    Attributes
    ----------
    detections, retracted : int
        All, and those of them that were retracted.
    hits : int
        Covers found, which is also the number of detections that found one.
    false : int
        Detections that belong to no cover; ``false_over_covers`` of them overlap the cover of another work.
    detected_s, pure_s : float
        Time of the detections that stood, and the part of it over covers they belong to.
    foreign_s : float
        Time without a cover.
    """

    programme: str
    covers: tuple[CoverOutcome, ...]
    detections: int
    retracted: int
    hits: int
    false: int
    false_over_covers: int
    detected_s: float
    pure_s: float
    foreign_s: float
    duration_s: float


def judge(
    truth: Iterable[Played], detections: Iterable[Heard], durations_s: Mapping[str, float]
) -> tuple[Outcome, ...]:
    """Compare detections with the truth.

    Parameters
    ----------
    truth, detections
        Of any programmes in ``durations_s``, in any order.
    durations_s
        Length of every programme.

    Returns
    -------
    tuple of Outcome
        One a programme, in the order of ``durations_s``.

    Raises
    ------
    ValueError
        When a row names a programme of unknown length.
    """
    played: dict[str, list[Played]] = {name: [] for name in durations_s}
    heard: dict[str, list[Heard]] = {name: [] for name in durations_s}
    for row in truth:
        if row.programme not in played:
            raise ValueError(f"programme {row.programme!r} is in the truth but has no length")
        if row.kind == COVER:
            played[row.programme].append(row)
    for detection in detections:
        if detection.programme not in heard:
            raise ValueError(f"programme {detection.programme!r} has detections but no length")
        heard[detection.programme].append(detection)
    return tuple(_outcome(name, played[name], heard[name], length) for name, length in durations_s.items())


def _outcome(programme: str, covers: list[Played], heard: list[Heard], duration_s: float) -> Outcome:
    finders = _finders(covers, heard)
    stood = [d for d in heard if not d.retracted]
    false = [d for d in heard if not any(_belongs(d, cover) for cover in covers)]
    in_covers = union_s((max(0.0, c.start_s), min(c.end_s, duration_s)) for c in covers)
    return Outcome(
        programme=programme,
        covers=tuple(_cover_outcome(cover, heard, finders.get(number)) for number, cover in enumerate(covers)),
        detections=len(heard),
        retracted=len(heard) - len(stood),
        hits=len(finders),
        false=len(false),
        false_over_covers=sum(any(overlap_s(_span(d), _span(c)) > 0 for c in covers) for d in false),
        detected_s=sum(max(0.0, d.end_s - d.start_s) for d in stood),
        pure_s=sum(_right_s(d, covers) for d in stood),
        foreign_s=max(0.0, duration_s - in_covers),
        duration_s=duration_s,
    )


def _finders(covers: Sequence[Played], heard: Sequence[Heard]) -> dict[int, Heard]:
    """The detection that finds each cover, by the cover's position; the greatest overlaps choose first."""
    pairs: list[tuple[float, Span, Span, int, int]] = []  # the spans make the order of the tables not matter
    for number, cover in enumerate(covers):
        for other, detection in enumerate(heard):
            shared_s = overlap_s(_span(cover), _span(detection))
            enough = shared_s >= FOUND_OVERLAP * (cover.end_s - cover.start_s)
            if enough and not detection.retracted and _belongs(detection, cover):
                pairs.append((-shared_s, _span(cover), _span(detection), number, other))
    found: dict[int, Heard] = {}
    used: set[int] = set()
    for *_, number, other in sorted(pairs):
        if number not in found and other not in used:
            found[number] = heard[other]
            used.add(other)
    return found


def _cover_outcome(cover: Played, heard: Sequence[Heard], finder: Heard | None) -> CoverOutcome:
    own = [d for d in heard if _belongs(d, cover)]
    stood = [d for d in own if not d.retracted]
    opened = [d.opened_at_s for d in stood if d.opened_at_s is not None]
    clipped = [(max(d.start_s, cover.start_s), min(d.end_s, cover.end_s)) for d in stood]
    return CoverOutcome(
        played=cover,
        found=finder is not None,
        touched=bool(stood),
        matched_s=union_s(clipped),
        opens=len(own),
        opened_after_s=max(0.0, min(opened) - cover.start_s) if opened else None,
        start_error_s=None if finder is None else finder.start_s - cover.start_s,
        end_error_s=None if finder is None else finder.end_s - cover.end_s,
    )


def _right_s(detection: Heard, covers: Sequence[Played]) -> float:
    start_s, end_s = _span(detection)
    own = [c for c in covers if _belongs(detection, c)]
    return union_s((max(start_s, c.start_s), min(end_s, c.end_s)) for c in own)


def _belongs(detection: Heard, cover: Played) -> bool:
    return detection.work_id == cover.work_id and overlap_s(_span(detection), _span(cover)) > 0


def _span(row: Played | Heard) -> Span:
    return row.start_s, row.end_s
