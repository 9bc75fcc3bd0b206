"""Rooms ring on, narrow lines keep their band, and neither moves the sound."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from models.data.damage import in_a_room, through_a_line
from models.data.distil import PIECE_S, RATE_HZ, Piece, write_shard
from models.data.hear import BINS, FPS
from models.data.pieces import Pieces


def click() -> np.ndarray:
    pcm = np.zeros(2 * RATE_HZ, np.float32)
    pcm[RATE_HZ // 2] = 1.0
    return pcm


def test_a_room_answers_after_the_sound_and_dies_away() -> None:
    for seed in range(8):
        heard = in_a_room(click(), RATE_HZ, np.random.default_rng(seed))
        at = RATE_HZ // 2
        assert heard.shape == (2 * RATE_HZ,) and heard.dtype == np.float32
        assert np.abs(heard[:at]).max() < 1e-5
        assert abs(heard[at] - 1.0) < 1e-4
        ringing = heard[at + 1 :] ** 2
        assert 0.08 < np.sqrt(ringing.sum()) < 1.7
        assert ringing[: RATE_HZ // 4].sum() > 2 * ringing[-RATE_HZ // 2 :].sum()


def test_a_line_keeps_the_middle_of_the_band_only() -> None:
    time_s = np.arange(RATE_HZ) / RATE_HZ
    for seed in range(8):
        low, middle, high = (
            float(np.abs(through_a_line(np.sin(2 * np.pi * f * time_s).astype(np.float32), RATE_HZ, rng)).max())
            for f, rng in ((30, np.random.default_rng(seed)), (1000, np.random.default_rng(seed)),
                           (6000, np.random.default_rng(seed)))
        )  # fmt: skip
        assert middle > 0.98 and low < 0.25 and high < 0.05


def test_damaged_chunks_keep_their_target(tmp_path: Path) -> None:
    pcm = (np.random.default_rng(0).normal(size=round(PIECE_S * RATE_HZ)) * 3000).astype(np.int16)
    target = np.random.default_rng(1).random((round(PIECE_S * FPS), BINS)).astype(np.float16)
    write_shard(tmp_path / "real-000.npz", [Piece(pcm, target, target, True)])
    plain = Pieces([tmp_path / "real-000.npz"], 1.0)
    rough = Pieces([tmp_path / "real-000.npz"], 1.0, rooms=1.0, lines=1.0)
    a, b = (p.batch(1, 16, 100, RATE_HZ, np.random.default_rng(5), rough=True) for p in (plain, rough))
    np.testing.assert_array_equal(a[1], b[1])
    assert np.abs(a[0] - b[0]).max() > 0.01
    quiet = [p.batch(1, 16, 100, RATE_HZ, np.random.default_rng(5), rough=False)[0] for p in (plain, rough)]
    np.testing.assert_array_equal(*quiet)
