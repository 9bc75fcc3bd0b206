"""The alignment against a slow, obvious implementation of the same recurrence, and on music-like sequences."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from recognizer.align import AlignSettings, _longest_paths, align
from recognizer.step import Floats


def slow_best_score(match: np.ndarray, gap: float) -> float:
    """Qmax by the book: one cell at a time."""
    n, m = match.shape
    q = np.zeros((n + 2, m + 2))
    for i in range(n):
        for j in range(m):
            best = max(q[i + 1, j + 1], q[i, j + 1], q[i + 1, j])  # (1,1), (2,1), (1,2)
            q[i + 2, j + 2] = best + 1 if match[i, j] else max(0.0, best - gap)
    return float(q.max())


@given(st.lists(arrays(bool, (7, 9)), min_size=1, max_size=4), st.sampled_from([0.25, 0.5, 1.0]))
def test_scores_equal_the_slow_recurrence(matches: list[np.ndarray], gap: float) -> None:
    found = _longest_paths(matches, AlignSettings(gap=gap))
    for match, (score, q0, q1, r0, r1) in zip(matches, found, strict=True):
        assert score == slow_best_score(match, gap)
        assert 0 <= q0 < q1 <= 7 and 0 <= r0 < r1 <= 9
        if score > 0:
            assert match[q0, r0] and match[q1 - 1, r1 - 1]  # a path begins and ends with a match


def test_shorter_references_are_not_helped_by_padding() -> None:
    rng = np.random.default_rng(0)
    short, long = rng.random((20, 11)) < 0.2, rng.random((20, 40)) < 0.2
    alone = _longest_paths([short], AlignSettings())[0]
    assert _longest_paths([short, long], AlignSettings())[0] == alone


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
