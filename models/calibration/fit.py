"""A logit with a rising curve for each kind of evidence, and how well the probability is calibrated.

A curve is a chain of straight lines, so that its slopes are the weights of a logistic regression that may not be
negative. Its knots lie close where right and wrong candidates do.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from models.calibration.collect import Bools, Doubles, Samples
from recognizer.calibration import EVIDENCE, FEATURES, GATE, LARGE, PROMISE, SMALL, Numbers

_RIDGE = 3e-4  # per candidate, on standardised weights
_ROUNDS, _SWEEPS = 50, 100
_ENOUGH, _SHORTEST = 1e-9, 1e-3
_TAIL = 0.002  # share of candidates beyond the ends of a curve, on either side
_LINES = 6  # in a curve
# What chance reaches and what is enough: between the two the knots tell apart, beyond them more is no more.
_WITHIN = {"strength": (0.0, 8.0), "path": (3.0, 7.0)}
_ANYWHERE = (-np.inf, np.inf)
_DIGITS = 4


@dataclass(frozen=True, slots=True)
class Reliability:
    """How often what was said with some probability was true.

    Attributes
    ----------
    said, happened : float64 arrays, shape (bins,)
        Mean probability and share of truths in each bin that is not empty.
    count : int64 array, shape (bins,)
    ece : float
        Mean distance of the two, weighted by count.
    """

    said: Doubles
    happened: Doubles
    count: npt.NDArray[np.int64]
    ece: float


def fit(samples: Samples, gated: Numbers | None = None) -> dict[str, tuple[float, ...]]:
    """The numbers of a calibration (`recognizer.calibration.checked` describes them).

    With the calibration whose gate the samples have passed (`with_gate`), that gate is part of the result.

    Slopes are found by Newton's method on the logistic loss; one whose best value would be negative becomes zero.
    """
    numbers = {"works": _rounded(_sizes(samples))} | _curves(samples, "", EVIDENCE)
    return numbers | {name: value for name, value in (gated or {}).items() if name.startswith(GATE)}


def with_gate(samples: Samples, numbers: Numbers) -> dict[str, tuple[float, ...]]:
    """A calibration fitted on samples, with the curves that `recognizer.fusion.promise` needs."""
    return {**numbers, **_curves(samples, GATE, PROMISE)}


def _curves(samples: Samples, kind: str, names: Sequence[str]) -> dict[str, tuple[float, ...]]:
    """Bias and curves of some evidence, for the smallest and the largest catalogue."""
    columns = [_column(samples.evidence, name) for name in names]
    knots = [
        _knots(values, samples.true, *_WITHIN.get(name, _ANYWHERE)) for name, values in zip(names, columns, strict=True)
    ]
    lines = [_climbed(values, at) for values, at in zip(columns, knots, strict=True)]
    share = _share(_column(samples.evidence, "works"), *_sizes(samples))
    found = _slopes(np.hstack(lines), share, samples.true)
    curves = {f"{kind}bias": _rounded(found[:, -1])}
    ends = np.cumsum([len(at) - 1 for at in knots])
    for name, at, slopes in zip(names, knots, np.split(found[:, :-1], ends[:-1], axis=1), strict=True):
        climb = np.cumsum(slopes * np.diff(at), axis=1)
        small, large = np.hstack([np.zeros((2, 1)), climb])
        curves |= {
            kind + name: _rounded(at),
            kind + name + SMALL: _rounded(small),
            kind + name + LARGE: _rounded(large),
        }
    return curves


def _sizes(samples: Samples) -> tuple[float, float]:
    """Logarithm of the works in the smallest and the largest catalogue."""
    works = _column(samples.evidence, "works")
    return float(works.min()), float(works.max())


def _knots(values: Doubles, true: Bools, least: float, most: float) -> Doubles:
    """Ends of the lines of a curve: all lines hold as much of the right and the wrong candidates taken together.

    Each of the two counts half, however many they are.
    """
    values = np.clip(values, least, most)
    order = np.argsort(values, kind="stable")
    weight = np.where(true, 0.5 / max(1, true.sum()), 0.5 / max(1, (~true).sum()))[order]
    inner = values[order][np.searchsorted(np.cumsum(weight), np.arange(1, _LINES) / _LINES * weight.sum())]
    low, high = np.quantile(values, (_TAIL, 1 - _TAIL))
    return np.unique(np.clip([low, *inner, high], low, high).round(_DIGITS))


def _climbed(values: Doubles, knots: Doubles) -> Doubles:
    """How far along each line of a curve the values are; shape (candidates, lines)."""
    return np.clip(values[:, None] - knots[:-1], 0.0, np.diff(knots))


def _share(works: Doubles, low: float, high: float) -> Doubles:
    """Of the largest catalogue: 0 in the smallest, 1 in it, by the logarithm of the works; shape (candidates,)."""
    return (works - low) / (high - low) if high > low else np.zeros(len(works))


def _column(evidence: Doubles, name: str) -> Doubles:
    return evidence[:, FEATURES.index(name)]


def _slopes(x: Doubles, share: Doubles, true: Bools) -> Doubles:
    """Weights of the columns of ``x`` and then the bias, in the smallest and the largest catalogue.

    Fitted on standardised columns; what never varies has no weight.
    """
    mean, spread = x.mean(axis=0), x.std(axis=0)
    constant = spread < 1e-9
    spread = np.where(constant, 1.0, spread)
    standardised = (x - mean) / spread
    standardised[:, constant] = 0.0
    both = np.stack([1.0 - share, share], axis=1)
    design = np.hstack([standardised * both[:, :1], standardised * both[:, 1:], both])
    least = np.append(np.zeros(2 * x.shape[1]), (-np.inf, -np.inf))
    found = _descend(design, true.astype(np.float64), least)
    weights = np.where(constant, 0.0, found[:-2].reshape(2, -1) / spread)
    bias = found[-2:] - weights @ mean
    if not share.any():  # one size only
        weights[1], bias[1] = weights[0], bias[0]
    return np.column_stack([weights, bias])


def _rounded(values: Sequence[float] | Doubles) -> tuple[float, ...]:
    return tuple(round(float(value), _DIGITS) for value in values)


def _descend(design: Doubles, y: Doubles, least: Doubles) -> Doubles:
    """Weights, none below its least, that minimise the mean logistic loss; those without a bound are not shrunk."""
    ridge = np.where(np.isinf(least), 0.0, _RIDGE)

    def loss(weights: Doubles) -> float:
        logit = design @ weights
        return float(np.mean(np.logaddexp(0.0, logit) - y * logit) + ridge @ weights**2 / 2)

    now, lost = np.zeros(len(least)), np.log(2)
    for _ in range(_ROUNDS):
        said = _logistic(design @ now)
        slope = design.T @ (said - y) / len(y) + ridge * now
        bend = (design * (said * (1 - said) / len(y))[:, None]).T @ design + np.diag(ridge)
        step, share = _lowest(bend, slope, now, least) - now, 1.0
        while (less := loss(now + share * step)) > lost and share > _SHORTEST:
            share /= 2
        gained = lost - less
        if gained <= _ENOUGH:
            break
        now, lost = now + share * step, less
    return now


def _lowest(bend: Doubles, slope: Doubles, start: Doubles, least: Doubles) -> Doubles:
    """Where a parabola with that slope at the start is lowest, no weight below its least; one weight at a time."""
    now, slope = start.copy(), slope.copy()
    for _ in range(_SWEEPS):
        for k in np.flatnonzero(bend.diagonal() > 0):
            following = max(least[k], now[k] - slope[k] / bend[k, k])
            slope += bend[k] * (following - now[k])
            now[k] = following
    return now


def probabilities(evidence: Doubles, numbers: Numbers) -> Doubles:
    """What `recognizer.fusion.weighed` says of each row; shape (candidates,)."""
    ends = np.array(numbers["works"])
    small, large = (
        bias + np.sum([np.interp(_column(evidence, name), numbers[name], numbers[name + part]) for name in EVIDENCE], 0)
        for bias, part in zip(numbers["bias"], (SMALL, LARGE), strict=True)
    )
    share = _share(np.clip(_column(evidence, "works"), *ends), *ends)
    return _logistic(small + share * (large - small))


def _logistic(logit: Doubles) -> Doubles:
    return np.asarray(1.0 / (1.0 + np.exp(-np.clip(logit, -30, 30))))


def held_out(samples: Samples, folds: int, gated: Numbers | None = None) -> Doubles:
    """Probability of each candidate by curves fitted on other programmes; shape (candidates,)."""
    groups = np.unique(samples.group)
    said = np.zeros(len(samples.true))
    for fold in range(min(folds, len(groups))):
        away = np.isin(samples.group, groups[fold::folds])
        said[away] = probabilities(samples.evidence[away], fit(samples.pick(~away), gated))
    return said


def reliability(said: Doubles, true: Bools, bins: int = 10) -> Reliability:
    """Reliability diagram with bins of equal width."""
    at = np.minimum((said * bins).astype(np.int64), bins - 1)
    count = np.bincount(at, minlength=bins)
    some = count > 0
    mean_said = np.bincount(at, said, bins)[some] / count[some]
    happened = np.bincount(at, true.astype(np.float64), bins)[some] / count[some]
    ece = float(np.abs(mean_said - happened) @ count[some] / max(1, len(said)))
    return Reliability(mean_said, happened, count[some], ece)
