"""Run by torchrun: the gradients of a split batch, then some steps of a run; every trainer writes what it has."""

from __future__ import annotations

import sys
from dataclasses import replace
from pathlib import Path

import torch
from torch import nn
from torch.nn.parallel import DistributedDataParallel

from models.data.feed import batches
from models.losses.angular import AngularMargin
from models.losses.contrastive import SupervisedContrastive
from models.nets.embedding import EmbeddingConfig, EmbeddingNet
from models.parallel import world
from models.run import build_run
from models.settings import read_settings
from models.stage import Trainee
from models.stage_embedding import EmbeddingTrainee
from models.train import build_stage

LOSSES = ("angular", "contrastive")


def trainee(loss: str) -> EmbeddingTrainee:
    """A small network in inference mode, so that rows do not change each other through batch norm."""
    torch.manual_seed(3)
    kinds: dict[str, nn.Module] = {"angular": AngularMargin(8, 8), "contrastive": SupervisedContrastive(0.2)}
    return EmbeddingTrainee(EmbeddingNet(EmbeddingConfig((4, 4), 8, 8)), kinds[loss], bf16=False).eval()


def example() -> tuple[torch.Tensor, torch.Tensor]:
    """Views of eight works, two each, and their labels; the two views of a work are in different halves."""
    rolls = torch.randint(0, 255, (16, 32, 84), dtype=torch.uint8, generator=torch.Generator().manual_seed(4))
    return rolls, torch.arange(8).repeat(2)


def slopes(made: Trainee) -> dict[str, torch.Tensor]:
    """Gradients by name."""
    return {name: p.grad.clone() for name, p in made.named_parameters() if p.grad is not None}


def main() -> None:
    """Write ``rank<N>.pt`` into the folder given."""
    folder = Path(sys.argv[1])
    torch.set_num_threads(1)
    with world() as trainers:
        out: dict[str, object] = {}
        for loss in LOSSES:
            made = trainee(loss)
            rolls, labels = (part.chunk(trainers.size)[trainers.rank] for part in example())
            shared = DistributedDataParallel(made)  # averages gradients for as long as it lives
            shared(rolls, labels).backward()
            out[loss] = slopes(made)
        settings = read_settings(folder / "run.toml").within(folder)
        (folder / "run").mkdir(exist_ok=True)
        run = build_run(settings, folder / "run", build_stage(settings), trainers)
        part = (trainers.rank, trainers.size)
        out["losses"] = [run.train_step(batch) for batch in run.stage.batches(0, part)]
        out["weights"] = {name: p.detach().clone() for name, p in run.stage.trainee.named_parameters()}
        out["average"] = {name: run.average.state[name] for name, _ in run.stage.trainee.net.named_parameters()}
        entries = run.stage._train  # type: ignore[attr-defined]
        share = replace(settings.data, works_per_batch=2)
        out["works"] = sorted({int(w) for _, works in batches(entries, share, 1, 0, 30, part) for w in works})
        torch.save(out, folder / f"rank{trainers.rank}.pt")


if __name__ == "__main__":
    main()
