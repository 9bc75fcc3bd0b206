"""Qmax against its recurrence written out cell by cell, and on sequences that are versions of each other."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from recognizer.evaluation import qmax

Floats = npt.NDArray[np.float32]


def slow_qmax(near: npt.NDArray[np.bool_]) -> float:
    """The recurrence of Serrà et al. (2009), cell by cell."""
    rows, columns = near.shape
    trace = np.zeros((rows + 2, columns + 2))
    seen = np.zeros((rows + 2, columns + 2), dtype=bool)
    seen[2:, 2:] = near
    for i in range(2, rows + 2):
        for j in range(2, columns + 2):
            before = [(i - 1, j - 1), (i - 2, j - 1), (i - 1, j - 2)]
            if seen[i, j]:
                trace[i, j] = max(trace[b] for b in before) + 1
            else:
                trace[i, j] = max(0, *(trace[b] - (qmax.ONSET if seen[b] else qmax.EXTENSION) for b in before))
    return float(trace.max())


@settings(deadline=None, max_examples=40)
@given(st.integers(0, 2**32 - 1), st.integers(1, 12), st.lists(st.integers(1, 15), min_size=1, max_size=4))
def test_equals_the_recurrence(seed: int, rows: int, widths: list[int]) -> None:
    rng = np.random.default_rng(seed)
    plots = [rng.random((rows, width)) < 0.35 for width in widths]
    assert qmax.qmax(plots).tolist() == pytest.approx([slow_qmax(plot) for plot in plots])


def test_different_prices_of_a_gap_are_told_apart(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(qmax, "ONSET", 2.0)
    plot = np.random.default_rng(5).random((30, 40)) < 0.3
    assert qmax.qmax([plot])[0] == pytest.approx(slow_qmax(plot))


def melody(seed: int, frames: int) -> Floats:
    rng = np.random.default_rng(seed)
    notes = np.repeat(rng.integers(0, 12, frames), 3)[:frames]
    return (np.eye(12, dtype=np.float32)[notes] + 0.1 * rng.random((frames, 12), dtype=np.float32)).astype(np.float32)


def test_a_transposed_part_at_another_tempo_is_nearer_than_strangers() -> None:
    song = melody(1, 240)
    cover = np.roll(song[60:180:1], 3, axis=1)
    cover = np.delete(cover, np.arange(0, len(cover), 7), axis=0)
    found = qmax.similarity(cover, [melody(seed, 240) for seed in range(2, 12)] + [song])
    assert found.argmax() == 10
    assert found[10] > 1.5 * np.sort(found)[-2]


def test_batches_change_nothing_and_short_ones_score_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    query = melody(1, 60)
    references = [melody(seed, 40 + 5 * seed) for seed in range(8)] + [melody(1, 5)]
    together = qmax.similarity(query, references)
    monkeypatch.setattr(qmax, "_BATCH_CELLS", 1)
    assert qmax.similarity(query, references) == pytest.approx(together)
    assert together[-1] == 0 and (together[:-1] > 0).all()
    assert qmax.similarity(query[:5], references).tolist() == [0.0] * 9


def test_chroma_at_the_frame_rate_of_the_method() -> None:
    fine = np.random.default_rng(0).random((83, 24), dtype=np.float32)
    slow = qmax.at_fps(fine, 8.0)
    assert slow.shape == (20, 12)
    expected = fine[:4].mean(axis=0).reshape(12, 2).mean(axis=1)
    assert slow[0] == pytest.approx(expected / expected.max())
