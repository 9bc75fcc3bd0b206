"""A fixed input and the model's outputs for it, to notice when a runtime or a machine computes something else."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from recognizer.contract import ModelContract
from recognizer.embedder import Embedder
from recognizer.step import StepInput

STEPS = 2
SEED = 20
NOTES = 40


def golden_input(contract: ModelContract) -> tuple[npt.NDArray[np.int16], npt.NDArray[np.float32]]:
    """Decaying harmonic notes at random times in faint noise, and a random past.

    Returns
    -------
    pcm : int16 array, shape (context + STEPS * step + context,)
    past : float32 array, shape (window_frames - STEPS * frames_per_step, feature_dim)
    """
    random = np.random.default_rng(SEED)
    samples = 2 * contract.context_samples + STEPS * contract.step_samples
    time_s = np.arange(samples) / contract.sample_rate_hz
    audio = random.normal(scale=1e-3, size=samples)
    for start_s, semitone in zip(random.uniform(0, time_s[-1], NOTES), random.integers(-30, 24, NOTES), strict=True):
        age_s = np.maximum(time_s - start_s, 0.0)
        hz = 440.0 * 2.0 ** (semitone / 12)
        note = sum(np.sin(2 * np.pi * k * hz * age_s) / k for k in (1, 2, 3))
        audio += 0.1 * note * np.exp(-3.0 * age_s) * (time_s >= start_s)
    pcm = np.round(np.clip(audio, -1.0, 1.0) * 32767).astype(np.int16)
    frames = contract.window_frames - STEPS * contract.frames_per_step
    past = random.uniform(0.0, 0.6, size=(frames, contract.feature_dim)).astype(np.float32)
    return pcm, past


def golden_step(pcm: npt.NDArray[np.int16], past: npt.NDArray[np.float32]) -> StepInput:
    """The input as the embedder takes it."""
    return StepInput(0, pcm.astype(np.float32) / 32768.0, past)


def write_golden(model: Path, path: Path) -> None:
    """Store the input and the outputs of ``model`` as ``.npz``."""
    embedder = Embedder(model)
    pcm, past = golden_input(embedder.contract)
    output = embedder.run([golden_step(pcm, past)])[0]
    path.parent.mkdir(parents=True, exist_ok=True)
    kept: dict[str, npt.NDArray[Any]] = {"pcm": pcm, "past": past, "model_id": np.array(embedder.model_id)}
    kept |= {name: value for name, value in asdict(output).items() if value is not None}
    np.savez_compressed(path, allow_pickle=False, **kept)
