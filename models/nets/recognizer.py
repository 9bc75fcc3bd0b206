"""The whole network as the contract wants it: PCM and past features in; features, pitch and embedding out."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from models.nets.embedding import CLASSES, OCTAVES, EmbeddingConfig, EmbeddingNet
from models.nets.salience import SalienceConfig, SalienceNet
from recognizer.contract import ModelContract

WINDOW_STEPS = 10
INDEX_HOP_STEPS = 2
STEP_SAMPLES = 32000
FRAMES_PER_STEP = 16
PITCH_FRAMES_PER_STEP = 8
RECENT_STEPS = 5
OCTAVE_WEIGHTS = (0.01, 0.03, 0.5, 1.0, 1.0, 1.0, 1.0)
"""What the octaves, from C1 up, count in the pitch sequence.

A cover keeps the tune and changes what is below it. Without the octaves below C3, the right reference of real
recordings aligns better in five of six sets (chosen on half of their works). They do not count nothing: frames are
compared at equal norm, so that a deep voice alone is still heard.
"""


class RecognizerNet(nn.Module):
    """Front end and embedding in a row.

    The features kept between steps are the salience itself, 84 bins at 8 frames/s. The pitch sequence is that salience
    summed over octaves, low ones counting little, its square root taken (quiet notes count for the alignment), at 4
    frames/s. The window's end alone is embedded as a window of half the length.
    """

    octave_weights: Tensor

    def __init__(self, front: SalienceNet, embedding: EmbeddingNet) -> None:
        super().__init__()
        self.front = front
        self.embedding = embedding
        weights = torch.tensor(OCTAVE_WEIGHTS)[:, None]
        self.register_buffer("octave_weights", weights, persistent=False)

    def forward(self, pcm: Tensor, past: Tensor) -> tuple[Tensor, Tensor, Tensor, Tensor]:
        """Shapes as in `recognizer.contract`."""
        features = torch.sigmoid(self.front(pcm))
        pairs = torch.unflatten(features, 1, (-1, FRAMES_PER_STEP // PITCH_FRAMES_PER_STEP)).mean(2)
        pitch = (torch.unflatten(pairs, 2, (OCTAVES, CLASSES)) * self.octave_weights).sum(2).sqrt()
        window = torch.cat([past, features], 1)
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
