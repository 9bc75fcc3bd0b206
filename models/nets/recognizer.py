"""The whole network as the contract wants it: PCM and past features in; features, pitch and embedding out."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from models.nets.embedding import CLASSES, OCTAVES, EmbeddingConfig, EmbeddingNet
from models.nets.salience import SalienceConfig, SalienceNet
from models.nets.sequence import FRAMES_PER_FRAME, SequenceConfig, SequenceNet, beginning
from recognizer.contract import ModelContract

WINDOW_STEPS = 10
INDEX_HOP_STEPS = 2
STEP_SAMPLES = 32000
FRAMES_PER_STEP = 16
PITCH_FRAMES_PER_STEP = FRAMES_PER_STEP // FRAMES_PER_FRAME
RECENT_STEPS = 5


class RecognizerNet(nn.Module):
    """Front end, embedding and pitch sequence side by side.

    The features kept between steps are the salience itself, 84 bins at 8 frames/s; the pitch sequence is made of it at
    4 frames/s. The window's end alone is embedded as a window of half the length.
    """

    def __init__(self, front: SalienceNet, embedding: EmbeddingNet, sequence: SequenceNet | None = None) -> None:
        super().__init__()
        self.front = front
        self.embedding = embedding
        self.sequence = SequenceNet(SequenceConfig()) if sequence is None else sequence

    def forward(self, pcm: Tensor, past: Tensor) -> tuple[Tensor, Tensor, Tensor, Tensor]:
        """Shapes as in `recognizer.contract`."""
        features = torch.sigmoid(self.front(pcm))
        window = torch.cat([past, features], 1)
        # Of the past, what the sequence looks back to; before the window there is silence.
        pitch = self.sequence(beginning(window)[:, past.shape[1] :])
        return features, pitch, self.embedding(window), self.embedding(window[:, -RECENT_STEPS * FRAMES_PER_STEP :])


def contract(name: str, front: SalienceConfig, embedding: EmbeddingConfig) -> ModelContract:
    """What callers of this network must know."""
    return ModelContract(
        name=name,
        sample_rate_hz=16000,
        step_samples=STEP_SAMPLES,
        context_samples=front.context_samples,
        window_steps=WINDOW_STEPS,
        index_hop_steps=INDEX_HOP_STEPS,
        frames_per_step=FRAMES_PER_STEP,
        feature_dim=OCTAVES * CLASSES,
        pitch_frames_per_step=PITCH_FRAMES_PER_STEP,
        pitch_bins=CLASSES,
        dimension=embedding.dimension,
        recent_steps=RECENT_STEPS,
        calibration={},
    )
