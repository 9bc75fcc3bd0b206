"""Classification over works with an angular margin: CosFace (Wang et al. 2018) and ArcFace (Deng et al. 2019)."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional

_EDGE = 1e-6


class AngularMargin(nn.Module):
    """Cross-entropy of ``scale * cos(angle to the class)``, made harder for the right class.

    The right class gets ``scale * (cos(angle + angle_margin) - margin)``: an embedding must be nearer to its own class
    than to any other by a margin, which a plain softmax does not ask for.

    Parameters
    ----------
    works : int
        Number of classes.
    dimension : int
        Length of an embedding.
    scale : float
        Multiplies the cosines.
    margin : float
        Taken off the cosine of the right class (CosFace).
    angle_margin : float
        Added to the angle of the right class, in radians (ArcFace).
    grow : int
        Batches over which both margins rise from zero. With all of it from the first batch on, a network learns the
        views that it is shown by heart before it has learned what they have in common.
    """

    calls: Tensor

    def __init__(
        self,
        works: int,
        dimension: int,
        scale: float = 24.0,
        margin: float = 0.2,
        angle_margin: float = 0.0,
        grow: int = 0,
    ) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.randn(works, dimension) * 0.1)
        self.scale, self.margin, self.angle_margin, self.grow = scale, margin, angle_margin, grow
        self.register_buffer("calls", torch.zeros((), dtype=torch.int64))

    def forward(self, embeddings: Tensor, labels: Tensor) -> Tensor:
        """Unit embeddings (n, D) and labels in [0, works), (n,) -> ()."""
        cosine = embeddings @ functional.normalize(self.weight, dim=1).T
        right = cosine.gather(1, labels[:, None])
        share = min(1.0, int(self.calls) / self.grow) if self.grow else 1.0
        if self.training:
            self.calls += 1
        harder = right - share * self.margin
        if self.angle_margin:
            # Beyond a half turn the angle cannot grow further.
            angle = torch.acos(right.clamp(_EDGE - 1, 1 - _EDGE)) + share * self.angle_margin
            harder = torch.cos(angle.clamp(max=torch.pi)) - share * self.margin
        return functional.cross_entropy(self.scale * cosine.scatter(1, labels[:, None], harder), labels)
