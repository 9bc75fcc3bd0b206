"""Front end and embedding as one network that is trained by ear: spectra in, salience and embeddings out."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import torch
from torch import Tensor, nn

from models.nets.embedding import EmbeddingConfig, EmbeddingNet
from models.nets.salience import SalienceConfig, SalienceNet


class Ears(nn.Module):
    """Both nets side by side, as `models.nets.recognizer.RecognizerNet` chains them.

    The front end comes trained: its batch norms keep the statistics that they have, and learn only their scale.
    """

    def __init__(self, front: SalienceConfig, embedding: EmbeddingConfig) -> None:
        super().__init__()
        self.front = SalienceNet(front)
        self.embedding = EmbeddingNet(embedding)

    def train(self, mode: bool = True) -> Ears:
        """Training mode for the embedding, but not for the front end's norms."""
        super().train(mode)
        self.front.train(False)
        return self

    def forward(self, power: Tensor) -> tuple[Tensor, Tensor]:
        """Log power (B, frames, bins) -> logits and salience in (0, 1), both (B, frames of the salience, 84)."""
        logits = self.front.hear(power)
        return logits, torch.sigmoid(logits.float())


def read_front(checkpoint: Path) -> SalienceNet:
    """The front end of a checkpoint, alone or beside other parts, with averaged weights, ready for inference."""
    state = torch.load(checkpoint, weights_only=True, map_location="cpu")
    front = SalienceNet(SalienceConfig(width=int(state["width"])))
    front.load_state_dict(part_of(state["average"], "front."))
    return front.eval()


def part_of(weights: Mapping[str, Tensor], prefix: str) -> dict[str, Tensor]:
    """Weights of one part (``front.`` or ``embedding.``) where a checkpoint holds several, else all."""
    part = {name.removeprefix(prefix): weight for name, weight in weights.items() if name.startswith(prefix)}
    return part or dict(weights)
