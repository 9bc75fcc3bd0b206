"""Train one stage: ``python -m models.train CONFIG.toml --runs DIR``; started again, it goes on where it was killed.

One trainer for the front end, the pitch sequence and every loss of the embedding. With several GPUs or machines:
``torchrun --nproc-per-node N -m models.train CONFIG.toml --runs DIR``.
"""

from __future__ import annotations

import argparse
import logging
import sys
import time
from pathlib import Path

import numpy as np
import torch

from models.heard.stage import HeardStage
from models.parallel import world
from models.run import Run, build_run
from models.run_log import log_row
from models.settings import Settings, SettingsError, read_settings
from models.stage import Stage
from models.stage_embedding import EmbeddingStage
from models.stage_front import FrontStage
from models.stage_sequence import SequenceStage

log = logging.getLogger("models.train")


def build_stage(settings: Settings) -> Stage:
    """The stage of a configuration, its weights drawn from the configuration's seed."""
    torch.manual_seed(settings.schedule.seed)
    if settings.kind == "front":
        return FrontStage(settings)
    if settings.kind == "heard":
        return HeardStage(settings)
    if settings.kind == "sequence":
        return SequenceStage(settings)
    return EmbeddingStage(settings)


def fit(run: Run) -> None:
    """Train to the last step, logging, probing and saving on the way."""
    schedule = run.settings.schedule
    saved = time.monotonic()
    losses: list[float] = []
    for batch in run.stage.batches(run.step, (run.world.rank, run.world.size)):
        losses.append(run.train_step(batch))
        last = run.step == schedule.steps
        if run.world.leads and (last or run.step % schedule.probe_steps == 0):
            probe(run, float(np.mean(losses)))
            losses = []
        if run.world.leads and (last or time.monotonic() - saved > schedule.save_s):
            run.save()
            saved = time.monotonic()


def probe(run: Run, loss: float) -> None:
    """Add a row to the log: the mean loss since the last one, and figures of the averaged weights."""
    figures = {"loss": loss, **run.stage.probe(run.average.into(run.stage.trainee.net))}
    log_row(run.folder / "log.csv", run.step, {name: f"{value:.5f}" for name, value in figures.items()})
    log.info("step %d %s", run.step, " ".join(f"{name} {value:.5f}" for name, value in figures.items()))


def plot(folder: Path) -> None:
    """Draw the curves of a run beside its log, where matplotlib is installed."""
    try:
        from models.curves import draw, read_log
    except ImportError:
        log.info("no curves: matplotlib is not installed; python -m models.curves draws them later")
        return
    draw(read_log(folder / "log.csv"), folder / "curves.png")


def train(settings: Settings, runs: Path) -> Path:
    """Run a stage to its end; returns its folder, which holds ``last.pt``, ``log.csv`` and ``curves.png``."""
    folder = runs / settings.name
    folder.mkdir(parents=True, exist_ok=True)
    with world() as trainers:
        fit(build_run(settings, folder, build_stage(settings), trainers))
        if trainers.leads and (folder / "log.csv").exists():
            plot(folder)
    return folder


def main(arguments: list[str] | None = None) -> int:
    """Command line of the trainer."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("config", type=Path)
    parser.add_argument("--runs", type=Path, required=True, help="folder for checkpoints and logs")
    parser.add_argument("--data", type=Path, default=Path(), help="folder that the configuration's paths start from")
    parser.add_argument("--threads", type=int, default=1)
    options = parser.parse_args(arguments)
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(message)s", stream=sys.stderr)
    torch.set_num_threads(options.threads)
    try:
        train(read_settings(options.config).within(options.data), options.runs)
    except SettingsError as error:
        print(error, file=sys.stderr)
        return 2
    return 0


if __name__ == "__main__":
    sys.exit(main())
