"""The whitened space of a catalogue, and what is usual of each reference there."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from recognizer.catalogue import CatalogueView, Track
from recognizer.catalogue.manifest import Manifest
from recognizer.catalogue.segment import TrackData, quantise
from recognizer.contract import ModelContract
from recognizer.whitening import whitening

CONTRACT = ModelContract("test", 16_000, 32_000, 0, 10, 2, 8, 12, 8, 12, 16, {})


def unit(vectors: np.ndarray) -> np.ndarray:
    return np.asarray(vectors / np.linalg.norm(vectors, axis=-1, keepdims=True), np.float32)


def view_of(tracks: list[np.ndarray], works: list[str] | None = None) -> CatalogueView:
    rows = []
    for number, vectors in enumerate(tracks):
        work = works[number] if works else f"w{number}"
        track = Track(f"r{number}", work, None, None, None, None, None, "0" * 64, 30.0, len(vectors))
        pitch = quantise(np.ones((120, 12), np.float32))
        rows.append(TrackData(track, vectors, 4.0 * np.arange(len(vectors), dtype=np.float32), *pitch))
    return CatalogueView(replace(Manifest.empty(CONTRACT, "sha256:" + "0" * 64), tracks=len(rows)), rows)


def alike(tracks: int, windows: int, seed: int = 0) -> list[np.ndarray]:
    """Windows that share a mean and a direction along which they vary most."""
    rng = np.random.default_rng(seed)
    made = rng.standard_normal((tracks, windows, 16)) * np.array([6.0] + 15 * [1.0])
    return list(unit(made + np.array([0.0, 5.0] + 14 * [0.0])))


def test_cosine_is_that_of_the_whitened_windows() -> None:
    view = view_of(alike(40, 5))
    vectors = view.vectors.astype(np.float64)
    mean = vectors.mean(axis=0)
    covariance = (vectors - mean).T @ (vectors - mean) / len(vectors)
    shrunk = max(0.1, 16 / (16 + len(vectors)))
    values, axes = np.linalg.eigh((1 - shrunk) * covariance + shrunk * np.trace(covariance) / 16 * np.eye(16))
    white = (vectors - mean) @ axes / np.sqrt(values)
    white /= np.linalg.norm(white, axis=1, keepdims=True)
    assert whitening(view).cosine(view.vectors[:7]) == pytest.approx(white[:7] @ white.T, abs=1e-4)
    assert whitening(view) is whitening(view)


def test_what_all_share_is_no_likeness() -> None:
    view = view_of(alike(60, 4))
    plain, white = view.vectors @ view.vectors.T, whitening(view).cosine(view.vectors)
    assert np.diag(white) == pytest.approx(1.0, abs=1e-4)
    others = ~np.eye(len(plain), dtype=bool)
    assert abs(white[others]).mean() < 0.7 * abs(plain[others]).mean()


def test_strangers_are_usual_and_a_version_stands_out() -> None:
    rng = np.random.default_rng(3)
    view = view_of(alike(60, 4))
    white = whitening(view)
    fresh = np.concatenate(alike(50, 1, seed=9))
    best = white.cosine(fresh).reshape(50, 60, 4).max(axis=2)
    standing = white.standardised(best)
    assert abs(standing.mean()) < 0.3 and standing.std() == pytest.approx(1.0, abs=0.3)
    cover = unit(view.vectors[20:21] + 0.03 * rng.standard_normal((1, 16)))
    assert white.standardised(white.cosine(cover).reshape(1, 60, 4).max(axis=2))[0].argmax() == 5


@pytest.mark.parametrize("works", [["a"] * 30, ["a", "b"] + ["a"] * 28])
def test_without_strangers_nothing_is_whitened(works: list[str]) -> None:
    view = view_of(alike(30, 2), works)
    white = whitening(view)
    plain = view.vectors[:3] @ view.vectors.T
    assert white.cosine(view.vectors[:3]) == pytest.approx(plain, abs=1e-6)
    assert white.standardised(np.full(30, 0.5, np.float32)) == pytest.approx(np.full(30, 5.0))


def test_an_empty_catalogue_and_one_whose_windows_are_all_alike() -> None:
    assert whitening(view_of([])).cosine(np.zeros((2, 16), np.float32)).shape == (2, 0)
    same = whitening(view_of([unit(np.ones((2, 16)))] * 40))
    assert np.isfinite(same.standardised(same.cosine(unit(np.ones((1, 16))))[:, ::2])).all()
