"""Figures of one or more exported models on recordings: ``python -m models.validate MODEL.onnx ... --recordings DIR``.

Every model hears the same files through the embedder of the live line. A query is ranked against the references of
its set, or of all sets, in these ways:

- ``embedding``: mean over the query's windows of the best cosine with any window of the reference;
- ``corrected``: the same, less what the reference gets on average from a cohort of unrelated recordings, because long
  and plain references are near to everything (with ``--cohort``);
- ``alignment``: Qmax of the first minute of the pitch sequences at 2 frames/s, untrained in itself (with ``--align``);
- ``fused``: the sum of the last two, or of the first and the third without a cohort.

Intervals are bootstraps over works; chance is printed beside.
"""

from __future__ import annotations

import argparse
import csv
import sys
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt

from models.baseline.metrics import Retrieval, rank_of_work, summarise
from recognizer.align import align
from recognizer.decode import decode
from recognizer.embedder import Embedder
from recognizer.errors import RecognizerError
from recognizer.reference import analyse

Floats = npt.NDArray[np.float32]
INDEX_HOP_STEPS = 2
_ALIGN_FPS = 2
_ALIGN_SECONDS = 60


@dataclass(frozen=True, slots=True)
class Heard:
    """A recording as a model hears it: where it belongs, its embeddings (w, D) and its pitch sequence (f, 12 k)."""

    path: str
    group: str
    kind: str
    role: str
    work_id: str
    embeddings: Floats
    pitch: Floats


def read_rows(folder: Path) -> list[dict[str, str]]:
    """Rows of ``recordings.csv`` (columns path, set, work_id, role) that are audio."""
    with (folder / "recordings.csv").open(newline="", encoding="utf-8") as file:
        return [row for row in csv.DictReader(file) if not row["path"].endswith((".txt", ".mid"))]


def listen(embedder: Embedder, folder: Path, rows: list[dict[str, str]], cache: Path) -> list[Heard]:
    """Analyse every recording, or take it from the cache of an earlier run of the same model."""
    kept = cache / f"{embedder.model_id.removeprefix('sha256:')[:16]}.npz"
    known: dict[str, npt.NDArray[np.float32]] = {}
    if kept.exists():
        with np.load(kept, allow_pickle=False) as data:
            known = {key: data[key] for key in data.files}
    heard = []
    for row in rows:
        path = row["path"]
        if f"{path}|e" not in known:
            try:
                audio = decode(folder / path, embedder.contract.sample_rate_hz)
                analysis = analyse(audio, embedder, hop_steps=1)
            except RecognizerError as error:
                print(f"left out: {error}", file=sys.stderr)
                continue
            known[f"{path}|e"], known[f"{path}|p"] = analysis.embeddings, analysis.pitch
        kind = Path(path).stem.split("-")[0] if row["set"] == "piano" else row["set"]
        pitch = _slowed(known[f"{path}|p"], round(embedder.contract.pitch_fps) // _ALIGN_FPS)
        heard.append(Heard(path, row["set"], kind, row["role"], row["work_id"], known[f"{path}|e"], pitch))
    cache.mkdir(parents=True, exist_ok=True)
    with kept.open("wb") as file:
        np.savez(file, **known)  # type: ignore[arg-type]
    return heard


def _slowed(pitch: Floats, factor: int) -> Floats:
    """Mean over groups of ``factor`` frames, first minute only."""
    whole = len(pitch) // factor * factor
    slow = pitch[:whole].reshape(-1, factor, pitch.shape[1]).mean(1)
    return np.asarray(slow[: _ALIGN_SECONDS * _ALIGN_FPS], np.float32)


def by_embedding(query: Heard, references: list[Heard]) -> list[float]:
    """Mean over query windows (every step) of the best cosine in each reference (windows at the index hop)."""
    return [float((query.embeddings @ r.embeddings[::INDEX_HOP_STEPS].T).max(1).mean()) for r in references]


def by_alignment(query: Heard, references: list[Heard]) -> list[float]:
    """Qmax of each reference, relative to the square root of its length (long ones match more by chance)."""
    found = align(query.pitch, [r.pitch for r in references])
    return [a.score / np.sqrt(max(len(r.pitch), 1)) for a, r in zip(found, references, strict=True)]


Scorer = Callable[[Heard, list[Heard]], list[float]]


def corrected_by(cohort: Floats) -> Scorer:
    """Embedding scores less the mean best cosine of the cohort's windows, (c, D), with each reference."""
    usual: dict[str, float] = {}

    def score(query: Heard, references: list[Heard]) -> list[float]:
        for r in references:
            if r.path not in usual:
                usual[r.path] = float((cohort @ r.embeddings[::INDEX_HOP_STEPS].T).max(1).mean())
        return [v - usual[r.path] for v, r in zip(by_embedding(query, references), references, strict=True)]

    return score


def fused(first: Scorer, second: Scorer) -> Scorer:
    """Sum of two scores, each in standard deviations over the references of a query (no fitted weight)."""

    def score(query: Heard, references: list[Heard]) -> list[float]:
        total = np.zeros(len(references))
        for scorer in (first, second):
            scores = np.array(scorer(query, references))
            total += (scores - scores.mean()) / (scores.std() + 1e-9)
        return [float(s) for s in total]

    return score


def cohort_windows(embedder: Embedder, folder: Path) -> Floats:
    """Embeddings of every fifth window of the recordings of a folder, at most two minutes of each."""
    limit = 120 * embedder.contract.sample_rate_hz
    vectors = []
    for path in sorted(p for p in folder.rglob("*") if p.suffix.lower() in {".ogg", ".opus", ".mp3", ".flac", ".wav"}):
        try:
            vectors.append(analyse(_beginning(path, embedder, limit), embedder, hop_steps=5).embeddings)
        except RecognizerError as error:
            print(f"left out: {error}", file=sys.stderr)
    return np.concatenate(vectors)


def _beginning(path: Path, embedder: Embedder, limit: int) -> Iterator[npt.NDArray[np.int16]]:
    length = 0
    for block in decode(path, embedder.contract.sample_rate_hz):
        yield block
        length += len(block)
        if length >= limit:
            return


def retrieval(queries: Iterable[Heard], references: list[Heard], score: Scorer) -> Retrieval | None:
    """Rank every query's work among the works of all other references; None when no query has a reference."""
    ranks, works = [], []
    for query in queries:
        pool = [r for r in references if r.path != query.path]
        if query.work_id not in {r.work_id for r in pool}:
            continue
        best: dict[str, float] = {}
        for reference, value in zip(pool, score(query, pool), strict=True):
            best[reference.work_id] = max(best.get(reference.work_id, -np.inf), value)
        ranks.append(rank_of_work(best, query.work_id))
        works.append(query.work_id)
    return summarise(ranks, works, len({r.work_id for r in references})) if ranks else None


def report(name: str, heard: list[Heard], aligned: bool, cohort: Floats | None) -> None:
    """Print the table of one model."""
    references = [h for h in heard if h.role != "query"]
    scorers: dict[str, Scorer] = {"embedding": by_embedding}
    if cohort is not None:
        scorers["corrected"] = corrected_by(cohort)
    if aligned:
        scorers |= {"alignment": by_alignment, "fused": fused([*scorers.values()][-1], by_alignment)}
    for kind in sorted({h.kind for h in heard if h.kind != "original"}):
        queries = [h for h in heard if h.kind == kind and h.role != "reference"]
        own = [r for r in references if queries and r.group == queries[0].group]
        for pool, chosen in (("own set", own), ("all sets", references)):
            for how, scorer in scorers.items():
                result = retrieval(queries, chosen, scorer)
                if result is not None:
                    print(_line(name, kind, pool, len(chosen), how, result), flush=True)


def _line(name: str, kind: str, pool: str, references: int, how: str, r: Retrieval) -> str:
    top1, mrr = (f"{v[0]:.3f} [{v[1]:.3f}, {v[2]:.3f}]" for v in (r.top1, r.mrr))
    return (
        f"{name} {kind:10s} {pool:8s} refs={references} queries={r.queries} {how:9s} "
        f"top1={top1} MRR={mrr} chance MRR={r.random_mrr:.3f}"
    )


def main(arguments: list[str] | None = None) -> int:
    """Command line of the validation."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("models", type=Path, nargs="+")
    parser.add_argument("--recordings", type=Path, required=True, help="folder with recordings.csv")
    parser.add_argument("--cache", type=Path, required=True, help="folder for what each model heard")
    parser.add_argument("--sets", help="comma-separated sets; default all")
    parser.add_argument("--align", action="store_true", help="add alignment and fusion (slow)")
    parser.add_argument("--cohort", type=Path, help="folder of unrelated recordings to correct scores by")
    options = parser.parse_args(arguments)
    rows = read_rows(options.recordings)
    if options.sets:
        rows = [row for row in rows if row["set"] in options.sets.split(",")]
    for path in options.models:
        embedder = Embedder(path)
        heard = listen(embedder, options.recordings, rows, options.cache)
        cohort = cohort_windows(embedder, options.cohort) if options.cohort else None
        report(embedder.contract.name, heard, options.align, cohort)
    return 0


if __name__ == "__main__":
    sys.exit(main())
