"""What an exported model's front end hears in a recording, from beginning to end."""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np

from models.data.hear import BINS, Roll
from recognizer.embedder import Embedder
from recognizer.reference import PastFeatures
from recognizer.step import StepInput
from recognizer.timeline import Pcm16
from recognizer.windower import Step, Windower

_MOST_S = 900


def features(blocks: Iterable[Pcm16], embedder: Embedder) -> Roll:
    """Salience of mono audio at the model's rate, float32 (frames, BINS); a quarter of an hour at most.

    Raises
    ------
    ValueError
        When the model's features are not salience.
    """
    contract = embedder.contract
    if contract.feature_dim != BINS:
        raise ValueError(f"the model keeps {contract.feature_dim} features a frame, expected {BINS} bins of salience")
    windower = Windower(contract.step_samples, contract.context_samples)
    past = PastFeatures(contract)
    heard: list[Roll] = []

    def add(step: Step) -> None:
        heard.append(embedder.run([StepInput(step.start_sample, step.pcm, past.frames)])[0].features)

    samples = 0
    for block in blocks:
        windower.push(block, samples)
        samples += len(block)
        while (step := windower.pop()) is not None:
            add(step)
        if samples > _MOST_S * contract.sample_rate_hz:
            break
    for step in windower.flush():
        add(step)
    return np.concatenate(heard) if heard else np.zeros((0, BINS), np.float32)
