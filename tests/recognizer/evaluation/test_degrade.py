"""Damage does what its name says, the same way every time, to audio only."""

from __future__ import annotations

import numpy as np
import pytest

from recognizer.errors import UsageError
from recognizer.evaluation.alteration import Alteration, altered
from recognizer.evaluation.degrade import degrade
from tests.audio_samples import tune

RATE_HZ = 16_000
SONG = (20_000 * tune(6, seed=1, rate_hz=RATE_HZ)).astype(np.int16)


def power(audio: object) -> float:
    return float(np.mean(np.asarray(audio, dtype=np.float64) ** 2))


@pytest.mark.parametrize("kinds", [("noise10",), ("room",), ("band",), ("room", "noise-3", "band")])
def test_seeded_and_at_the_same_level(kinds: tuple[str, ...]) -> None:
    one, again, other = (degrade(SONG, RATE_HZ, kinds, seed) for seed in (1, 1, 2))
    assert one.dtype == np.int16 and one.shape == SONG.shape
    assert np.array_equal(one, again) and not np.array_equal(one, SONG)
    assert np.array_equal(one, other) == (kinds == ("band",))  # nothing is drawn for it
    assert power(one) == pytest.approx(power(SONG), rel=0.02)


def test_noise_is_as_loud_as_its_name_says() -> None:
    noisy = degrade(SONG, RATE_HZ, ("noise10",), 3).astype(np.float64)
    clean = SONG.astype(np.float64)
    gain = float(noisy @ clean / (clean @ clean))  # the song's share in the mixture
    snr_db = 10 * np.log10(power(gain * clean) / power(noisy - gain * clean))
    assert snr_db == pytest.approx(10, abs=0.3)


def test_a_telephone_s_band() -> None:
    spectrum = np.abs(np.fft.rfft(degrade(SONG, RATE_HZ, ("band",), 0).astype(np.float64))) ** 2
    frequency_hz = np.fft.rfftfreq(len(SONG), 1 / RATE_HZ)
    outside = spectrum[(frequency_hz < 240) | (frequency_hz > 3_500)].sum()
    assert outside < 0.001 * spectrum.sum()


def test_a_room_rings_on() -> None:
    click = np.zeros(RATE_HZ, dtype=np.int16)
    click[100] = 30_000
    heard = degrade(click, RATE_HZ, ("room",), 1).astype(np.float64)
    assert power(heard[:100]) == 0
    early, late, gone = (power(heard[100 + s : 1_700 + s]) for s in (80, 4_000, 9_700))
    assert early > 10 * late > 0 and gone == 0


def test_silence_and_nothing_stay_what_they_are() -> None:
    silence = np.zeros(1_000, dtype=np.int16)
    assert np.array_equal(degrade(silence, RATE_HZ, ("noise10", "room", "band"), 0), silence)
    assert len(degrade(silence[:0], RATE_HZ, ("room",), 0)) == 0


@pytest.mark.parametrize("kind", ["noise", "noise1000", "Room", "", "band;rm"])
def test_unknown_damage_is_refused(kind: str) -> None:
    with pytest.raises(UsageError, match="expected noise10"):
        Alteration(degrade=(kind,))


def test_an_excerpt_comes_from_the_middle_however_the_blocks_were_cut() -> None:
    pcm = np.arange(1_000, dtype=np.int16)
    for cuts in ([], [1, 500, 501], list(range(0, 1_000, 7))):
        (found,) = altered(np.split(pcm, cuts), 100, Alteration(4.0), 0)
        assert np.array_equal(found, pcm[300:700])
    (whole,) = altered([pcm], 100, Alteration(60.0), 0)
    assert np.array_equal(whole, pcm)
    assert list(altered([], 100, Alteration(4.0), 0)) == []


def test_labels_and_json() -> None:
    how = Alteration(30.0, ("noise10", "room"))
    assert how.label == "30s-noise10-room" and Alteration().label == "whole"
    assert Alteration.from_json(how.to_json()) == how
    blocks = [np.arange(5, dtype=np.int16), np.arange(3, dtype=np.int16)]
    assert [block.tolist() for block in altered(blocks, 100, Alteration(), 0)] == [b.tolist() for b in blocks]
