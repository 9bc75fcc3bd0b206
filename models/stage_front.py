"""The stage that trains the front end on the teacher's answers and on exact notes."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional

from models.data.pieces import Pieces
from models.nets.salience import SalienceConfig, SalienceNet
from models.settings import Settings, SettingsError
from models.stage import Trainee

_PROBE_PIECES = 64


class FrontTrainee(Trainee):
    """The front end under cross-entropy with soft targets."""

    def forward(self, audio: Tensor, target: Tensor) -> Tensor:
        """Loss of audio (n, samples) whose salience should be ``target`` (n, frames, bins)."""
        with torch.autocast(audio.device.type, dtype=torch.bfloat16, enabled=self.bf16):
            logits = self.net(audio)
        value: Tensor = self.loss(logits.float(), target)
        return value


class FrontStage:
    """A stage of kind ``front``; the last shards of each kind are held out."""

    def __init__(self, settings: Settings) -> None:
        self.settings = settings
        front = settings.front
        kinds = [sorted(Path(front.shards).glob(f"{kind}-*.npz")) for kind in ("render", "real")]
        train = [p for shards in kinds for p in shards[: -front.held_out]]
        held_out = [p for shards in kinds for p in shards[-front.held_out :]]
        if not train or not held_out:
            raise SettingsError(
                f"{front.shards}: {len(train)} shards to train on and {len(held_out)} to validate on; expected both "
                "(python -m models.prepare audio makes them)"
            )
        self._train = Pieces(train, front.truth, front.rooms, front.lines)
        self._held_out = Pieces(held_out, front.truth)
        self._net = SalienceNet(SalienceConfig(width=front.width))
        self.trainee = FrontTrainee(self._net, nn.BCEWithLogitsLoss(), settings.schedule.bf16)
        self.shape: dict[str, Any] = {"width": front.width}

    def _batch(self, pieces: Pieces, count: int, seed: tuple[int, ...], rough: bool) -> tuple[Tensor, Tensor]:
        config = self._net.config
        rate_hz, rng = self._net.constantq.config.rate_hz, np.random.default_rng(seed)
        made = pieces.batch(count, self.settings.front.frames, config.context_samples, rate_hz, rng, rough)
        return torch.from_numpy(made[0]), torch.from_numpy(made[1])

    def begin(self, runs: Path) -> None:
        """Nothing: such a stage starts from one of its kind or from nothing."""

    def batches(self, first: int, part: tuple[int, int]) -> Iterator[tuple[Tensor, ...]]:
        """Audio (n, samples) and targets (n, frames, bins), roughened."""
        schedule, (number, of) = self.settings.schedule, part
        for step in range(first, schedule.steps):
            seed = (schedule.seed, step) if of == 1 else (schedule.seed, step, number)
            yield self._batch(self._train, self.settings.front.pieces // of, seed, rough=True)

    def probe(self, net: nn.Module) -> dict[str, float]:
        """Cross-entropy on held-out shards, not roughened."""
        audio, target = self._batch(self._held_out, _PROBE_PIECES, (0,), rough=False)
        device = next(net.parameters()).device
        with torch.no_grad():
            loss = functional.binary_cross_entropy_with_logits(net(audio.to(device)), target.to(device))
        return {"held_out_loss": float(loss)}
