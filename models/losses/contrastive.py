"""Supervised contrastive loss (with two views a work: NT-Xent / InfoNCE), against batch and memory."""

from __future__ import annotations

import torch
from torch import Tensor, nn


class SupervisedContrastive(nn.Module):
    """Every view must find the other views of its work among all views of the batch and of recent batches.

    A catalogue holds tens of thousands of windows, a batch a hundred: the memory (cross-batch memory, Wang et al. 2020)
    keeps the latest embeddings as further negatives at the price of one small matrix product.

    Parameters
    ----------
    temperature : float
        Divides the cosine similarities.
    memory : int
        Embeddings remembered; 0 for the batch alone.
    dimension : int
        Length of an embedding.
    """

    past: Tensor
    past_labels: Tensor

    def __init__(self, temperature: float = 0.07, memory: int = 0, dimension: int = 128) -> None:
        super().__init__()
        self.temperature = temperature
        self.register_buffer("past", torch.zeros(memory, dimension))
        self.register_buffer("past_labels", torch.full((memory,), -1))

    def forward(self, embeddings: Tensor, labels: Tensor) -> Tensor:
        """Mean over views and over their positives of -log softmax similarity; (n, D), (n,) -> ()."""
        same = labels[:, None] == labels[None]
        itself = torch.eye(len(labels), dtype=torch.bool, device=labels.device)
        logits = (embeddings @ embeddings.T / self.temperature).masked_fill(itself, -1e4)
        log_share = logits - torch.logsumexp(torch.cat([logits, *self._remembered(embeddings, labels)], 1), 1, True)
        positive = (same & ~itself).float()
        if self.training:
            self._remember(embeddings.detach(), labels)
        return -((log_share * positive).sum(1) / positive.sum(1).clamp(min=1)).mean()

    def _remembered(self, embeddings: Tensor, labels: Tensor) -> list[Tensor]:
        """Logits against the memory, (n, memory); other views of the same works are left out."""
        if not len(self.past):
            return []
        usable = (self.past_labels[None] != labels[:, None]) & (self.past_labels[None] >= 0)
        return [(embeddings @ self.past.T / self.temperature).masked_fill(~usable, -1e4)]

    def _remember(self, embeddings: Tensor, labels: Tensor) -> None:
        if len(self.past):
            keep = max(0, len(self.past) - len(labels))
            self.past = torch.cat([embeddings, self.past[:keep]])[: len(self.past)]
            self.past_labels = torch.cat([labels, self.past_labels[:keep]])[: len(self.past)]
