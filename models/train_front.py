"""Train the front end: ``python -m models.train_front SHARDS --runs DIR --steps N``; goes on where it was killed."""

from __future__ import annotations

import argparse
import logging
import os
import sys
import time
from pathlib import Path

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional

from models.data.pieces import Pieces
from models.nets.salience import SalienceConfig, SalienceNet
from models.run_log import log_row
from models.schedule import Average, learning_rate
from models.settings import Schedule

log = logging.getLogger("models.train_front")
_FRAMES = 48
_HELD_OUT_SHARDS = 1


def loss_of(net: SalienceNet, pieces: Pieces, count: int, rng: np.random.Generator, rough: bool) -> Tensor:
    """Cross-entropy between the network's salience and the targets of a random batch."""
    config = net.constantq.config
    audio, target = pieces.batch(count, _FRAMES, net.config.context_samples, config.rate_hz, rng, rough)
    logits = net(torch.from_numpy(audio))
    return functional.binary_cross_entropy_with_logits(logits, torch.from_numpy(target))


def fit(net: SalienceNet, train: Pieces, held_out: Pieces, schedule: Schedule, count: int, folder: Path) -> None:
    """Train to the last step, saving and logging on the way; a checkpoint in the folder is taken up."""
    optimizer = torch.optim.AdamW(net.parameters(), lr=schedule.rate, weight_decay=schedule.weight_decay)
    average, step = Average(net, schedule.ema), 0
    checkpoint = folder / "last.pt"
    if checkpoint.exists():
        state = torch.load(checkpoint, weights_only=True)
        net.load_state_dict(state["net"])
        optimizer.load_state_dict(state["optimizer"])
        average.state, step = state["average"], int(state["step"])
        average.updates = step
    losses, saved = [], time.monotonic()
    while step < schedule.steps:
        for group in optimizer.param_groups:
            group["lr"] = learning_rate(schedule, step)
        net.train()
        loss = loss_of(net, train, count, np.random.default_rng((schedule.seed, step)), rough=True)
        optimizer.zero_grad()
        torch.autograd.backward(loss)
        optimizer.step()
        average.update(net)
        step += 1
        losses.append(float(loss.detach()))
        if step % schedule.probe_steps == 0 or step == schedule.steps:
            with torch.no_grad():
                checked = loss_of(average.into(net), held_out, 64, np.random.default_rng(0), rough=False)
            mean_loss, unseen = float(np.mean(losses)), float(checked)
            log_row(folder / "log.csv", step, {"loss": f"{mean_loss:.5f}", "held_out_loss": f"{unseen:.5f}"})
            log.info("step %d loss %.5f held out %.5f", step, mean_loss, unseen)
            losses = []
        if time.monotonic() - saved > schedule.save_s or step == schedule.steps:
            state = {
                "step": step,
                "net": net.state_dict(),
                "average": average.state,
                "optimizer": optimizer.state_dict(),
            }
            torch.save({**state, "width": net.config.width}, checkpoint.with_suffix(".part"))
            os.replace(checkpoint.with_suffix(".part"), checkpoint)
            saved = time.monotonic()


def main(arguments: list[str] | None = None) -> int:
    """Command line of the front end's trainer."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("shards", type=Path)
    parser.add_argument("--runs", type=Path, required=True)
    parser.add_argument("--steps", type=int, default=1500)
    parser.add_argument("--batch", type=int, default=16)
    parser.add_argument("--width", type=int, default=16)
    parser.add_argument("--truth", type=float, default=0.5, help="share of exact truth in the target of renders")
    options = parser.parse_args(arguments)
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(message)s", stream=sys.stderr)
    torch.set_num_threads(1)
    torch.manual_seed(1)
    folder = options.runs / "front"
    folder.mkdir(parents=True, exist_ok=True)
    # The last shard of each kind is held out.
    kinds = [sorted(options.shards.glob(f"{kind}-*.npz")) for kind in ("render", "real")]
    train = Pieces([p for shards in kinds for p in shards[:-_HELD_OUT_SHARDS]], options.truth)
    held_out = Pieces([p for shards in kinds for p in shards[-_HELD_OUT_SHARDS:]], options.truth)
    schedule = Schedule(steps=options.steps, rate=3e-3, last_rate=3e-5, warmup=50, ema=0.99, probe_steps=50, save_s=60)
    fit(SalienceNet(SalienceConfig(width=options.width)), train, held_out, schedule, options.batch, folder)
    return 0


if __name__ == "__main__":
    sys.exit(main())
