"""Contrastive loss for weakly labelled segments (CLEWS, Serrà, Araz, Bogdanov & Mitsufuji 2025).

Two versions of a work are known to match, but not which of their windows do. With ``d`` the matrix of squared
distances between the windows of two performances:

    alignment   mean over pairs of one work of (mean of the best pairs of d, no window used twice)
    uniformity  log(epsilon + mean over pairs of different works of exp(-gamma * smallest of d))

and the loss is their sum. The authors leave embeddings free and divide squared distances by the dimension; ours are
unit vectors, whose squared distances are in [0, 4] undivided (that of vectors of norm sqrt(D), divided).
"""

from __future__ import annotations

import torch
from torch import Tensor, nn


class Clews(nn.Module):
    """The loss of this file.

    Parameters
    ----------
    windows : int
        Windows of a performance; they follow each other in the batch.
    pairs : int
        Best pairs taken (the authors take 5 of 7 windows); 1 <= ``pairs`` <= ``windows``.
    gamma : float
        How fast far negatives are forgotten.
    epsilon : float
        Floor under the uniformity: negatives that are far enough cost nothing.

    Raises
    ------
    ValueError
        When ``pairs`` is out of range.
    """

    def __init__(self, windows: int, pairs: int, gamma: float = 5.0, epsilon: float = 1e-6) -> None:
        super().__init__()
        if not 1 <= pairs <= windows:
            raise ValueError(f"{pairs} best pairs of {windows} windows; take from 1 to {windows}")
        self.windows, self.pairs, self.gamma, self.epsilon = windows, pairs, gamma, epsilon

    def forward(self, embeddings: Tensor, labels: Tensor) -> Tensor:
        """Unit embeddings (performances * windows, D) and their labels (performances * windows,) -> ()."""
        k, label = self.windows, labels[:: self.windows]
        count = len(label)
        distance = (2 - 2 * embeddings @ embeddings.T).clamp(min=0)
        distance = distance.reshape(count, k, count, k).transpose(1, 2)
        same = label[:, None] == label[None]
        itself = torch.eye(count, dtype=torch.bool, device=same.device)
        alignment = best_pairs(distance[same & ~itself], self.pairs).mean()
        nearest = distance[~same].amin((1, 2))
        return alignment + torch.log(self.epsilon + torch.exp(-self.gamma * nearest).mean())


def best_pairs(distance: Tensor, pairs: int) -> Tensor:
    """Mean of the ``pairs`` smallest entries, each alone in its row and column, found greedily; (m, k, k) -> (m,)."""
    m, k, _ = distance.shape
    left = distance.detach().clone()
    every = torch.arange(m, device=distance.device)
    total = distance.new_zeros(m)
    for _ in range(pairs):
        row, column = _divided(left.reshape(m, k * k).argmin(1), k)
        total = total + distance[every, row, column]
        left[every, row] = torch.inf
        left[every, :, column] = torch.inf
    return total / pairs


def _divided(index: Tensor, by: int) -> tuple[Tensor, Tensor]:
    """Quotient and remainder of whole numbers."""
    return torch.div(index, by, rounding_mode="floor"), index % by
