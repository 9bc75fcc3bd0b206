"""Stages that train the embedding on piano rolls, whatever their loss."""

from __future__ import annotations

from collections.abc import Iterator
from functools import cached_property
from pathlib import Path
from typing import Any, cast

import torch
from torch import Tensor, nn
from torch.nn import functional

from models.data.bank import Bank
from models.data.feed import batches, recordings_of, wants_recordings
from models.data.manifest import read_manifest
from models.data.store import ScoreStore
from models.data.views import Corpus, Recipe, batch
from models.losses.build import build_loss, reads_features
from models.nets.embedding import EmbeddingConfig, EmbeddingNet
from models.parallel import gathered
from models.settings import Net, Settings
from models.stage import Trainee

_PROBE_WORKS = 256
_CHUNK = 64


class EmbeddingTrainee(Trainee):
    """The embedding network under one of `models.losses`."""

    net: EmbeddingNet

    def forward(self, views: Tensor, labels: Tensor) -> Tensor:
        """Loss of uint8 views (n, frames, bins) of all trainers, whose works are ``labels`` (n,)."""
        with torch.autocast(views.device.type, dtype=torch.bfloat16, enabled=self.bf16):
            salience = views.float() / 255
            vectors = self.net.features(salience) if reads_features(self.loss) else self.net(salience)
        value: Tensor = self.loss(gathered(vectors.float()), gathered(labels))
        return value


def vectors_of(net: EmbeddingNet, rolls: Tensor, on_features: bool = False) -> Tensor:
    """Unit vectors of uint8 rolls (n, frames, bins): embeddings, or the features below them; (n, D)."""
    device = next(net.parameters()).device
    found = []
    with torch.no_grad():
        for part in torch.split(rolls, _CHUNK):
            salience = part.to(device).float() / 255
            found.append(functional.normalize(net.features(salience), dim=1) if on_features else net(salience))
    return torch.cat(found).cpu()


def shape_of(net: Net) -> dict[str, Any]:
    """The embedding network's shape as a checkpoint keeps it: arguments of `EmbeddingConfig`."""
    return {"widths": list(net.widths), "dimension": net.dimension, "hidden": net.hidden}


class EmbeddingStage:
    """A stage of kind ``embedding``."""

    def __init__(self, settings: Settings) -> None:
        self.settings = settings
        data = settings.data
        self._store = ScoreStore(Path(data.store))
        self._entries = read_manifest(Path(data.manifest), data.collections or None)
        self._train = [e for e in self._entries if e.split == "train" and e.path in self._store]
        wants_recordings(data)
        net = EmbeddingNet(EmbeddingConfig(settings.net.widths, settings.net.dimension, settings.net.hidden))
        loss = build_loss(settings.loss, data, settings.net, self._count_works)
        if reads_features(loss):
            net.out.requires_grad_(False)  # the classification layer stands in its place
        self.trainee = EmbeddingTrainee(net, loss, settings.schedule.bf16)
        self.shape: dict[str, Any] = {"config": shape_of(settings.net)}

    def _count_works(self) -> int:
        """Works that labels number: those of the bank, or of the scores and then of the recordings."""
        data = self.settings.data
        if data.bank:
            return int(Bank(Path(data.bank)).works.max()) + 1
        recordings = recordings_of(data)
        return len({e.work_id for e in self._train}) + (len(recordings) if recordings is not None else 0)

    def begin(self, runs: Path) -> None:
        """Nothing: such a stage starts from one of its kind or from nothing."""

    def batches(self, first: int, part: tuple[int, int]) -> Iterator[tuple[Tensor, ...]]:
        """Views (n, frames, bins) and the work of each (n,)."""
        data, schedule = self.settings.data, self.settings.schedule
        for views, works in batches(self._train, data, schedule.seed, first, schedule.steps, part):
            labels = torch.from_numpy(works).repeat_interleave(data.windows).repeat(data.views)
            yield torch.from_numpy(views), labels

    @cached_property
    def _probes(self) -> Tensor:
        held_out = Corpus([e for e in self._entries if e.split == "val"], self._store, self.settings.data.weights)
        rolls, _ = batch(held_out, Recipe(human=1.0), min(_PROBE_WORKS, len(held_out.works)), seed=(0,))
        return torch.from_numpy(rolls)

    def probe(self, net: nn.Module) -> dict[str, float]:
        """Top-1 of the second views of held-out works among their first views."""
        z = vectors_of(cast(EmbeddingNet, net), self._probes, reads_features(self.trainee.loss))
        works = len(z) // 2
        found = (z[works:] @ z[:works].T).argmax(1)
        return {"val_top1": float((found == torch.arange(works)).float().mean())}
