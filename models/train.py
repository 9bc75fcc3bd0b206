"""Train one stage: ``python -m models.train CONFIG.toml --runs DIR``; started again, it goes on where it was killed."""

from __future__ import annotations

import argparse
import logging
import os
import sys
import time
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from torch import Tensor, nn

from models.data.feed import batches
from models.data.manifest import Entry, read_manifest
from models.data.store import ScoreStore
from models.data.views import Corpus, Recipe, batch
from models.losses.build import build_loss
from models.nets.embedding import EmbeddingConfig, EmbeddingNet
from models.run_log import log_row
from models.schedule import Average, learning_rate
from models.settings import Settings, read_settings

log = logging.getLogger("models.train")
_VALIDATION_WORKS = 256
_CLIP_NORM = 5.0


@dataclass(slots=True)
class Run:
    """Everything that a checkpoint holds, live."""

    settings: Settings
    folder: Path
    net: EmbeddingNet
    loss: nn.Module
    optimizer: torch.optim.Optimizer
    average: Average
    step: int = 0

    @property
    def checkpoint(self) -> Path:
        """The one file that is overwritten as the run goes."""
        return self.folder / "last.pt"

    def save(self) -> None:
        """Write the checkpoint so that a kill at any moment leaves a whole one."""
        temporary = self.checkpoint.with_suffix(".part")
        torch.save(
            {
                "step": self.step,
                "net": self.net.state_dict(),
                "average": self.average.state,
                "loss": self.loss.state_dict(),
                "optimizer": self.optimizer.state_dict(),
                "config": {"widths": list(self.settings.net.widths), "dimension": self.settings.net.dimension,
                           "hidden": self.settings.net.hidden},
            },
            temporary,
        )  # fmt: skip
        os.replace(temporary, self.checkpoint)

    def resume(self) -> None:
        """Take up the checkpoint of this run, or the weights it starts from."""
        if self.checkpoint.exists():
            state = torch.load(self.checkpoint, weights_only=True, map_location="cpu")
            self.net.load_state_dict(state["net"])
            self.loss.load_state_dict(state["loss"])
            self.optimizer.load_state_dict(state["optimizer"])
            self.average.state = state["average"]
            self.step = self.average.updates = int(state["step"])
            log.info("resumed at step %d", self.step)
        elif self.settings.start:
            state = torch.load(self.folder.parent / self.settings.start, weights_only=True, map_location="cpu")
            self.net.load_state_dict(state["average"])
            self.average = Average(self.net, self.settings.schedule.ema)


def build_run(settings: Settings, folder: Path, works: int) -> Run:
    """A fresh or resumed run for ``works`` training works."""
    torch.manual_seed(settings.schedule.seed)
    shape = settings.net
    net = EmbeddingNet(EmbeddingConfig(shape.widths, shape.dimension, shape.hidden))
    loss = build_loss(settings.loss, works, shape.dimension)
    parameters = [*net.parameters(), *loss.parameters()]
    optimizer = torch.optim.AdamW(parameters, lr=settings.schedule.rate, weight_decay=settings.schedule.weight_decay)
    run = Run(settings, folder, net, loss, optimizer, Average(net, settings.schedule.ema))
    run.resume()
    return run


def train_step(run: Run, views: Tensor, labels: Tensor) -> float:
    """One update on uint8 views (2 * works, frames, bins) and labels (works,); returns the loss."""
    schedule = run.settings.schedule
    for group in run.optimizer.param_groups:
        group["lr"] = learning_rate(schedule, run.step)
    run.net.train()
    with torch.autocast("cpu", dtype=torch.bfloat16, enabled=schedule.bf16):
        embeddings = run.net(views.float() / 255)
    value = run.loss(embeddings.float(), torch.cat([labels, labels]))
    run.optimizer.zero_grad()
    torch.autograd.backward(value)
    nn.utils.clip_grad_norm_(run.net.parameters(), _CLIP_NORM)
    run.optimizer.step()
    run.average.update(run.net)
    run.step += 1
    return float(value.detach())


def validate(run: Run, corpus: Corpus) -> float:
    """Top-1 of the second views of held-out works among their first views, with averaged weights."""
    works = min(_VALIDATION_WORKS, len(corpus.works))
    rolls, _ = batch(corpus, Recipe(human=1.0), works, seed=(0,))
    net = run.average.into(run.net)
    with torch.no_grad():
        z = torch.cat([net(torch.from_numpy(rolls[i : i + 64]).float() / 255) for i in range(0, len(rolls), 64)])
    found = (z[works:] @ z[:works].T).argmax(1)
    return float((found == torch.arange(works)).float().mean())


def fit(run: Run, train: list[Entry], held_out: Corpus) -> None:
    """Train to the last step, logging, validating and saving on the way."""
    schedule = run.settings.schedule
    saved = time.monotonic()
    losses: list[float] = []
    for views, works in batches(train, run.settings.data, schedule.seed, run.step, schedule.steps):
        losses.append(train_step(run, torch.from_numpy(views), torch.from_numpy(works)))
        if run.step % schedule.probe_steps == 0 or run.step == schedule.steps:
            top1 = validate(run, held_out)
            loss = float(np.mean(losses))
            log_row(run.folder / "log.csv", run.step, {"loss": f"{loss:.4f}", "val_top1": f"{top1:.4f}"})
            log.info("step %d loss %.4f val top-1 %.4f", run.step, loss, top1)
            losses = []
        if time.monotonic() - saved > schedule.save_s or run.step == schedule.steps:
            run.save()
            saved = time.monotonic()


def main(arguments: list[str] | None = None) -> int:
    """Command line of the trainer."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("config", type=Path)
    parser.add_argument("--runs", type=Path, required=True, help="folder for checkpoints and logs")
    parser.add_argument("--data", type=Path, default=Path(), help="folder that the configuration's paths start from")
    parser.add_argument("--threads", type=int, default=1)
    options = parser.parse_args(arguments)
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(message)s", stream=sys.stderr)
    torch.set_num_threads(options.threads)
    settings = read_settings(options.config).within(options.data)
    folder = options.runs / settings.name
    folder.mkdir(parents=True, exist_ok=True)
    store = ScoreStore(Path(settings.data.store))
    entries = read_manifest(Path(settings.data.manifest), settings.data.collections or None)
    train = [e for e in entries if e.split == "train" and e.path in store]
    held_out = Corpus([e for e in entries if e.split == "val"], store, settings.data.weights)
    run = build_run(settings, folder, len({e.work_id for e in train}))
    fit(run, train, held_out)
    return 0


if __name__ == "__main__":
    sys.exit(main())
