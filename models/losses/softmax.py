"""Plain classification over works: the pre-training of Zhao & Liu 2020."""

from __future__ import annotations

from torch import Tensor, nn
from torch.nn import functional


class WorkSoftmax(nn.Module):
    """Softmax and cross-entropy of a linear classification layer, which stands where the embedding layer will be.

    Parameters
    ----------
    works : int
        Number of classes.
    features : int
        Length of the features that the embedding layer would read.
    """

    on_features = True

    def __init__(self, works: int, features: int) -> None:
        super().__init__()
        self.classes = nn.Linear(features, works)

    def forward(self, features: Tensor, labels: Tensor) -> Tensor:
        """Features, not embeddings, (n, F), and labels in [0, works), (n,) -> ()."""
        return functional.cross_entropy(self.classes(features), labels)
