"""Supervised contrastive loss (with two views a work: NT-Xent / InfoNCE)."""

from __future__ import annotations

import torch
from torch import Tensor, nn


class SupervisedContrastive(nn.Module):
    """Every view must find the other views of its work among all views of the batch.

    Parameters
    ----------
    temperature : float
        Divides the cosine similarities.
    """

    def __init__(self, temperature: float = 0.07) -> None:
        super().__init__()
        self.temperature = temperature

    def forward(self, embeddings: Tensor, labels: Tensor) -> Tensor:
        """Mean over views and over their positives of -log softmax similarity; (n, D), (n,) -> ()."""
        same = labels[:, None] == labels[None]
        itself = torch.eye(len(labels), dtype=torch.bool, device=labels.device)
        logits = (embeddings @ embeddings.T / self.temperature).masked_fill(itself, -1e4)
        log_share = logits - torch.logsumexp(logits, 1, keepdim=True)
        positive = (same & ~itself).float()
        return -((log_share * positive).sum(1) / positive.sum(1).clamp(min=1)).mean()
