"""The figures of the stream benchmark from the outcomes of its programmes, with 95 % intervals.

Intervals of figures about covers come from drawing covers again, those that detections enter too from drawing
programmes again (so they need at least three), that of the rate of false detections from the Poisson distribution
(so that it says something even when none was seen).
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from typing import Any, TypeVar

import numpy as np

from recognizer.evaluation.streams import CoverOutcome, Outcome

_T = TypeVar("_T")
DRAWS = 1000
_FEWEST_PROGRAMMES = 3
_SEED = 20


@dataclass(frozen=True, slots=True)
class Figure:
    """A number with its 95 % interval; None where there is nothing to compute it from."""

    value: float | None
    low: float | None = None
    high: float | None = None


@dataclass(frozen=True, slots=True)
class StreamFigures:
    """Everything the benchmark says about one method.

    Attributes
    ----------
    false_per_hour : Figure
        Detections that belong to no cover, whatever they were shown over, per hour of audio without a cover.
    opened_median_s, opened_p90_s : Figure
        From the start of a cover to the opening of its first detection, of covers that got one.
    start_error_s, end_error_s : Figure
        Medians of the absolute errors of covers found.
    opens_per_found : Figure
        Openings per cover that got a detection; 1 is ideal.
    times_real_time : float or None
        Audio per second of processing.
    """

    programmes: int
    hours: float
    foreign_hours: float
    covers: int
    detections: int
    retracted: int
    found: int
    false: int
    false_over_covers: int
    dap: Figure
    dlp: Figure
    purity: Figure
    precision: Figure
    recall: Figure
    f1: Figure
    false_per_hour: Figure
    opened_median_s: Figure
    opened_p90_s: Figure
    start_error_s: Figure
    end_error_s: Figure
    opens_per_found: Figure
    times_real_time: float | None = None

    def to_json(self) -> dict[str, Any]:
        """Plain numbers, lists and dictionaries."""
        return asdict(self)


def figures(outcomes: Sequence[Outcome], elapsed_s: float | None = None, draws: int = DRAWS) -> StreamFigures:
    """Figures over all programmes.

    Parameters
    ----------
    outcomes : sequence of Outcome
    elapsed_s : float, optional
        Time that it took to process all of them.
    draws : int
        Of each interval.
    """
    again = _Redraw(draws)
    covers = [cover for outcome in outcomes for cover in outcome.covers]
    false, foreign_h = sum(o.false for o in outcomes), sum(o.foreign_s for o in outcomes) / 3600
    duration_s = sum(o.duration_s for o in outcomes)
    return StreamFigures(
        programmes=len(outcomes),
        hours=duration_s / 3600,
        foreign_hours=foreign_h,
        covers=len(covers),
        detections=sum(o.detections for o in outcomes),
        retracted=sum(o.retracted for o in outcomes),
        found=sum(o.hits for o in outcomes),
        false=false,
        false_over_covers=sum(o.false_over_covers for o in outcomes),
        dap=again(covers, lambda some: _mean([float(c.touched) for c in some])),
        dlp=again(covers, _dlp),
        purity=again(outcomes, _purity, _FEWEST_PROGRAMMES),
        precision=again(outcomes, _precision, _FEWEST_PROGRAMMES),
        recall=again(covers, lambda some: _mean([float(c.found) for c in some])),
        f1=again(outcomes, _f1, _FEWEST_PROGRAMMES),
        false_per_hour=_rate(false, foreign_h),
        opened_median_s=again(_known(covers, lambda c: c.opened_after_s), lambda some: _quantile(some, 0.5)),
        opened_p90_s=again(_known(covers, lambda c: c.opened_after_s), lambda some: _quantile(some, 0.9)),
        start_error_s=again(_known(covers, lambda c: c.start_error_s), _median_size),
        end_error_s=again(_known(covers, lambda c: c.end_error_s), _median_size),
        opens_per_found=again([c for c in covers if c.touched], lambda some: _mean([float(c.opens) for c in some])),
        times_real_time=duration_s / elapsed_s if elapsed_s else None,
    )


class _Redraw:
    """A figure with the 2.5 % and 97.5 % quantiles of it over items drawn again with replacement."""

    def __init__(self, draws: int) -> None:
        self._draws = draws

    def __call__(self, items: Sequence[_T], figure: Callable[[Sequence[_T]], float | None], fewest: int = 2) -> Figure:
        value = figure(items)
        if value is None or len(items) < fewest:
            return Figure(value)
        rng = np.random.default_rng(_SEED)
        draws = [figure([items[i] for i in row]) for row in rng.integers(0, len(items), (self._draws, len(items)))]
        low, high = np.quantile([draw for draw in draws if draw is not None], (0.025, 0.975))
        return Figure(value, float(low), float(high))


def _rate(count: int, hours: float) -> Figure:
    """Events per hour with the exact Poisson interval."""
    if hours <= 0:
        return Figure(None)
    low = _poisson_mean(count - 1, 0.975) if count else 0.0
    return Figure(count / hours, low / hours, _poisson_mean(count, 0.025) / hours)


def _poisson_mean(count: int, tail: float) -> float:
    """The mean for which the probability of ``count`` events or fewer is ``tail``."""
    low, high = 0.0, 10.0 + 5 * count + 10 * math.sqrt(count + 1)
    for _ in range(100):
        middle = (low + high) / 2
        terms = (math.exp(k * math.log(middle) - middle - math.lgamma(k + 1)) for k in range(count + 1))
        low, high = (middle, high) if sum(terms) > tail else (low, middle)
    return low


def _dlp(covers: Sequence[CoverOutcome]) -> float | None:
    return _ratio(sum(c.matched_s for c in covers), sum(c.played.end_s - c.played.start_s for c in covers))


def _purity(outcomes: Sequence[Outcome]) -> float | None:
    return _ratio(sum(o.pure_s for o in outcomes), sum(o.detected_s for o in outcomes))


def _precision(outcomes: Sequence[Outcome]) -> float | None:
    return _ratio(sum(o.hits for o in outcomes), sum(o.detections for o in outcomes))


def _f1(outcomes: Sequence[Outcome]) -> float | None:
    covers = sum(len(o.covers) for o in outcomes)
    if not covers:
        return None
    return _ratio(2 * sum(o.hits for o in outcomes), covers + sum(o.detections for o in outcomes))


def _known(covers: Sequence[CoverOutcome], field: Callable[[CoverOutcome], float | None]) -> list[float]:
    return [value for value in map(field, covers) if value is not None]


def _median_size(errors: Sequence[float]) -> float | None:
    return _quantile([abs(error) for error in errors], 0.5)


def _quantile(values: Sequence[float], share: float) -> float | None:
    return float(np.quantile(np.asarray(values), share)) if values else None


def _mean(values: Sequence[float]) -> float | None:
    return sum(values) / len(values) if values else None


def _ratio(part: float, whole: float) -> float | None:
    return part / whole if whole > 0 else None
