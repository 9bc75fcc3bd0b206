"""From evidence to a probability that a work is truly sounding now.

Two histories are aligned with the works in question. The *long* one separates best once a song has been heard for
a while; the *short* one does not know the song before. Either suffices: a song that has just begun is not in the long
one, and a sum of the two would hold its youth against it. An alignment says two things. How good its best path is, and
how much better than one through the reversed reference: the second tells music that sits on one chord, but a reversed
reference is a single draw of chance, and its luck blurs what it is taken from. Both, and what the embedding says, add
to one logit, each by a curve that rises: from what chance reaches to what is enough. The curves are fitted with
``models.calibrate`` and travel with the model; what a lead is worth depends on how many works there are to lead, so
there are two of each, for a small and for a large catalogue.
"""

from __future__ import annotations

import math
from bisect import bisect_right
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

from recognizer.calibration import EVIDENCE, FEATURES, GATE, LARGE, PROMISE, SMALL, Numbers
from recognizer.matcher import Candidate, best_per_work
from recognizer.standing import Standing

# Without a calibration: a logistic of the long strength, set by hand on the untrained baseline; not a probability.
_SLOPE, _MIDPOINT = 3.0, 3.6
_LONG_PATH = 0.75  # what chance reaches in fourteen seconds, over what it reaches in forty
_UNKNOWN = Standing()


@dataclass(frozen=True, slots=True)
class Evidence:
    """What speaks for one work at one decision.

    Attributes
    ----------
    candidate : Candidate
        The stronger of the two alignments; its confidence is not yet known.
    values : tuple of float
        In the order of `recognizer.calibration.FEATURES`:
        ``strength`` of the stronger of the two alignments;
        ``path`` the better of the two paths (`Candidate.path`), the long one's counting three quarters;
        ``similarity``, ``margin``, ``lead_lasting``: see `recognizer.standing.Standing`;
        ``works`` decimal logarithm of the works in the catalogue.
    long : float
        Strength of the long alignment, 0 where there is none; all that counts without a calibration.
    """

    candidate: Candidate
    values: tuple[float, ...]
    long: float = 0.0


def gather(
    long: Sequence[Candidate],
    short: Sequence[Candidate],
    works: int,
    standing: Mapping[str, Standing] | None = None,
) -> list[Evidence]:
    """Join what two alignments found, one entry a work, in the order of their ids.

    Parameters
    ----------
    long, short : sequence of Candidate
        Of the whole history and of its last seconds; several references of one work may appear.
    works : int
        Works in the catalogue.
    standing : mapping of str to Standing, optional
        By reference, from `standings`.
    """
    standing = standing or {}
    by_long, by_short = (best_per_work(some, lambda c: c.strength) for some in (long, short))
    found = []
    for work in sorted(by_long.keys() | by_short.keys()):
        in_long, in_short = by_long.get(work), by_short.get(work)
        best = max((c for c in (in_long, in_short) if c is not None), key=lambda c: c.strength)
        path = max(_LONG_PATH * in_long.path if in_long else 0.0, in_short.path if in_short else 0.0)
        named = {
            "strength": best.strength,
            "path": path,
            "works": math.log10(max(1, works)),
            **standing.get(best.reference_id, _UNKNOWN)._asdict(),
        }
        long_strength = max(0.0, in_long.strength) if in_long else 0.0
        found.append(Evidence(best, tuple(named[name] for name in FEATURES), long_strength))
    return found


def weighed(evidence: Evidence, calibration: Numbers) -> Candidate:
    """The candidate with its confidence: a probability when the model carries a calibration."""
    if "bias" in calibration:
        logit = _logit(dict(zip(FEATURES, evidence.values, strict=True)), calibration, "", EVIDENCE)
    else:
        logit = _SLOPE * (evidence.long - _MIDPOINT)
    return replace(evidence.candidate, confidence=_logistic(logit))


def promise(standing: Standing, works: int, calibration: Numbers) -> float:
    """Probability, before anything is aligned, that a reference is what sounds; 1 when the model cannot tell."""
    if GATE + "bias" not in calibration:
        return 1.0
    values = standing._asdict() | {"works": math.log10(max(1, works))}
    return _logistic(_logit(values, calibration, GATE, PROMISE))


def _logit(values: Mapping[str, float], calibration: Numbers, kind: str, names: Sequence[str]) -> float:
    """Between those of the smallest and the largest catalogue, by the logarithm of the works."""
    small, large = calibration[kind + "bias"]
    for name in names:
        curve = kind + name
        place, share = _place(calibration[curve], values[name])
        small += _height(calibration[curve + SMALL], place, share)
        large += _height(calibration[curve + LARGE], place, share)
    place, share = _place(calibration["works"], values["works"])
    return _height((small, large), place, share)


def _place(knots: Sequence[float], value: float) -> tuple[int, float]:
    """Between which two knots a value lies: the number of the first, and how far it is from there to the second."""
    after = bisect_right(knots, value)
    if after == 0:
        return 0, 0.0
    if after == len(knots):
        return after - 1, 0.0
    before = knots[after - 1]
    return after - 1, (value - before) / (knots[after] - before)


def _height(heights: Sequence[float], place: int, share: float) -> float:
    return heights[place] if share == 0.0 else heights[place] + share * (heights[place + 1] - heights[place])


def _logistic(logit: float) -> float:
    return 1.0 / (1.0 + math.exp(-max(-30.0, min(30.0, logit))))
