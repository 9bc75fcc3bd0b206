"""Retrieval by the embedding alone on a folder of recordings with known works: the figures of the model's card.

The folder holds ``recordings.csv`` with the columns ``path, set, work_id, role``. Recordings whose role is
``reference`` or ``either`` form one pool; every ``query`` is ranked against all of it, and every ``either`` against the
rest of it where its work has another recording there. The score of a work is the highest inner product of any
window of the query (every step) with any window of any of its recordings (every index hop). No alignment, no
voting over time: this is the weakest stage of the line by itself.
"""

from __future__ import annotations

import argparse
import csv
import json
import re
import sys
from collections import defaultdict
from collections.abc import Iterable
from dataclasses import asdict, dataclass
from pathlib import Path

from models.baseline.metrics import Retrieval, rank_of_work, summarise
from recognizer.decode import decode
from recognizer.embedder import Embedder
from recognizer.errors import RecognizerError, UsageError
from recognizer.reference import analyse
from recognizer.released import baseline_model_path
from recognizer.step import Floats


@dataclass(frozen=True, slots=True)
class Recording:
    """One line of ``recordings.csv`` (``group`` is what results are reported by)."""

    path: str
    work_id: str
    role: str
    group: str


def read_recordings(folder: Path) -> list[Recording]:
    """The usable lines of ``recordings.csv``: one group per set, and per kind of query where a set has several."""
    manifest = folder / "recordings.csv"
    try:
        with manifest.open(encoding="utf-8", newline="") as file:
            rows = list(csv.DictReader(file))
        recordings = []
        for row in rows:
            group = row["set"]
            if row["role"] == "query":
                group += "/" + re.sub(r"-\d+$", "", Path(row["path"]).stem)  # "kr-2" is another "kr"
            recordings.append(Recording(row["path"], row["work_id"], row["role"], group))
    except (OSError, KeyError) as error:
        raise UsageError(
            f"{manifest} cannot be used ({error}); expected a CSV with the columns path, set, work_id, role"
        ) from error
    # Folders may hold notation beside the audio.
    return [r for r in recordings if (folder / r.path).suffix.lower() not in {".txt", ".mid", ".midi"}]


def retrieve(recordings: Iterable[Recording], windows: dict[tuple[str, str], Floats]) -> dict[str, Retrieval]:
    """Rank every query.

    Parameters
    ----------
    recordings : iterable of Recording
    windows : dict
        (path, ``"query"`` or ``"reference"``) to unit embeddings, shape (windows, dimension).

    Returns
    -------
    dict
        Results by group and of all queries together (``all``).
    """
    everything = list(recordings)
    pool = [r for r in everything if r.role in ("reference", "either")]
    ranks: dict[str, list[tuple[int, str]]] = defaultdict(list)
    for query in everything:
        others = [r for r in pool if r.path != query.path]
        if query.role not in ("query", "either") or query.work_id not in {r.work_id for r in others}:
            continue
        scores: dict[str, float] = {}
        for other in others:
            best = float((windows[query.path, "query"] @ windows[other.path, "reference"].T).max())
            scores[other.work_id] = max(scores.get(other.work_id, -1.0), best)
        ranks[query.group].append((rank_of_work(scores, query.work_id), query.work_id))
    ranks["all"] = [found for group in ranks.values() for found in group]
    candidates = len({r.work_id for r in pool})
    return {
        group: summarise([rank for rank, _ in found], [work for _, work in found], candidates)
        for group, found in ranks.items()
    }


def embed_all(folder: Path, recordings: Iterable[Recording], embedder: Embedder) -> dict[tuple[str, str], Floats]:
    """Embeddings of every recording, as a query at every step and as a reference at the index hop."""
    windows = {}
    sides = (("query", 1, ("query", "either")), ("reference", None, ("reference", "either")))
    for recording in recordings:
        for side, hop_steps, roles in sides:
            if recording.role in roles:
                blocks = decode(folder / recording.path, embedder.contract.sample_rate_hz)
                windows[recording.path, side] = analyse(blocks, embedder, hop_steps=hop_steps).embeddings
    return windows


def report(results: dict[str, Retrieval], references: int, works: int) -> list[str]:
    """The table printed, one line per group."""
    lines = [
        f"{references} references of {works} works; 95 % bootstrap intervals over works",
        f"{'group':<18}{'queries':>8}  {'top-1':<22}{'MRR':<22}{'random top-1 / MRR'}",
    ]
    for group, found in results.items():
        top1, mrr = ("{:.3f} [{:.3f}, {:.3f}]".format(*value) for value in (found.top1, found.mrr))
        lines.append(
            f"{group:<18}{found.queries:>8}  {top1:<22}{mrr:<22}{found.random_top1:.3f} / {found.random_mrr:.3f}"
        )
    return lines


def main(arguments: list[str] | None = None) -> int:
    """Run the command."""
    parser = argparse.ArgumentParser(prog="python -m models.baseline.check", description=(__doc__ or "").split("\n")[0])
    parser.add_argument("--data", type=Path, required=True, help="folder with recordings.csv")
    parser.add_argument("--model", type=Path, help="model file (default: the released one)")
    parser.add_argument("--json", action="store_true", help="print one JSON object instead of a table")
    options = parser.parse_args(arguments)
    try:
        recordings = read_recordings(options.data)
        embedder = Embedder(options.model or baseline_model_path())
        results = retrieve(recordings, embed_all(options.data, recordings, embedder))
    except RecognizerError as error:
        print(error, file=sys.stderr)
        return 2
    pool = [r for r in recordings if r.role in ("reference", "either")]
    works = len({r.work_id for r in pool})
    if options.json:
        groups = {group: asdict(found) for group, found in results.items()}
        figures = {"model_id": embedder.model_id, "references": len(pool), "works": works, "groups": groups}
        print(json.dumps(figures, indent=2))
    else:
        print("\n".join(report(results, len(pool), works)))
    return 0


if __name__ == "__main__":
    sys.exit(main())
