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
    """

    def __init__(
        self, works: int, dimension: int, scale: float = 24.0, margin: float = 0.2, angle_margin: float = 0.0
    ) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.randn(works, dimension) * 0.1)
        self.scale, self.margin, self.angle_margin = scale, margin, angle_margin

    def forward(self, embeddings: Tensor, labels: Tensor) -> Tensor:
        """Unit embeddings (n, D) and labels in [0, works), (n,) -> ()."""
        cosine = embeddings @ functional.normalize(self.weight, dim=1).T
        right = cosine.gather(1, labels[:, None])
        harder = right - self.margin
        if self.angle_margin:
            # Beyond a half turn the angle cannot grow further.
            angle = torch.acos(right.clamp(_EDGE - 1, 1 - _EDGE)) + self.angle_margin
            harder = torch.cos(angle.clamp(max=torch.pi)) - self.margin
        return functional.cross_entropy(self.scale * cosine.scatter(1, labels[:, None], harder), labels)
