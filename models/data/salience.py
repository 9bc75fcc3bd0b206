"""What an exported model's front end hears in a recording, from beginning to end."""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np

from models.data.hear import BINS, Roll
from recognizer.embedder import Embedder
from recognizer.reference import embedded_steps
from recognizer.timeline import Pcm16, opening

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
    most = opening(blocks, _MOST_S * contract.sample_rate_hz)
    heard = [step.output.features for step in embedded_steps(most, embedder)]
    return np.concatenate(heard) if heard else np.zeros((0, BINS), np.float32)
