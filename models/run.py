"""One run: the weights, the optimizer and the running mean, on disk as they go."""

from __future__ import annotations

import logging
import os
from dataclasses import dataclass, field
from pathlib import Path

import torch
from torch import Tensor, nn
from torch.nn.parallel import DistributedDataParallel

from models.parallel import World, choose_device
from models.schedule import Average, learning_rate
from models.settings import Settings
from models.stage import Stage

log = logging.getLogger("models.train")


@dataclass(slots=True)
class Run:
    """Everything that a checkpoint holds, live."""

    settings: Settings
    folder: Path
    stage: Stage
    world: World
    device: torch.device
    optimizer: torch.optim.Optimizer
    average: Average
    step: int = 0
    _shared: nn.Module = field(init=False)

    def __post_init__(self) -> None:
        trainee: nn.Module = self.stage.trainee
        self._shared = DistributedDataParallel(trainee) if self.world.size > 1 else trainee

    @property
    def checkpoint(self) -> Path:
        """The one file that is overwritten as the run goes."""
        return self.folder / "last.pt"

    def save(self) -> None:
        """Write the checkpoint so that a kill at any moment leaves a whole one."""
        temporary = self.checkpoint.with_suffix(".part")
        trainee = self.stage.trainee
        state = {
            "step": self.step,
            "net": trainee.net.state_dict(),
            "average": self.average.state,
            "loss": trainee.loss.state_dict(),
            "optimizer": self.optimizer.state_dict(),
            **self.stage.shape,
        }
        with temporary.open("wb") as file:
            torch.save(state, file)
            file.flush()
            os.fsync(file.fileno())
        os.replace(temporary, self.checkpoint)

    def resume(self) -> None:
        """Take up the checkpoint of this run, or the weights it starts from."""
        trainee = self.stage.trainee
        if self.checkpoint.exists():
            state = torch.load(self.checkpoint, weights_only=True, map_location=self.device)
            trainee.net.load_state_dict(state["net"])
            # A checkpoint from before a loss had a memory begins with an empty one.
            trainee.loss.load_state_dict({**trainee.loss.state_dict(), **state.get("loss", {})})
            self.optimizer.load_state_dict(state["optimizer"])
            self.average.state = state["average"]
            self.step = self.average.updates = int(state["step"])
            log.info("resumed at step %d", self.step)
        elif self.settings.start:
            state = torch.load(self.folder.parent / self.settings.start, weights_only=True, map_location=self.device)
            trainee.net.load_state_dict(state["average"])
            self.average = Average(trainee.net, self.settings.schedule.ema)
        else:
            self.stage.begin(self.folder.parent)
            self.average = Average(trainee.net, self.settings.schedule.ema)

    def train_step(self, batch: tuple[Tensor, ...]) -> float:
        """One update on this trainer's part of a batch; returns the loss."""
        schedule, net = self.settings.schedule, self.stage.trainee.net
        for group in self.optimizer.param_groups:
            group["lr"] = learning_rate(schedule, self.step)
        self._shared.train()
        value = self._shared(*(part.to(self.device) for part in batch))
        self.optimizer.zero_grad()
        torch.autograd.backward(value)
        nn.utils.clip_grad_norm_(net.parameters(), schedule.clip)
        self.optimizer.step()
        self.average.update(net)
        self.step += 1
        return float(value.detach())


def build_run(settings: Settings, folder: Path, stage: Stage, world: World) -> Run:
    """A fresh or resumed run of a stage whose weights were drawn under the run's seed."""
    device = choose_device()
    trainee = stage.trainee.to(device)
    if device.type == "cuda":
        # Tensor cores want channels last: a step of a heard stage takes half as long.
        trainee = trainee.to(memory_format=torch.channels_last)
        torch.set_float32_matmul_precision("high")
    if world.size > 1 and device.type == "cuda":
        # On processors there is no shared batch norm: each trainer norms its part of a batch.
        trainee.net = nn.SyncBatchNorm.convert_sync_batchnorm(trainee.net)  # type: ignore[no-untyped-call]
    schedule = settings.schedule
    parameters = trainee.parameters_in_order()
    optimizer = torch.optim.AdamW(parameters, lr=schedule.rate, weight_decay=schedule.weight_decay)
    average = Average(trainee.net, schedule.ema)
    run = Run(settings, folder, stage, world, device, optimizer, average)
    run.resume()
    return run
