"""A logistic function with few weights, each pointing the way it must, and how well it is calibrated."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from models.calibration.collect import Bools, Doubles, Samples
from recognizer.calibration import FEATURES, PROMISE

_RIDGE = 1e-3  # per candidate, on standardised weights
_ROUNDS = 3000
_TAIL = 0.002  # share of candidates beyond the range that evidence is clipped to, on either side
_DIGITS = 6


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


def fit(samples: Samples, gated: Mapping[str, float] | None = None) -> dict[str, float]:
    """The numbers of a calibration (`recognizer.calibration.checked` describes them).

    With the calibration whose gate the samples have passed (`with_gate`), that gate is part of the result, and what it
    looks at keeps the range that it was fitted on.

    Weights are found by projected, accelerated gradient descent on the logistic loss; a weight whose best value has
    the wrong sign becomes zero.
    """
    low = np.quantile(samples.evidence, _TAIL, axis=0)
    high = np.quantile(samples.evidence, 1 - _TAIL, axis=0)
    gated = gated or {}
    for k, name in enumerate(FEATURES):
        if gated and name in PROMISE:
            low[k], high[k] = gated[f"{name}.low"], gated[f"{name}.high"]
    clipped = np.clip(samples.evidence, low, high)
    weights, bias = _fitted(clipped, samples.true, np.array(list(FEATURES.values())))
    numbers = {"bias": bias}
    for k, name in enumerate(FEATURES):
        numbers[f"{name}.weight"] = float(weights[k])
        numbers[f"{name}.low"], numbers[f"{name}.high"] = float(low[k]), float(high[k])
    numbers |= {name: value for name, value in gated.items() if name.startswith("promise.")}
    return {name: round(value, _DIGITS) for name, value in numbers.items()}


def with_gate(samples: Samples, numbers: Mapping[str, float]) -> dict[str, float]:
    """A calibration fitted on samples, with the weights that `recognizer.fusion.promise` needs."""
    columns = [list(FEATURES).index(name) for name in PROMISE]
    low, high = (np.array([numbers[f"{name}.{end}"] for name in PROMISE]) for end in ("low", "high"))
    clipped = np.clip(samples.evidence[:, columns], low, high)
    weights, bias = _fitted(clipped, samples.true, np.array([FEATURES[name] for name in PROMISE]))
    gate = {"promise.bias": bias}
    gate |= {f"promise.{name}": float(weight) for name, weight in zip(PROMISE, weights, strict=True)}
    return dict(numbers) | {name: round(value, _DIGITS) for name, value in gate.items()}


def _fitted(x: Doubles, true: Bools, signs: npt.NDArray[np.int64]) -> tuple[Doubles, float]:
    """Weights and bias for ``x`` as it is, fitted on it standardised; what never varies has no weight."""
    mean, spread = x.mean(axis=0), x.std(axis=0)
    constant = spread < 1e-9
    spread = np.where(constant, 1.0, spread)
    standardised = (x - mean) / spread
    standardised[:, constant] = 0.0
    weights, bias = _descend(standardised, true.astype(np.float64), signs)
    weights = np.where(constant, 0.0, weights / spread)
    return weights, float(bias - weights @ mean)


def _descend(x: Doubles, y: Doubles, signs: npt.NDArray[np.int64]) -> tuple[Doubles, float]:
    """Weights (with the given signs or zero) and bias that minimise the mean logistic loss."""
    design = np.column_stack([x, np.ones(len(x))])
    ridge = np.append(np.full(x.shape[1], _RIDGE), 0.0)
    step = 1.0 / (0.25 * float(np.linalg.eigvalsh(design.T @ design / len(x)).max()) + _RIDGE)
    now = ahead = np.zeros(design.shape[1])
    momentum = 1.0
    for _ in range(_ROUNDS):
        slope = design.T @ (_logistic(design @ ahead) - y) / len(x) + ridge * ahead
        following = ahead - step * slope
        following[:-1] = np.where(following[:-1] * signs < 0, 0.0, following[:-1])
        faster = (1 + np.sqrt(1 + 4 * momentum**2)) / 2
        ahead = following + (momentum - 1) / faster * (following - now)
        now, momentum = following, faster
    return now[:-1], float(now[-1])


def probabilities(evidence: Doubles, numbers: dict[str, float]) -> Doubles:
    """What `recognizer.fusion.weighed` says of each row; shape (candidates,)."""
    low, high, weights = (np.array([numbers[f"{n}.{part}"] for n in FEATURES]) for part in ("low", "high", "weight"))
    return _logistic(np.clip(evidence, low, high) @ weights + numbers["bias"])


def _logistic(logit: Doubles) -> Doubles:
    return np.asarray(1.0 / (1.0 + np.exp(-np.clip(logit, -30, 30))))


def held_out(samples: Samples, folds: int, gated: Mapping[str, float] | None = None) -> Doubles:
    """Probability of each candidate by weights fitted on other programmes; shape (candidates,)."""
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
