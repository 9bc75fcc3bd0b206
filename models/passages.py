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

import torch

from models.data.feed import corpus_of
from models.data.manifest import read_manifest
from models.data.views import Recipe
from models.heard.aligned import Rehearsal
from models.heard.orchestra import Orchestra
from models.heard.pairs_file import HELD_OUT, TRAIN, path_of, write_pairs
from models.heard.sounds import read_sounds
from models.nets.ears import read_front
from models.settings import Settings, SettingsError, read_settings

log = logging.getLogger("models.passages")
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
    orchestra, front = Orchestra(read_sounds(Path(sequence.sounds))), read_front(checkpoint)
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
            write_pairs(path, rehearsal.pairs(data.works_per_batch, settings.schedule.seed + number, batch))
            written += 1
            if (batch + 1) % _TOLD_EVERY == 0 or batch + 1 == count:
                log.info("%s: %d of %d batches", split, batch + 1, count)
    return written


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
