"""Model v0 does what its contract and its idea promise."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
import pytest

from models.baseline.embedding import kept_frequencies
from recognizer.contract import ModelContract
from recognizer.embedder import Embedder
from recognizer.released import baseline_model_path
from recognizer.step import StepInput, StepOutput

Audio = npt.NDArray[np.float32]
TUNE = (0, 4, 7, 12, 11, 7, 9, 5, 2, 7, 4, 0, -1, 2, 5, 4, 7, 9, 12, 0)


@pytest.fixture(scope="module")
def embedder() -> Embedder:
    return Embedder(baseline_model_path())


def window_samples(contract: ModelContract) -> int:
    return 2 * contract.context_samples + contract.window_steps * contract.step_samples


def tune(contract: ModelContract, semitones: float, notes: tuple[int, ...] = TUNE) -> Audio:
    """Notes of one second with four harmonics over a drone, the whole window long."""
    rate = contract.sample_rate_hz
    time_s = np.arange(window_samples(contract)) / rate
    step = np.minimum((time_s + 0.25).astype(int), 10_000)
    pitch = np.array(notes)[step % len(notes)] + semitones
    audio = np.zeros_like(time_s)
    for pitches, level in ((pitch, 0.2), (np.full_like(time_s, semitones - 12), 0.1)):
        phase = 2 * np.pi * np.cumsum(261.63 * 2 ** (pitches / 12)) / rate
        audio += level * sum(np.sin(k * phase) / k for k in (1, 2, 3, 4))
    return audio.astype(np.float32)


def whole(embedder: Embedder, audio: Audio) -> StepOutput:
    return embedder.run([StepInput(0, audio, np.zeros((0, embedder.contract.feature_dim), np.float32))])[0]


def stepwise(embedder: Embedder, audio: Audio) -> tuple[list[StepOutput], Audio]:
    contract = embedder.contract
    past = np.zeros((contract.past_frames, contract.feature_dim), np.float32)
    outputs = []
    for i in range(contract.window_steps):
        start = i * contract.step_samples
        pcm = audio[start : start + contract.step_samples + 2 * contract.context_samples]
        outputs.append(embedder.run([StepInput(start, pcm, past)])[0])
        past = np.concatenate([past, outputs[-1].features])[-contract.past_frames :]
    return outputs, np.concatenate([o.features for o in outputs])


def test_a_window_at_once_equals_its_steps_one_by_one(embedder: Embedder) -> None:
    audio = tune(embedder.contract, 0) + np.random.default_rng(1).normal(
        scale=0.01, size=window_samples(embedder.contract)
    ).astype(np.float32)
    at_once = whole(embedder, audio)
    outputs, features = stepwise(embedder, audio)
    np.testing.assert_allclose(features, at_once.features, atol=1e-5)
    np.testing.assert_allclose(np.concatenate([o.pitch for o in outputs]), at_once.pitch, atol=1e-5)
    np.testing.assert_allclose(outputs[-1].embedding, at_once.embedding, atol=1e-5)


@pytest.mark.parametrize("semitones", [-6, -5, -3, -1, 1, 2, 4, 6])
def test_transposition_rotates_the_pitch_and_keeps_the_embedding(embedder: Embedder, semitones: int) -> None:
    original = whole(embedder, tune(embedder.contract, 0))
    moved = whole(embedder, tune(embedder.contract, semitones))
    other = whole(embedder, tune(embedder.contract, 0, notes=(0, 0, 3, 3, 8, 8, 10, 10, 5, 5, 1, 1)))
    same = float(original.embedding @ moved.embedding)
    assert same > 0.97
    assert same > float(original.embedding @ other.embedding) + 0.1
    fits = [float((np.roll(original.pitch, k, axis=1) * moved.pitch).sum()) for k in range(12)]
    assert int(np.argmax(fits)) == semitones % 12


@pytest.mark.parametrize("cents", [-30, 30])
def test_detuning_keeps_the_key(embedder: Embedder, cents: int) -> None:
    original = whole(embedder, tune(embedder.contract, 0))
    moved = whole(embedder, tune(embedder.contract, cents / 100))
    fits = [float((np.roll(original.pitch, k, axis=1) * moved.pitch).sum()) for k in range(12)]
    assert int(np.argmax(fits)) == 0
    assert float(original.embedding @ moved.embedding) > 0.9


def test_a_tone_lands_in_its_pitch_class(embedder: Embedder) -> None:
    time_s = np.arange(window_samples(embedder.contract)) / embedder.contract.sample_rate_hz
    for pitch_class, hz in ((0, 65.41), (9, 440.0), (4, 1318.51), (11, 3951.07)):
        pitch = whole(embedder, (0.1 * np.sin(2 * np.pi * hz * time_s)).astype(np.float32)).pitch
        assert (pitch.argmax(axis=1) == pitch_class).all()
        assert (pitch[:, pitch_class] > 3 * np.delete(pitch, pitch_class, axis=1).max(axis=1)).all()


def test_events_are_placed_in_their_frame(embedder: Embedder) -> None:
    contract = embedder.contract
    audio = np.zeros(window_samples(contract), np.float32)
    start = contract.context_samples + 3 * contract.step_samples
    time_s = np.arange(contract.step_samples) / contract.sample_rate_hz
    audio[start : start + len(time_s)] = 0.2 * np.sin(2 * np.pi * 880.0 * time_s)
    loud = np.flatnonzero(whole(embedder, audio).pitch[:, 9] > 0.5)
    first = 3 * contract.frames_per_step
    assert set(range(first, first + contract.frames_per_step)) <= set(loud.tolist())
    assert len(loud) <= contract.frames_per_step + 2


@pytest.mark.parametrize("level", [0.0, 1 / 32768])
def test_silence_and_dither_are_zero(embedder: Embedder, level: float) -> None:
    noise = np.random.default_rng(2).uniform(-level, level, window_samples(embedder.contract)).astype(np.float32)
    output = whole(embedder, noise)
    assert not output.features.any()
    assert not output.pitch.any()
    assert not output.embedding.any()


def test_level_hardly_matters(embedder: Embedder) -> None:
    loud = whole(embedder, tune(embedder.contract, 0))
    quiet = whole(embedder, 0.03 * tune(embedder.contract, 0))
    assert float(loud.embedding @ quiet.embedding) > 0.99


def test_embedding_has_unit_norm_and_the_promised_length(embedder: Embedder) -> None:
    embedding = whole(embedder, tune(embedder.contract, 0)).embedding
    assert embedding.shape == (len(kept_frequencies()),) == (embedder.contract.dimension,)
    assert np.linalg.norm(embedding) == pytest.approx(1.0, abs=1e-5)


def test_the_kept_frequencies_hold_no_mirror_image_twice() -> None:
    kept = kept_frequencies()
    assert len(set(kept)) == len(kept) <= 512
    mirrored = {(-pitch % 12, -time) for pitch, time in kept}
    assert not mirrored & set(kept) - {(p, t) for p, t in kept if (-p % 12, -t) == (p, t)}
