"""A logistic function with few weights, each pointing the way it must, and how well it is calibrated."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from models.calibration.collect import Bools, Doubles, Samples
from recognizer.calibration import FEATURES, LARGE, PROMISE, WEIGHTS

_RIDGE = 3e-4  # per candidate, on standardised weights
_ROUNDS = 3000
_TAIL = 0.002  # share of candidates beyond the range that evidence is clipped to, on either side
_DIGITS = 6
_SIZE = list(FEATURES).index("works")


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
    low[_SIZE], high[_SIZE] = samples.evidence[:, _SIZE].min(), samples.evidence[:, _SIZE].max()
    gated = gated or {}
    for k, name in enumerate(FEATURES):
        if gated and name in PROMISE:
            low[k], high[k] = gated[f"{name}.low"], gated[f"{name}.high"]
    numbers = {f"{name}.low": float(low[k]) for k, name in enumerate(FEATURES)}
    numbers |= {f"{name}.high": float(high[k]) for k, name in enumerate(FEATURES)}
    numbers |= _fitted(samples, numbers, "bias", WEIGHTS)
    numbers |= {name: value for name, value in gated.items() if name.startswith("promise.")}
    return {name: round(value, _DIGITS) for name, value in numbers.items()}


def with_gate(samples: Samples, numbers: Mapping[str, float]) -> dict[str, float]:
    """A calibration fitted on samples, with the weights that `recognizer.fusion.promise` needs."""
    gate = _fitted(samples, numbers, "promise.bias", PROMISE)
    return dict(numbers) | {name: round(value, _DIGITS) for name, value in gate.items()}


def _clipped(evidence: Doubles, numbers: Mapping[str, float], names: Iterable[str]) -> Doubles:
    """Columns of the evidence, within their ranges."""
    names = list(names)
    low, high = (np.array([numbers[f"{name}.{end}"] for name in names]) for end in ("low", "high"))
    return np.clip(evidence[:, [list(FEATURES).index(name) for name in names]], low, high)


def _share(evidence: Doubles, numbers: Mapping[str, float]) -> Doubles:
    """Of the largest catalogue: 0 in the smallest, 1 in it, by the logarithm of the works; shape (candidates,)."""
    low, high = numbers["works.low"], numbers["works.high"]
    works = _clipped(evidence, numbers, ("works",))[:, 0]
    return (works - low) / (high - low) if high > low else np.zeros(len(works))


def _fitted(
    samples: Samples, numbers: Mapping[str, float], bias_key: str, weight_keys: Mapping[str, str]
) -> dict[str, float]:
    """Bias and weights of some evidence by their keys, for the smallest and the largest catalogue.

    Fitted on standardised evidence; what never varies has no weight.
    """
    x, share = _clipped(samples.evidence, numbers, weight_keys), _share(samples.evidence, numbers)
    mean, spread = x.mean(axis=0), x.std(axis=0)
    constant = spread < 1e-9
    spread = np.where(constant, 1.0, spread)
    standardised = (x - mean) / spread
    standardised[:, constant] = 0.0
    both = np.stack([1.0 - share, share], axis=1)
    design = np.hstack([standardised * both[:, :1], standardised * both[:, 1:], both])
    signs = np.array([FEATURES[name] for name in weight_keys] * 2 + [0, 0])
    found = _descend(design, samples.true.astype(np.float64), signs)
    weights = np.where(constant, 0.0, found[:-2].reshape(2, -1) / spread)
    bias = found[-2:] - weights @ mean
    if not share.any():  # one size only
        weights[1], bias[1] = weights[0], bias[0]
    keys = [key + size for size in ("", LARGE) for key in (bias_key, *weight_keys.values())]
    return dict(zip(keys, np.column_stack([bias, weights]).ravel().tolist(), strict=True))


def _descend(design: Doubles, y: Doubles, signs: npt.NDArray[np.int64]) -> Doubles:
    """Weights that minimise the mean logistic loss, with the given signs or zero; of sign 0: free and unshrunk."""
    ridge = np.where(signs == 0, 0.0, _RIDGE)
    step = 1.0 / (0.25 * float(np.linalg.eigvalsh(design.T @ design / len(design)).max()) + _RIDGE)
    now = ahead = np.zeros(design.shape[1])
    momentum = 1.0
    for _ in range(_ROUNDS):
        slope = design.T @ (_logistic(design @ ahead) - y) / len(design) + ridge * ahead
        following = ahead - step * slope
        following = np.where(following * signs < 0, 0.0, following)
        faster = (1 + np.sqrt(1 + 4 * momentum**2)) / 2
        ahead = following + (momentum - 1) / faster * (following - now)
        now, momentum = following, faster
    return now


def probabilities(evidence: Doubles, numbers: Mapping[str, float]) -> Doubles:
    """What `recognizer.fusion.weighed` says of each row; shape (candidates,)."""
    x, share = _clipped(evidence, numbers, WEIGHTS), _share(evidence, numbers)
    small, large = (
        x @ np.array([numbers[key + size] for key in WEIGHTS.values()]) + numbers["bias" + size] for size in ("", LARGE)
    )
    return _logistic(small + share * (large - small))


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
