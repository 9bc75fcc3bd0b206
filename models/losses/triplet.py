"""Triplet loss with semi-hard mining on squared Euclidean distances (FaceNet), as in Zhao & Liu 2020."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional


class SemiHardTriplet(nn.Module):
    """For every pair of one work, the nearest negative that is still farther than the positive.

    Where no such negative exists the farthest one is taken, so that every pair gives one triplet.

    Parameters
    ----------
    margin : float
        Wanted gap between squared distances.
    """

    def __init__(self, margin: float = 0.2) -> None:
        super().__init__()
        self.margin = margin

    def forward(self, embeddings: Tensor, labels: Tensor) -> Tensor:
        """(n, D), (n,) -> ()."""
        distance = (2 - 2 * embeddings @ embeddings.T).clamp(min=0)
        same = labels[:, None] == labels[None]
        anchor, positive = torch.nonzero(same.triu(1) | same.tril(-1), as_tuple=True)
        near = distance[anchor, positive]
        others = distance[anchor].masked_fill(same[anchor], torch.inf)
        semi_hard = others.masked_fill(others <= near[:, None], torch.inf).amin(1)
        farthest = others.masked_fill(torch.isinf(others), -torch.inf).amax(1)
        negative = torch.where(torch.isinf(semi_hard), farthest, semi_hard)
        return functional.relu(near - negative + self.margin).mean()
