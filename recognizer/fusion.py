"""From evidence to a probability that a work is truly sounding now.

Two histories are aligned with the works in question. The *long* one separates best once a song has been heard for
a while; the *short* one does not know the song before. What they say, how far the work leads the best rival (one that
aligns as well says that the chords are common, and stands for the chance maximum of a catalogue of any size), and what
the embedding says go into one logistic function, whose weights are fitted with ``models.calibrate`` and travel with
the model. Evidence is clipped to the range it was fitted on.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

from recognizer.calibration import FEATURES
from recognizer.matcher import Candidate, best_per_work

# Without a calibration: a logistic of the long strength, set by hand on the untrained baseline; not a probability.
_SLOPE, _MIDPOINT = 3.0, 3.6
_MOST_LEAD = 4.0


@dataclass(frozen=True, slots=True)
class Evidence:
    """What speaks for one work at one decision.

    Attributes
    ----------
    candidate : Candidate
        The stronger of the two alignments; its confidence is not yet known.
    values : tuple of float
        In the order of `recognizer.calibration.FEATURES`:
        ``long``, ``short`` strengths of the two alignments, 0 where there is none;
        ``lead_long``, ``lead_short`` strength above the best other work, within ±4;
        ``length`` root of the seconds of the aligned path;
        ``hits`` root of the embedding's windows in line;
        ``similarity`` of the embedding, ``recent`` of that of the newest seconds alone;
        ``since`` seconds since the path ended;
        ``works`` decimal logarithm of the works in the catalogue;
        ``near`` how much the newest windows stand out towards the work (`Shortlist.near`), ``lead_near`` how much more
        than towards the best other work, within ±4;
        ``steady`` how steadily the work was ahead (`recognizer.steady`);
        ``placed`` how near the last windows were at the places that the alignment names.
    """

    candidate: Candidate
    values: tuple[float, ...]


def gather(
    long: Sequence[Candidate],
    short: Sequence[Candidate],
    now: int,
    rate_hz: int,
    works: int,
    near: Mapping[str, float] | None = None,
    steady: Mapping[str, float] | None = None,
) -> list[Evidence]:
    """Join what two alignments found, one entry a work, in the order of their ids.

    Parameters
    ----------
    long, short : sequence of Candidate
        Of the whole history and of its last seconds; several references of one work may appear.
    now : int
        Position of the newest audio.
    rate_hz : int
        Samples per second of the timeline.
    works : int
        Works in the catalogue.
    near : mapping of str to float, optional
        From `Shortlist.near`.
    steady : mapping of str to float, optional
        From `Steadiness.update`.
    """
    near, steady = near or {}, steady or {}
    by_long, by_short = (best_per_work(some, lambda c: c.strength) for some in (long, short))
    long_strength, short_strength = (
        {work: max(0.0, c.strength) for work, c in some.items()} for some in (by_long, by_short)
    )
    found = []
    for work in sorted(by_long.keys() | by_short.keys()):
        there = [c for c in (by_long.get(work), by_short.get(work)) if c is not None]
        best = max(there, key=lambda c: c.strength)
        named = {
            "long": long_strength.get(work, 0.0),
            "short": short_strength.get(work, 0.0),
            "lead_long": _lead(long_strength, work),
            "lead_short": _lead(short_strength, work),
            "length": math.sqrt(max(0.0, (best.heard_to - best.heard_from) / rate_hz)),
            "hits": math.sqrt(max(0, best.hits)),
            "similarity": best.similarity,
            "recent": best.recent,
            "since": max(0.0, (now - best.heard_to) / rate_hz),
            "works": math.log10(max(1, works)),
            "near": near.get(work, 0.0),
            "lead_near": _lead(near, work),
            "steady": steady.get(work, 0.0),
            "placed": best.placed,
        }
        found.append(Evidence(best, tuple(named[name] for name in FEATURES)))
    return found


def weighed(evidence: Evidence, calibration: Mapping[str, float]) -> Candidate:
    """The candidate with its confidence: a probability when the model carries a calibration."""
    if calibration:
        logit = calibration["bias"]
        for name, value in zip(FEATURES, evidence.values, strict=True):
            low, high = calibration[f"{name}.low"], calibration[f"{name}.high"]
            logit += calibration[f"{name}.weight"] * min(max(value, low), high)
    else:
        logit = _SLOPE * (evidence.values[0] - _MIDPOINT)
    return replace(evidence.candidate, confidence=1.0 / (1.0 + math.exp(-max(-30.0, min(30.0, logit)))))


def _lead(found: Mapping[str, float], work: str) -> float:
    """How far a work's number is above that of the best other work."""
    rival = max((value for key, value in found.items() if key != work), default=0.0)
    return max(-_MOST_LEAD, min(_MOST_LEAD, found.get(work, 0.0) - rival))
