"""The stage that teaches the pitch sequence what counts when two performances are aligned."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from models.data.hear import FPS
from models.heard.aligned import Aligned
from models.heard.pairs_file import HELD_OUT, TRAIN, read_pairs
from models.losses.alignment import AlignmentLoss, Found
from models.nets.sequence import FRAMES_PER_FRAME, SequenceConfig, SequenceNet, beginning
from models.settings import Settings, SettingsError
from models.stage import Trainee


class SequenceTrainee(Trainee):
    """The sequence under the alignment loss."""

    loss: AlignmentLoss

    def forward(self, salience: Tensor, line: Tensor) -> Tensor:
        """Loss of a batch; tensors as `models.heard.aligned.Aligned` describes them."""
        value: Tensor = self.loss(*_sequences(self.net, salience, line))
        return value


class SequenceStage:
    """A stage of kind ``sequence``."""

    def __init__(self, settings: Settings) -> None:
        self.settings = settings
        sequence = settings.sequence
        folder = Path(sequence.pairs)
        self._train = read_pairs(folder, TRAIN, sequence.batches)
        self._held_out = read_pairs(folder, HELD_OUT, sequence.held_out)
        if not self._train or not self._held_out:
            raise SettingsError("sequence.batches and sequence.held_out must be 1 or more")
        loss = AlignmentLoss(sequence.temperature, sequence.strangers)
        net = SequenceNet(SequenceConfig(sequence.width))
        self.trainee = SequenceTrainee(net, loss, settings.schedule.bf16)
        self.shape: dict[str, Any] = {"width": sequence.width}

    def begin(self, runs: Path) -> None:
        """Nothing: such a stage starts from one of its kind or from nothing."""

    def batches(self, first: int, part: tuple[int, int]) -> Iterator[tuple[Tensor, ...]]:
        """One batch after the other, at random; every trainer has its own."""
        schedule = self.settings.schedule
        for step in range(first, schedule.steps):
            drawn = np.random.default_rng((schedule.seed, step, part[0])).integers(len(self._train))
            yield _tensors(self._train[int(drawn)])

    def probe(self, net: nn.Module) -> dict[str, float]:
        """On held-out works: the loss, and the share of wrong moments that are less near than the right one."""
        loss, device = self.trainee.loss, next(net.parameters()).device
        values, shares = [], []
        with torch.no_grad():
            for pairs in self._held_out:
                found = loss.find(*_sequences(net, *(part.to(device) for part in _tensors(pairs))))
                values.append(float(loss.lost(found)))
                shares.append(_told(found))
        return {"val_loss": float(np.mean(values)), "val_told": float(np.mean(shares))}


def _sequences(net: nn.Module, salience: Tensor, line: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """Sequences of first and second views, and lines in frames of them."""
    sequence = net(beginning(salience.float() / 255))
    frames = torch.tensor([1.0, FPS / FRAMES_PER_FRAME], device=line.device)
    return sequence[: len(line)], sequence[len(line) :], line * frames


def _told(found: Found) -> float:
    told = (found.right[:, :, None] > found.wrong).float().mean(2)
    return float((told * found.there).sum() / found.there.sum())


def _tensors(pairs: Aligned) -> tuple[Tensor, Tensor]:
    return torch.from_numpy(pairs.salience), torch.from_numpy(pairs.line)
