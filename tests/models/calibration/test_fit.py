"""The fit finds what made the data, keeps its signs, and says honestly how well it is calibrated."""

from __future__ import annotations

import numpy as np
import pytest

from models.calibration.collect import Samples
from models.calibration.fit import fit, held_out, probabilities, reliability
from recognizer.calibration import FEATURES, checked

PLACE = {name: number for number, name in enumerate(FEATURES)}


def made(count: int = 12000, seed: int = 0) -> Samples:
    """Evidence of which ``strength`` counts twice as much in the largest catalogue."""
    rng = np.random.default_rng(seed)
    evidence = rng.normal(2.0, 1.5, (count, len(FEATURES)))
    evidence[:, PLACE["works"]] = rng.choice([2.0, 2.5, 3.0], count)
    share = evidence[:, PLACE["works"]] - 2.0
    logit = -6.0 + (1.5 + 1.5 * share) * evidence[:, PLACE["strength"]] + 0.5 * evidence[:, PLACE["path"]] - 3.0 * share
    true = rng.random(count) < 1 / (1 + np.exp(-logit))
    return Samples(evidence, true, np.ones(count, bool), np.arange(count) // 500)


def test_it_finds_the_weights_that_made_the_data() -> None:
    numbers = checked(fit(made()))
    assert numbers["strength.weight"] == pytest.approx(1.5, abs=0.2)
    assert numbers["path.weight"] == pytest.approx(0.5, abs=0.15)
    assert numbers["strength.weight.large"] == pytest.approx(3.0, abs=0.4)
    assert numbers["path.weight.large"] == pytest.approx(0.5, abs=0.25)
    assert (numbers["bias"], numbers["bias.large"]) == pytest.approx((-6.0, -9.0), abs=1.0)
    assert numbers["similarity.weight"] == pytest.approx(0.0, abs=0.1)
    assert (numbers["works.low"], numbers["works.high"]) == (2.0, 3.0)


def test_a_weight_that_would_point_the_wrong_way_is_zero() -> None:
    samples = made()
    upside_down = samples.evidence * np.where(np.arange(len(FEATURES)) == PLACE["works"], 1.0, -1.0)
    numbers = checked(fit(Samples(upside_down, samples.true, samples.leads, samples.group)))
    for name in ("strength", "path"):
        assert numbers[f"{name}.weight"] == numbers[f"{name}.weight.large"] == 0.0


def test_evidence_that_never_varies_has_no_weight() -> None:
    samples = made()
    samples.evidence[:, PLACE["margin"]] = 3.0
    numbers = fit(samples)
    assert numbers["margin.weight"] == numbers["margin.weight.large"] == 0.0


def test_catalogues_of_one_size_have_one_set_of_weights() -> None:
    samples = made()
    samples.evidence[:, PLACE["works"]] = 3.0
    numbers = checked(fit(samples))
    assert numbers["strength.weight"] == numbers["strength.weight.large"] > 1.0
    assert numbers["bias"] == numbers["bias.large"]
    assert np.isfinite(probabilities(samples.evidence, numbers)).all()


def test_held_out_probabilities_are_calibrated_and_wrong_ones_are_found_out() -> None:
    samples = made()
    said = held_out(samples, 5)
    assert reliability(said, samples.true).ece < 0.03
    assert reliability(np.sqrt(said), samples.true).ece > 0.05
    assert np.abs(said - probabilities(samples.evidence, fit(samples))).max() < 0.1


def test_the_diagram_counts_everything_once() -> None:
    said = np.array([0.0, 0.05, 0.95, 1.0])
    found = reliability(said, np.array([False, True, True, True]))
    assert found.count.tolist() == [2, 2] and found.happened.tolist() == [0.5, 1.0]
    assert found.ece == pytest.approx((0.475 * 2 + 0.025 * 2) / 4)
