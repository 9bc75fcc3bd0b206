"""Views as a feed cuts them: the newest seconds twice, or other music first."""

from __future__ import annotations

import numpy as np

from models.data.hear import BINS, FPS
from models.data.interrupted import interrupt

FRAMES = 20 * FPS


def views(seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).integers(1, 256, (8, FRAMES, BINS), np.uint8)


def test_a_recent_view_is_its_second_half_twice() -> None:
    before, after = views(), views()
    interrupt(after, 1.0, 0.0, np.random.default_rng(1))
    np.testing.assert_array_equal(after[:, : FRAMES // 2], before[:, FRAMES // 2 :])
    np.testing.assert_array_equal(after[:, FRAMES // 2 :], before[:, FRAMES // 2 :])


def test_a_begun_view_keeps_its_end_and_begins_with_something_else() -> None:
    before, after = views(), views()
    interrupt(after, 0.0, 1.0, np.random.default_rng(1))
    np.testing.assert_array_equal(after[:, 10 * FPS :], before[:, 10 * FPS :])
    changed = (after != before).any(axis=2)
    begins = changed.sum(axis=1)
    assert begins.min() >= 4 * FPS - 1 and begins.max() <= 10 * FPS and len(set(begins.tolist())) > 1
    # What begins is the neighbour's end, backwards and in another key: its frames are rotations of frames there.
    shifts = {tuple(np.sort(frame)) for frame in before[0]}
    assert all(tuple(np.sort(frame)) in shifts for frame in after[1, : 4 * FPS])


def test_most_groups_are_left_alone() -> None:
    rng = np.random.default_rng(2)
    left = 0
    for _ in range(200):
        after = views()
        interrupt(after, 0.3, 0.15, rng)
        left += int(np.array_equal(after, views()))
    assert 85 <= left <= 135
