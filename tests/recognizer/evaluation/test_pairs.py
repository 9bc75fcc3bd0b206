"""Equal error rates by hand, and against every threshold tried slowly."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from recognizer.evaluation.pairs import equal_error, error_rates, thinned

SCORES = st.lists(st.integers(-5, 5).map(float), min_size=1, max_size=25)


def test_by_hand() -> None:
    # At 0.5: one of four versions is missed, one of four others accepted.
    found = equal_error(np.array([0.9, 0.8, 0.5, 0.1]), np.array([0.6, 0.4, 0.3, 0.2]))
    assert found is not None
    assert (found.rate, found.threshold, found.accuracy) == (0.25, 0.5, 0.75)
    assert (found.positive, found.negative) == (4, 4)


def test_perfect_hopeless_and_equal() -> None:
    high, low = np.array([0.8, 0.9]), np.array([0.1, 0.2, 0.3])
    perfect, hopeless = equal_error(high, low), equal_error(low, high)
    assert perfect is not None and perfect.rate == 0 and perfect.accuracy == 1 and 0.3 < perfect.threshold <= 0.8
    assert hopeless is not None and hopeless.rate == 1
    constant = equal_error(np.zeros(3), np.zeros(9))
    assert constant is not None and constant.rate == 0.5


def test_without_pairs_of_both_kinds_there_is_none() -> None:
    assert equal_error(np.array([]), np.array([0.1])) is None
    assert equal_error(np.array([0.1]), np.array([])) is None


@given(SCORES, SCORES)
def test_equals_trying_every_threshold(positive: list[float], negative: list[float]) -> None:
    tried = sorted({*positive, *negative, 99.0})
    rates = []
    for threshold in tried:
        accepts = sum(n >= threshold for n in negative) / len(negative)
        rejects = sum(p < threshold for p in positive) / len(positive)
        rates.append((abs(accepts - rejects), (accepts + rejects) / 2))
    found = equal_error(np.array(positive), np.array(negative))
    assert found is not None
    assert found.rate in [pytest.approx(rate) for gap, rate in rates if gap == pytest.approx(min(rates)[0])]
    right = sum(p >= found.threshold for p in positive) + sum(n < found.threshold for n in negative)
    assert found.accuracy == pytest.approx(right / (len(positive) + len(negative)))


@given(SCORES, SCORES)
def test_rates_go_from_everything_accepted_to_everything_rejected(positive: list[float], negative: list[float]) -> None:
    thresholds, accepts, rejects = error_rates(np.array(positive), np.array(negative))
    assert (accepts[0], rejects[0], accepts[-1], rejects[-1]) == (1, 0, 0, 1)
    assert (np.diff(thresholds) > 0).all() and (np.diff(accepts) <= 0).all() and (np.diff(rejects) >= 0).all()
    some = thinned(thresholds, accepts, rejects, points=7)
    assert 1 <= len(some[0]) <= 7 and set(zip(*some, strict=True)) <= set(zip(accepts, rejects, strict=True))
