"""Make what the pitch sequence learns from: ``python -m models.passages CONFIG.toml --data DATA --runs RUNS``.

Pairs of performances of one passage, played by bands of soundfonts (`models.heard`) and heard by a front end, with the
line of time between them. The configuration is that of the stage that learns from them; its front end is taken from the
folder of all runs. Batches that exist are kept: started again, the command goes on.
"""

from __future__ import annotations

import argparse
import logging
import sys
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import torch

from models.data.feed import corpus_of
from models.data.manifest import read_manifest
from models.data.views import Recipe
from models.heard.aligned import Aligned, Rehearsal
from models.heard.orchestra import Orchestra
from models.heard.sounds import read_sounds
from models.nets.ears import part_of
from models.nets.salience import SalienceConfig, SalienceNet
from models.settings import Settings, SettingsError, read_settings

log = logging.getLogger("models.passages")
TRAIN, HELD_OUT = "train", "val"
_TOLD_EVERY = 10


def make(settings: Settings, runs: Path) -> int:
    """Write the batches that are missing; returns how many.

    Raises
    ------
    SettingsError
        When there is no front end to hear them with.
    """
    data, sequence = settings.data, settings.sequence
    checkpoint = runs / sequence.front
    if not checkpoint.is_file():
        raise SettingsError(f"sequence.front: {checkpoint} is not there; python -m models.unpack makes one of a model")
    orchestra, front = Orchestra(read_sounds(Path(sequence.sounds))), _front(checkpoint)
    spread = sequence.tempo_spread
    recipe = Recipe(frames=sequence.frames, group=data.group, human=data.human, tempo_spread=spread)
    entries = read_manifest(Path(data.manifest), data.collections or None)
    Path(sequence.pairs).mkdir(parents=True, exist_ok=True)
    written = 0
    for number, (split, count) in enumerate(((TRAIN, sequence.batches), (HELD_OUT, sequence.held_out))):
        corpus = corpus_of([e for e in entries if e.split == split], data)
        rehearsal = Rehearsal(corpus, recipe, orchestra, front)
        for batch in range(count):
            path = path_of(Path(sequence.pairs), split, batch)
            if path.exists():
                continue
            _write(path, rehearsal.pairs(data.works_per_batch, settings.schedule.seed + number, batch))
            written += 1
            if (batch + 1) % _TOLD_EVERY == 0 or batch + 1 == count:
                log.info("%s: %d of %d batches", split, batch + 1, count)
    return written


def path_of(folder: Path, split: str, batch: int) -> Path:
    """The file of a batch."""
    return folder / f"{split}-{batch:04d}.npz"


def read(folder: Path, split: str, count: int) -> list[Aligned]:
    """The first batches of a split.

    Raises
    ------
    SettingsError
        When one is missing or no batch of pairs.
    """
    found = []
    for batch in range(count):
        path = path_of(folder, split, batch)
        try:
            with np.load(path, allow_pickle=False) as stored:
                found.append(Aligned(stored["salience"], stored["line"]))
        except (OSError, KeyError, ValueError) as error:
            raise SettingsError(
                f"{path} cannot be read ({error}); python -m models.passages makes the {count} batches of {split}"
            ) from error
    return found


def _front(checkpoint: Path) -> SalienceNet:
    state = torch.load(checkpoint, weights_only=True, map_location="cpu")
    front = SalienceNet(SalienceConfig(width=int(state["width"])))
    front.load_state_dict(part_of(state["average"], "front."))
    return front.eval()


def _write(path: Path, pairs: Aligned) -> None:
    part = path.with_suffix(".part")
    with part.open("wb") as file:
        np.savez_compressed(file, salience=pairs.salience, line=pairs.line)
    part.replace(path)


def main(arguments: Sequence[str] | None = None) -> int:
    """Command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("config", type=Path)
    parser.add_argument("--runs", type=Path, required=True, help="folder of all runs, with the front end's checkpoint")
    parser.add_argument("--data", type=Path, default=Path(), help="folder that the configuration's paths start from")
    options = parser.parse_args(arguments)
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(message)s", stream=sys.stderr)
    torch.set_num_threads(1)
    try:
        print(f"{make(read_settings(options.config).within(options.data), options.runs)} batches written")
    except (SettingsError, OSError) as error:
        print(f"models.passages: {error}", file=sys.stderr)
        return 2
    return 0


if __name__ == "__main__":
    sys.exit(main())
