"""The fit finds what made the data, keeps its signs, and says honestly how well it is calibrated."""

from __future__ import annotations

import numpy as np
import pytest

from models.calibration.collect import Samples
from models.calibration.fit import fit, held_out, probabilities, reliability
from recognizer.calibration import FEATURES, Numbers, checked

PLACE = {name: number for number, name in enumerate(FEATURES)}


def made(count: int = 12000, seed: int = 0) -> Samples:
    """Evidence of which ``strength`` counts twice as much in the largest catalogue."""
    rng = np.random.default_rng(seed)
    evidence = rng.normal(2.0, 1.5, (count, len(FEATURES)))
    evidence[:, PLACE["path"]] += 3.0
    evidence[:, PLACE["works"]] = rng.choice([2.0, 2.5, 3.0], count)
    share = evidence[:, PLACE["works"]] - 2.0
    logit = -7.5 + (1.5 + 1.5 * share) * evidence[:, PLACE["strength"]] + 0.5 * evidence[:, PLACE["path"]] - 3.0 * share
    true = rng.random(count) < 1 / (1 + np.exp(-logit))
    return Samples(evidence, true, np.ones(count, bool), np.arange(count) // 500)


def slopes(numbers: Numbers, name: str, size: str, low: float = 0.0, high: float = 4.0) -> float:
    """Mean slope of a curve from one value to another."""
    ends = np.interp([low, high], numbers[name], numbers[name + size])
    return float(ends[1] - ends[0]) / (high - low)


def test_it_finds_the_slopes_that_made_the_data() -> None:
    numbers = checked(fit(made()))
    assert slopes(numbers, "strength", ".small") == pytest.approx(1.5, abs=0.2)
    assert slopes(numbers, "path", ".small", 4.0, 6.0) == pytest.approx(0.5, abs=0.15)
    assert slopes(numbers, "strength", ".large") == pytest.approx(3.0, abs=0.4)
    assert slopes(numbers, "path", ".large", 4.0, 6.0) == pytest.approx(0.5, abs=0.25)
    assert slopes(numbers, "similarity", ".small") == pytest.approx(0.0, abs=0.1)
    assert numbers["works"] == (2.0, 3.0)
    middle = np.full((2, len(FEATURES)), 2.0)
    middle[:, PLACE["path"]], middle[1, PLACE["works"]] = 5.0, 3.0
    said = probabilities(middle, numbers)
    assert np.log(said / (1 - said)) == pytest.approx([-2.0, -2.0], abs=0.3)


def test_strength_and_path_count_between_what_chance_reaches_and_what_is_enough() -> None:
    samples = made()
    samples.evidence[:, PLACE["strength"]] *= 3.0
    numbers = checked(fit(samples))
    for name, ends in (("strength", (0.0, 8.0)), ("path", (3.0, 7.0))):
        assert (numbers[name][0], numbers[name][-1]) == ends
        beyond = np.repeat(samples.evidence[:1], 4, axis=0)
        beyond[:, PLACE[name]] = ends[0] - 2.0, ends[0], ends[1], ends[1] + 9.0
        said = probabilities(beyond, numbers)
        assert said[0] == said[1] < said[2] == said[3]


def test_it_finds_where_more_says_no_more() -> None:
    samples = made()
    rng = np.random.default_rng(5)
    logit = -3.0 + 4.0 * np.clip(samples.evidence[:, PLACE["strength"]], 1.0, 2.5)
    numbers = fit(
        Samples(samples.evidence, rng.random(len(logit)) < 1 / (1 + np.exp(3 - logit)), samples.leads, samples.group)
    )
    inside, outside = slopes(numbers, "strength", ".small", 1.2, 2.3), slopes(numbers, "strength", ".small", 3.0, 5.0)
    assert inside == pytest.approx(4.0, abs=0.8) and outside < 0.4


def test_a_curve_that_would_fall_is_level() -> None:
    samples = made()
    for name, middle in (("strength", 2.0), ("path", 5.0)):
        samples.evidence[:, PLACE[name]] = 2 * middle - samples.evidence[:, PLACE[name]]
    numbers = checked(fit(samples))
    for name in ("strength", "path"):
        assert len(numbers[name]) > 3 and max(numbers[f"{name}.small"] + numbers[f"{name}.large"]) < 0.3


def test_evidence_that_never_varies_adds_nothing() -> None:
    samples = made()
    samples.evidence[:, PLACE["margin"]] = 3.0
    numbers = checked(fit(samples))
    assert numbers["margin"] == (3.0,) and numbers["margin.small"] == numbers["margin.large"] == (0.0,)


def test_catalogues_of_one_size_have_one_set_of_curves() -> None:
    samples = made()
    samples.evidence[:, PLACE["works"]] = 3.0
    numbers = checked(fit(samples))
    assert numbers["strength.small"] == numbers["strength.large"] and slopes(numbers, "strength", ".small") > 1.0
    assert numbers["bias"][0] == numbers["bias"][1]
    assert np.isfinite(probabilities(samples.evidence, numbers)).all()


def test_held_out_probabilities_are_calibrated_and_wrong_ones_are_found_out() -> None:
    samples = made(40_000)
    said = held_out(samples, 5)
    assert reliability(said, samples.true).ece < 0.03
    assert reliability(np.sqrt(said), samples.true).ece > 0.05
    assert np.abs(said - probabilities(samples.evidence, fit(samples))).max() < 0.1


def test_the_diagram_counts_everything_once() -> None:
    said = np.array([0.0, 0.05, 0.95, 1.0])
    found = reliability(said, np.array([False, True, True, True]))
    assert found.count.tolist() == [2, 2] and found.happened.tolist() == [0.5, 1.0]
    assert found.ece == pytest.approx((0.475 * 2 + 0.025 * 2) / 4)
