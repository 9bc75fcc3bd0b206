"""How the learning rate falls and how the weights are averaged."""

from __future__ import annotations

import copy
import math
from typing import TypeVar

import torch
from torch import Tensor, nn

from models.settings import Schedule

Net = TypeVar("Net", bound=nn.Module)


def learning_rate(schedule: Schedule, step: int) -> float:
    """Rate at a step: a linear rise, then a half cosine down to the last rate."""
    if step < schedule.warmup:
        return schedule.rate * (step + 1) / schedule.warmup
    share = (step - schedule.warmup) / max(1, schedule.steps - schedule.warmup)
    return schedule.last_rate + (schedule.rate - schedule.last_rate) * 0.5 * (1 + math.cos(math.pi * min(share, 1.0)))


class Average:
    """Exponential running mean of a network's weights and statistics.

    Parameters
    ----------
    decay : float
        Weight of the past; it starts low and rises to this, so that the random beginning is soon forgotten.
    """

    def __init__(self, net: nn.Module, decay: float) -> None:
        self.decay = decay
        self.updates = 0
        self.state: dict[str, Tensor] = {k: v.detach().clone() for k, v in net.state_dict().items()}

    def update(self, net: nn.Module) -> None:
        """Take one more step of the network in."""
        self.updates += 1
        decay = min(self.decay, (1 + self.updates) / (10 + self.updates))
        with torch.no_grad():
            for key, value in net.state_dict().items():
                if value.dtype.is_floating_point:
                    self.state[key].lerp_(value, 1 - decay)
                else:
                    self.state[key].copy_(value)

    def into(self, net: Net) -> Net:
        """A copy of ``net`` with the averaged weights, ready for inference."""
        copied = copy.deepcopy(net)
        copied.load_state_dict(self.state)
        return copied.eval()
