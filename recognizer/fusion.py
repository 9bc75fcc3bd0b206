"""From evidence to a probability that a work is truly sounding now.

Two histories are aligned with the works in question. The *long* one separates best once a song has been heard for
a while; the *short* one does not know the song before. Either suffices: a song that has just begun is not in the long
one, and a sum of the two would hold its youth against it. An alignment says two things. How good its best path is, and
how much better than one through the reversed reference: the second tells music that sits on one chord, but a reversed
reference is a single draw of chance, and its luck blurs what it is taken from. Both, and what the embedding says, go
into one logistic function, whose weights are fitted with ``models.calibrate`` and travel with the model; what a lead is
worth depends on how many works there are to lead, so there are weights for a small and for a large catalogue. Evidence
is clipped to the range it was fitted on.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

from recognizer.calibration import FEATURES, LARGE, PROMISE, WEIGHTS
from recognizer.matcher import Candidate, best_per_work
from recognizer.standing import Standing

# Without a calibration: a logistic of the long strength, set by hand on the untrained baseline; not a probability.
_SLOPE, _MIDPOINT = 3.0, 3.6
# Up to here one more multiplies the odds of development programmes' candidates by three, beyond by less than two.
_MOST_STRENGTH = 6.5
# Chance reaches the least; from the most on the odds of development programmes' candidates rise no more.
_LEAST_PATH, _MOST_PATH = 3.0, 6.5
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
        ``strength`` of the stronger of the two alignments, 0 to 6.5;
        ``path`` the better of the two paths (`Candidate.path`), the long one's counting three quarters, 3 to 6.5;
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
            "strength": max(0.0, min(best.strength, _MOST_STRENGTH)),
            "path": max(_LEAST_PATH, min(path, _MOST_PATH)),
            "works": math.log10(max(1, works)),
            **standing.get(best.reference_id, _UNKNOWN)._asdict(),
        }
        long_strength = max(0.0, in_long.strength) if in_long else 0.0
        found.append(Evidence(best, tuple(named[name] for name in FEATURES), long_strength))
    return found


def weighed(evidence: Evidence, calibration: Mapping[str, float]) -> Candidate:
    """The candidate with its confidence: a probability when the model carries a calibration."""
    if "bias" in calibration:
        logit = _interpolated(dict(zip(FEATURES, evidence.values, strict=True)), calibration, "bias", WEIGHTS)
    else:
        logit = _SLOPE * (evidence.long - _MIDPOINT)
    return replace(evidence.candidate, confidence=_logistic(logit))


def promise(standing: Standing, works: int, calibration: Mapping[str, float]) -> float:
    """Probability, before anything is aligned, that a reference is what sounds; 1 when the model cannot tell."""
    if "promise.bias" not in calibration:
        return 1.0
    values = standing._asdict() | {"works": math.log10(max(1, works))}
    return _logistic(_interpolated(values, calibration, "promise.bias", PROMISE))


def _interpolated(
    values: Mapping[str, float], calibration: Mapping[str, float], bias: str, weights: Mapping[str, str]
) -> float:
    """Logit between those of the smallest and the largest catalogue, by the logarithm of the works."""
    small, large = calibration[bias], calibration[bias + LARGE]
    for name, key in weights.items():
        value = _clipped(values, calibration, name)
        small += calibration[key] * value
        large += calibration[key + LARGE] * value
    low, high = calibration["works.low"], calibration["works.high"]
    share = (_clipped(values, calibration, "works") - low) / (high - low) if high > low else 0.0
    return small + share * (large - small)


def _clipped(values: Mapping[str, float], calibration: Mapping[str, float], name: str) -> float:
    return min(max(values[name], calibration[f"{name}.low"]), calibration[f"{name}.high"])


def _logistic(logit: float) -> float:
    return 1.0 / (1.0 + math.exp(-max(-30.0, min(30.0, logit))))
