"""Figures of an embedding checkpoint on human-made versions: ``python -m models.validate_scores CHECKPOINT ...``.

No audio: references and queries are corrupted piano rolls of scores that were never trained on. Every work with two or
more versions by different people is a query (one 20 s view of one version) and has another version, whole, among the
references; thousands of other works are there to be confused with. Where a short tune is shorter than a window it is
played again, as everywhere. Two people may write one tune in note values that differ by a factor of two: a query is
played at about the speed in seconds, not in beats, of its reference, as `models.data.views` does.
"""

from __future__ import annotations

import argparse
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import numpy.typing as npt
import torch

from models.baseline.metrics import rank_of_work, summarise
from models.data.hear import FPS
from models.data.manifest import Entry, read_manifest
from models.data.score import Score
from models.data.store import ScoreStore
from models.data.style import draw_style
from models.data.views import Corpus, Passage, view
from models.nets.embedding import EmbeddingConfig, EmbeddingNet
from models.stage_embedding import vectors_of

FRAMES = 20 * FPS
_HOP_S = 4.0
_MOST_WINDOWS = 24
Floats = npt.NDArray[np.float32]


def usual_beat_s(score: Score) -> float:
    """Seconds of a beat as the score has it, within what is played."""
    return min(max(score.beat_s, 0.3), 1.0)


def beat_like(corpus: Corpus, path: str, reference: str) -> float | None:
    """Seconds of a beat that make a score as fast as another version of it; None where they share no passage."""
    shared = corpus.anchors(reference, path)
    if not len(shared):
        return None
    return usual_beat_s(corpus.store[reference]) / float(np.median(shared[:, 2]))


def windows(corpus: Corpus, path: str, seed: int, most: int, beat_s: float | None = None) -> npt.NDArray[np.uint8]:
    """Views of one score every 4 s (at most ``most``, from its beginning) in one style, key and tempo each.

    Parameters
    ----------
    beat_s
        Seconds of a beat before the tempo is drawn; by default the score's own.

    Returns
    -------
    uint8 array, shape (windows, FRAMES, BINS)
    """
    rng = np.random.default_rng(seed)
    score, style = corpus.store[path], draw_style(rng)
    tempo = float(np.exp(np.clip(rng.normal(0, 0.12), -0.3, 0.3)))
    beat_s = (usual_beat_s(score) if beat_s is None else beat_s) * tempo
    seconds = max(score.beats * beat_s, 20.0)
    middles = np.arange(10.0, seconds - 10.0 + 1e-6, _HOP_S)[:most]
    passages = [Passage(score, corpus.chords(path), float(m / beat_s), beat_s) for m in middles]
    return np.stack([np.round(view(p, style, FRAMES, rng) * 255).astype(np.uint8) for p in passages])


def embed(net: EmbeddingNet, rolls: npt.NDArray[np.uint8]) -> Floats:
    """Unit embeddings of uint8 rolls (n, FRAMES, BINS), shape (n, D)."""
    return vectors_of(net, torch.from_numpy(rolls)).numpy()


def load(path: Path) -> EmbeddingNet:
    """The averaged network of a checkpoint of `models.train`."""
    state = torch.load(path, weights_only=True, map_location="cpu")
    net = EmbeddingNet(EmbeddingConfig(**state["config"]))
    net.load_state_dict(state["average"])
    return net.eval()


def choose(entries: list[Entry], references: int) -> tuple[list[Entry], list[Entry]]:
    """Queries (one per held-out work with several versions) and references (another version of each, then others).

    All ``entries`` are held out.
    """
    by_work: dict[str, list[Entry]] = {}
    for entry in entries:
        by_work.setdefault(entry.work_id, []).append(entry)
    several = [files for files in by_work.values() if len(files) > 1]
    queries = [files[1] for files in several]
    single = [files[0] for files in by_work.values() if len(files) == 1]
    return queries, [files[0] for files in several] + single[: max(0, references - len(several))]


def main(arguments: list[str] | None = None) -> int:
    """Command line of this validation."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("checkpoints", type=Path, nargs="+")
    parser.add_argument("--manifest", type=Path, required=True)
    parser.add_argument("--store", type=Path, required=True)
    parser.add_argument("--spare", default="essen", help="collections no training used: all their works are held out")
    parser.add_argument("--references", type=int, default=5000)
    parser.add_argument("--windows", type=int, default=_MOST_WINDOWS, help="most windows of one reference")
    options = parser.parse_args(arguments)
    torch.set_num_threads(1)
    store = ScoreStore(options.store)
    spare = set(options.spare.split(","))
    entries = [e for e in read_manifest(options.manifest) if e.path in store]
    trained = {e.work_id for e in entries if e.split == "train" and e.collection not in spare}
    held_out = [replace(e, split="val") for e in entries if e.work_id not in trained]
    corpus = Corpus(held_out, store)
    queries, references = choose(held_out, options.references)
    beats = [beat_like(corpus, q.path, r.path) for q, r in zip(queries, references, strict=False)]
    asked = np.concatenate(
        [windows(corpus, q.path, 10_000_000 + i, 1, b) for i, (q, b) in enumerate(zip(queries, beats, strict=True))]
    )
    nets = [load(path) for path in options.checkpoints]
    found: list[list[dict[str, float]]] = [[{} for _ in queries] for _ in nets]
    query_vectors = [embed(net, asked) for net in nets]
    for number, reference in enumerate(references):
        rolls = windows(corpus, reference.path, number, options.windows)
        for net, vectors, scores in zip(nets, query_vectors, found, strict=True):
            best = (vectors @ embed(net, rolls).T).max(1)
            for row, value in zip(scores, best, strict=True):
                row[reference.work_id] = max(row.get(reference.work_id, -1.0), float(value))
    for path, scores in zip(options.checkpoints, found, strict=True):
        ranks = [rank_of_work(row, q.work_id) for row, q in zip(scores, queries, strict=True)]
        r = summarise(ranks, [q.work_id for q in queries], len(scores[0]))
        print(
            f"{path} human versions queries={r.queries} ({sum(b is None for b in beats)} share no passage of eight "
            f"notes with their reference) references={len(references)} "
            f"top1={r.top1[0]:.3f} [{r.top1[1]:.3f}, {r.top1[2]:.3f}] "
            f"MRR={r.mrr[0]:.3f} [{r.mrr[1]:.3f}, {r.mrr[2]:.3f}] chance MRR={r.random_mrr:.4f}"
        )
    return 0


if __name__ == "__main__":
    sys.exit(main())
