"""Classification over works: plain softmax (the paper's pre-training) or with an angular margin (CosFace)."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional


class WorkSoftmax(nn.Module):
    """Cross-entropy of cosine logits over all training works.

    Parameters
    ----------
    works : int
        Number of classes.
    dimension : int
        Length of the embedding.
    scale : float
        Multiplies the cosines.
    margin : float
        Taken off the cosine of the right class; 0 is a plain normalised softmax.
    """

    def __init__(self, works: int, dimension: int, scale: float = 24.0, margin: float = 0.0) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.randn(works, dimension) * 0.1)
        self.scale, self.margin = scale, margin

    def forward(self, embeddings: Tensor, labels: Tensor) -> Tensor:
        """(n, D), (n,) -> ()."""
        cosine = embeddings @ functional.normalize(self.weight, dim=1).T
        right = functional.one_hot(labels, len(self.weight)).to(cosine.dtype)
        return functional.cross_entropy(self.scale * (cosine - self.margin * right), labels)
