"""Renders, hummed queries and training chunks: pitch truth and sound at the same place."""

from __future__ import annotations

import shutil
from pathlib import Path

import numpy as np
import pytest

from models.data.arrange import Notes
from models.data.distil import PIECE_S, RATE_HZ, Piece, write_shard
from models.data.hear import BINS, FPS
from models.data.pieces import Pieces, roughened, teacher_level
from models.data.render import render
from models.data.ultrastar import hum, read_song

SOUNDFONT = Path("/usr/share/sounds/sf2/TimGM6mb.sf2")


def peak_hz(pcm: np.ndarray, rate_hz: int) -> float:
    spectrum = np.abs(np.fft.rfft(pcm * np.hanning(len(pcm))))
    return float(np.fft.rfftfreq(len(pcm), 1 / rate_hz)[spectrum.argmax()])


@pytest.mark.skipif(
    not (SOUNDFONT.exists() and shutil.which("fluidsynth")), reason="fluidsynth or its timgm6mb soundfont is missing"
)
def test_a_rendered_note_sounds_at_its_time_and_pitch() -> None:
    notes = Notes.of([1.0], 1.0, [69], 1.0, 1.0)
    pcm = render(notes, 3.0, SOUNDFONT, 16000, np.random.default_rng(0), None, programs=(73, 0, 32))
    assert pcm.shape == (48000,)
    assert np.abs(pcm[:15000]).max() < 0.02 * np.abs(pcm).max()
    assert peak_hz(pcm[19000:30000], 16000) == pytest.approx(440, rel=0.01)


def test_a_song_is_read_in_seconds(tmp_path: Path) -> None:
    path = tmp_path / "song.txt"
    path.write_text("#TITLE:x\n#BPM:300,0\n#GAP:2000\n: 0 4 4 la\n- 6\n* 20 10 -3 li\n: 32 2 0 lu\nE\n")
    notes = read_song(path)
    np.testing.assert_allclose(notes.onset, [2.0, 3.0, 3.6])
    np.testing.assert_allclose(notes.duration, [0.2, 0.5, 0.1])
    np.testing.assert_allclose(notes.pitch, [64, 57, 60])
    (tmp_path / "none.txt").write_text("#TITLE:x\n: 0 1 2 la\n")
    with pytest.raises(ValueError, match="none.txt"):
        read_song(tmp_path / "none.txt")


def test_a_hummed_note_has_its_pitch() -> None:
    pcm = hum(Notes.of([0.2, 1.2], 0.9, [57, 64], 1.0, 1.0), 2.5, 16000, np.random.default_rng(1))
    for start, midi in ((0.4, 57), (1.4, 64)):
        hertz = peak_hz(pcm[int(start * 16000) : int((start + 0.6) * 16000)], 16000)
        assert abs(12 * np.log2(hertz / 440) + 69 - midi) < 0.7


def shard(path: Path, known: bool) -> None:
    """A piece whose sound is a click at the start of frame 100 and whose target is that frame."""
    pcm = np.zeros(int(PIECE_S * RATE_HZ), np.int16)
    pcm[100 * RATE_HZ // FPS] = 32000
    target = np.zeros((int(PIECE_S * FPS), BINS), np.float16)
    target[100, 5] = 1.0
    write_shard(path, [Piece(pcm, np.full_like(target, 0.1), target, known)])


def test_chunks_keep_sound_and_target_together(tmp_path: Path) -> None:
    shard(tmp_path / "a.npz", known=True)
    pieces = Pieces([tmp_path / "a.npz"], truth_share=1.0)
    seen = 0
    for seed in range(60):
        audio, target = pieces.batch(1, 40, 16000, RATE_HZ, np.random.default_rng(seed), rough=False)
        click = np.flatnonzero(audio[0])
        if target.any():
            frame = int(np.argwhere(target[0])[0][0])
            assert click.tolist() == [16000 + frame * RATE_HZ // FPS]
            seen += 1
    assert seen > 5


def test_unknown_truth_is_not_believed(tmp_path: Path) -> None:
    shard(tmp_path / "a.npz", known=False)
    assert not Pieces([tmp_path / "a.npz"], truth_share=1.0).target.any()


def test_roughening_keeps_length_and_bounds_and_teacher_levels_span_the_range() -> None:
    rng = np.random.default_rng(0)
    tone = (0.5 * np.sin(np.arange(32000) * 0.1)).astype(np.float32)
    for _ in range(20):
        out = roughened(tone, rng)
        assert out.shape == tone.shape
        assert out.dtype == np.float32
        assert np.abs(out).max() <= 1
    np.testing.assert_allclose(teacher_level(np.array([0.05, 0.12, 0.41, 0.70, 0.9])), [0, 0, 0.5, 1, 1], atol=1e-6)
