"""Refit an embedding's batch-norm statistics to what the front end really hears.

``python -m models.recalibrate SHARDS --front F.pt --embedding E.pt --out NEW.pt`` runs unlabelled audio through both
networks; no weight is trained. The rolls that the embedding learned from are only an imitation of salience, and their
statistics differ.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import torch
from torch import Tensor, nn

from models.export import load
from models.nets.recognizer import RecognizerNet

_WINDOW, _HOP = 160, 40
_BATCH = 64


def heard(net: RecognizerNet, shards: list[Path]) -> Iterator[Tensor]:
    """Salience windows (n, 160, 84) of all pieces of the shards, piece by piece."""
    context = net.front.config.context_samples
    for path in shards:
        with np.load(path, allow_pickle=False) as shard:
            for pcm in shard["pcm"]:
                audio = np.pad(pcm.astype(np.float32) / 32768, context)
                with torch.no_grad():
                    frames = torch.sigmoid(net.front(torch.from_numpy(audio)[None]))[0]
                yield frames.unfold(0, _WINDOW, _HOP).transpose(1, 2)


def refit(net: nn.Module, windows: Tensor) -> None:
    """Replace all batch-norm statistics of ``net`` by those of the windows (n, 160, 84), shuffled by a fixed seed."""
    norms = [m for m in net.modules() if isinstance(m, nn.BatchNorm1d | nn.BatchNorm2d)]
    before = [(m.momentum, m.training) for m in norms]
    for norm in norms:
        norm.reset_running_stats()
        norm.momentum = None  # a plain mean over batches
        norm.train()
    order = torch.randperm(len(windows), generator=torch.Generator().manual_seed(0))
    with torch.no_grad():
        for part in torch.split(order, _BATCH):
            if len(part) > _BATCH // 2:
                net(windows[part])
    for norm, (momentum, training) in zip(norms, before, strict=True):
        norm.momentum = momentum
        norm.train(training)


def main(arguments: list[str] | None = None) -> int:
    """Command line of the recalibration."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("shards", type=Path, help="folder of shards made by models.prepare audio")
    parser.add_argument("--front", type=Path, required=True)
    parser.add_argument("--embedding", type=Path, required=True)
    parser.add_argument("--out", type=Path, required=True)
    options = parser.parse_args(arguments)
    torch.set_num_threads(1)
    net, _, _ = load(options.front, options.embedding)
    refit(net.embedding, torch.cat([*heard(net, sorted(options.shards.glob("*.npz")))]))
    state = torch.load(options.embedding, weights_only=True, map_location="cpu")
    state["average"] = net.embedding.state_dict()
    torch.save(state, options.out)
    return 0


if __name__ == "__main__":
    sys.exit(main())
