"""Which works an embedding network takes for each other: ``python -m models.neighbours CHECKPOINT --data DIR --out F``.

``CHECKPOINT`` is one of `models.train`, or an exported model (``.onnx``), which sees eighteen seconds of a view.

Batches whose works are alike teach more than random ones. Every training work is played twice; its nearest other
works, the very nearest left out, are what `models.data.views` fills half of its groups with. The nearest are left out
because in collections of traditional tunes they are often the same tune under another name.
"""

from __future__ import annotations

import argparse
import logging
import sys
from collections.abc import Callable
from functools import partial
from pathlib import Path

import numpy as np
import numpy.typing as npt
import torch

from models.data.manifest import read_manifest
from models.data.store import ScoreStore
from models.data.style import draw_style
from models.data.views import Corpus, Recipe, draw_pair, view
from models.validate_scores import embed, load
from recognizer.embedder import Embedder
from recognizer.step import StepInput

log = logging.getLogger("models.neighbours")
_VIEWS = 2
_SKIPPED, _KEPT = 4, 60
_TOO_NEAR = 0.92
_BATCH = 256


def neighbours(vectors: npt.NDArray[np.float32]) -> npt.NDArray[np.int32]:
    """Nearest other works by the best cosine of any two of their views.

    Parameters
    ----------
    vectors : float32 array, shape (works, views, dimension)

    Returns
    -------
    int32 array, shape (works, kept)
        Nearest first; the few nearest, and what is all but equal, are skipped.
    """
    works, views, dimension = vectors.shape
    kept = min(_KEPT, max(0, works - 1 - _SKIPPED))
    flat = vectors.reshape(-1, dimension)
    rows = []
    for start in range(0, works, _BATCH):
        block = flat[start * views : (start + _BATCH) * views] @ flat.T
        best = block.reshape(-1, views, works, views).max((1, 3))
        best[np.arange(len(best)), start + np.arange(len(best))] = -2
        best[best > _TOO_NEAR] = -1
        rows.append(np.argsort(-best, axis=1)[:, _SKIPPED : _SKIPPED + kept])
    return np.concatenate(rows).astype(np.int32)


def _embedding_of(path: Path) -> Callable[[npt.NDArray[np.uint8]], npt.NDArray[np.float32]]:
    """What turns rolls, uint8 (n, frames, bins), into unit vectors, float32 (n, dimension)."""
    if path.suffix != ".onnx":
        return partial(embed, load(path))
    embedder = Embedder(path)
    contract = embedder.contract
    silence = np.zeros(contract.step_samples + 2 * contract.context_samples, np.float32)

    def exported(rolls: npt.NDArray[np.uint8]) -> npt.NDArray[np.float32]:
        past = rolls[:, : contract.window_frames - contract.frames_per_step].astype(np.float32) / np.float32(255)
        return np.stack([embedder.run([StepInput(0, silence, one)])[0].embedding for one in past])

    return exported


def main(arguments: list[str] | None = None) -> int:
    """Command line."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("checkpoint", type=Path)
    parser.add_argument("--data", type=Path, required=True, help="folder with works.csv and the store")
    parser.add_argument("--store", default="scores.npz")
    parser.add_argument("--collections", required=True)
    parser.add_argument("--out", type=Path, required=True)
    options = parser.parse_args(arguments)
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(message)s", stream=sys.stderr)
    torch.set_num_threads(1)
    entries = read_manifest(options.data / "works.csv", tuple(options.collections.split(",")))
    corpus = Corpus([e for e in entries if e.split == "train"], ScoreStore(options.data / options.store))
    embedded, recipe, found = _embedding_of(options.checkpoint), Recipe(human=0.0), []
    for number in range(0, len(corpus.works), _BATCH):
        rng = np.random.default_rng((7, number))
        rolls = [
            np.round(view(passage, draw_style(rng), recipe.frames, rng) * 255).astype(np.uint8)
            for files in corpus.works[number : number + _BATCH]
            for passage in draw_pair(corpus, files, recipe, rng)
        ]
        found.append(embedded(np.stack(rolls)).reshape(-1, _VIEWS, 128))
        log.info("%d of %d works", number + len(found[-1]), len(corpus.works))
    with options.out.open("wb") as file:
        np.savez(file, neighbours=neighbours(np.concatenate(found)), first=np.array([w[0] for w in corpus.works]))
    return 0


if __name__ == "__main__":
    sys.exit(main())
