"""The alignment against a slow, obvious implementation of the same recurrence, and on music-like sequences."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from recognizer.align import align
from recognizer.path_table import best_paths
from recognizer.step import Floats

UNITS = 16  # cells are rounded to sixteenths


def slow_best_score(cells: np.ndarray) -> float:
    """By the book: one cell at a time."""
    n, m = cells.shape
    q = np.zeros((n + 2, m + 2))
    for i in range(n):
        for j in range(m):
            best = max(q[i + 1, j + 1], q[i, j + 1], q[i + 1, j])  # (1,1), (2,1), (1,2)
            q[i + 2, j + 2] = max(0.0, best + cells[i, j])
    return float(q.max())


CELLS = arrays(np.float32, (7, 9), elements=st.integers(-UNITS, 2 * UNITS).map(lambda k: np.float32(k / UNITS)))


@given(st.lists(CELLS, min_size=1, max_size=4))
def test_scores_equal_the_slow_recurrence(cells: list[np.ndarray]) -> None:
    for matrix, (score, q0, q1, r0, r1) in zip(cells, best_paths(cells), strict=True):
        assert score == slow_best_score(matrix)
        if score > 0:
            assert 0 <= q0 < q1 <= 7 and 0 <= r0 < r1 <= 9
            assert matrix[q1 - 1, r1 - 1] > 0  # a best path ends where it gains
            assert slow_best_score(matrix[q0:q1, r0:r1]) == score


def test_shorter_references_are_not_helped_by_padding() -> None:
    rng = np.random.default_rng(0)
    short, long = (rng.random((20, width)).astype(np.float32) * 2 - 1.2 for width in (11, 40))
    score, *place = best_paths([short])[0]
    again, *same_place = best_paths([short, long])[0]
    assert (score, place) == (again, same_place)


def test_long_sequences_do_not_overflow() -> None:
    cells = np.full((1200, 3000), -1.0, np.float32)
    np.fill_diagonal(cells, 2.0)
    assert best_paths([cells])[0] == (2400.0, 0, 1200, 0, 1200)


def music(frames: int, seed: int) -> Floats:
    """Chords of three pitch classes that change every few frames."""
    rng = np.random.default_rng(seed)
    out = np.zeros((frames, 12), dtype=np.float32)
    start = 0
    while start < frames:
        length = int(rng.integers(2, 6))
        out[start : start + length][:, rng.choice(12, 3, replace=False)] = 1.0
        start += length
    return out + 0.1 * rng.random((frames, 12)).astype(np.float32)


@pytest.mark.parametrize("semitones", range(-5, 7))
def test_finds_place_and_transposition(semitones: int) -> None:
    reference = music(400, 1)
    query = np.roll(reference[150:230], semitones, axis=1)
    results = align(query, [music(400, 2), reference, music(300, 3)])
    best = results[1]
    assert best.score > 2 * max(results[0].score, results[2].score)
    assert best.transpose_semitones == semitones
    assert abs(best.reference_start - 150) <= 3 and abs(best.query_start) <= 3
    assert best.tempo_ratio == pytest.approx(1.0, abs=0.05)


@pytest.mark.parametrize("ratio", [0.75, 0.9, 1.1, 1.3])
def test_follows_another_tempo(ratio: float) -> None:
    reference = music(400, 4)
    query = reference[100 + (np.arange(90) * ratio).astype(int)]
    results = align(query, [reference, *(music(400, seed) for seed in range(5, 15))])
    assert results[0].score > max(r.score for r in results[1:])
    assert results[0].tempo_ratio == pytest.approx(ratio, abs=0.1)


def test_silence_and_short_input_align_with_nothing() -> None:
    assert align(np.zeros((60, 12), np.float32), [music(200, 1)])[0].score == 0
    assert align(music(2, 1), [music(200, 1)])[0].score == 0
    assert align(music(50, 1), [music(2, 1), np.zeros((100, 12), np.float32)])[1].score == 0
    assert align(music(50, 1), []) == []
