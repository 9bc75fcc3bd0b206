"""Frames of a passage must find the same moment of another performance, as an alignment looks for it."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor, nn

from models.nets.embedding import CLASSES

_NEAR, _FAR = 2, 8  # frames beside the line that are still right, and from where on they are wrong
_NEVER = -9.0  # below any cosine
_APART = 3  # rows between a work and the next that it is compared with: neighbours share their band's sound


@dataclass(frozen=True, slots=True)
class Found:
    """What frames found, tensors of shape (pairs, frames) but for the last.

    The cosine with the right moment, whether that moment is in the second view at all, and cosines with wrong moments,
    (pairs, frames, wrong).
    """

    right: Tensor
    there: Tensor
    wrong: Tensor


class AlignmentLoss(nn.Module):
    """InfoNCE over frames, stacked and normed as `recognizer.align` does it.

    A frame of the first view, with the ``stack`` - 1 after it, must be nearer to the moment of the second view that the
    line of time says than to other moments of that view and to other works, in the transposition in which the two views
    agree best along the line.

    Parameters
    ----------
    temperature : float
        Divides the cosine similarities.
    strangers : int
        Other works of the batch to be told from.
    stack : int
        Frames compared together.
    """

    def __init__(self, temperature: float = 0.08, strangers: int = 6, stack: int = 8) -> None:
        super().__init__()
        self.temperature, self.strangers, self.stack = temperature, strangers, stack

    def forward(self, first: Tensor, second: Tensor, line: Tensor) -> Tensor:
        """Mean loss of all frames whose moment is there.

        Parameters
        ----------
        first, second : shape (pairs, frames, 12)
            Sequences of two views of each work.
        line : shape (pairs, 2)
            Slope, and frames by which the middle of the second view is late.
        """
        return self.lost(self.find(first, second, line))

    def lost(self, found: Found) -> Tensor:
        """The same of what `find` found."""
        all_ = torch.cat([found.right[:, :, None], found.wrong], 2) / self.temperature
        lost = torch.logsumexp(all_, 2) - found.right / self.temperature
        return (lost * found.there).sum() / found.there.sum().clamp(min=1)

    def find(self, first: Tensor, second: Tensor, line: Tensor) -> Found:
        """Compare every frame; arguments as those of `forward`."""
        pairs, frames, _ = first.shape
        count = frames - self.stack + 1
        a, b = _unit(first), _unit(second)
        stacked = self._stacked(b)
        place = self._places(line, frames)
        there = (place >= _NEAR) & (place < count - _NEAR)
        place = place.clamp(_NEAR, count - 1 - _NEAR)
        with torch.no_grad():
            moment = stacked[torch.arange(pairs, device=a.device)[:, None], place]
            agree = [((self._stacked(a.roll(-k, 2)) * moment).sum(2) * there).sum(1) for k in range(CLASSES)]
            rotation = torch.stack(agree).argmax(0)
        classes = (torch.arange(CLASSES, device=a.device) + rotation[:, None]) % CLASSES
        asked = self._stacked(torch.gather(a, 2, classes[:, None].expand(-1, frames, -1)))
        cosine = torch.bmm(asked, stacked.transpose(1, 2))
        beside = (torch.arange(count, device=a.device) - place[:, :, None]).abs()
        right = cosine.masked_fill(beside > _NEAR, _NEVER).amax(2)
        wrong = [cosine.masked_fill(beside < _FAR, _NEVER)]
        for k in range(1, self.strangers + 1):
            wrong.append(torch.bmm(asked, stacked.roll(_APART * k + 1, 0).transpose(1, 2)))
        return Found(right, there, torch.cat(wrong, 2))

    def _places(self, line: Tensor, frames: int) -> Tensor:
        """For every stacked frame of the first view the one of the second at the same moment, (pairs, count)."""
        middle = (frames - self.stack) / 2  # of a view, counted in stacked frames
        after = torch.arange(frames - self.stack + 1, device=line.device)[None] - middle
        return torch.round(line[:, :1] * after + line[:, 1:] + middle).long()

    def _stacked(self, frames: Tensor) -> Tensor:
        """(pairs, n, 12) -> (pairs, n - stack + 1, 12 * stack), unit norm where all of its frames have it."""
        count = frames.shape[1] - self.stack + 1
        return torch.cat([frames[:, k : k + count] for k in range(self.stack)], 2) / self.stack**0.5


def _unit(sequence: Tensor) -> Tensor:
    """Frames at unit norm about their mean."""
    centred = sequence - sequence.mean(2, keepdim=True)
    return centred / centred.norm(dim=2, keepdim=True).clamp(min=1e-3)
