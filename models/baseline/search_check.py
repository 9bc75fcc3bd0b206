"""Retrieval by the whole search (embedding, then alignment) on a folder of recordings with known works.

The same folder, pool and metrics as `models.baseline.check`; what is ranked here is what ``indexer search`` answers.
"""

from __future__ import annotations

import argparse
import hashlib
import sys
import tempfile
from collections import defaultdict
from pathlib import Path

from models.baseline.check import Recording, read_recordings, report
from models.baseline.metrics import Retrieval, summarise
from recognizer.catalogue import Catalogue, CatalogueView, CatalogueWriter, Track
from recognizer.decode import decode
from recognizer.embedder import Embedder
from recognizer.errors import RecognizerError
from recognizer.reference import Analysis, analyse
from recognizer.released import baseline_model_path
from recognizer.search import search


class Pool:
    """The references as a catalogue from which a query's own recording can be left out."""

    def __init__(self, directory: Path, embedder: Embedder) -> None:
        self._directory, self._embedder = directory, embedder
        self._analyses: dict[str, tuple[Recording, Analysis]] = {}

    def fill(self, folder: Path, recordings: list[Recording]) -> None:
        """Index the references of ``folder``."""
        rate_hz = self._embedder.contract.sample_rate_hz
        for recording in recordings:
            if recording.role in ("reference", "either"):
                analysis = analyse(decode(folder / recording.path, rate_hz), self._embedder)
                self._analyses[recording.path] = (recording, analysis)
        self._write(list(self._analyses), [])

    def _write(self, add: list[str], remove: list[str]) -> None:
        with CatalogueWriter(self._directory, self._embedder.contract, self._embedder.model_id) as writer:
            writer.remove(remove)
            for path in add:
                recording, a = self._analyses[path]
                sha256 = hashlib.sha256(path.encode()).hexdigest()
                unknown = (None,) * 5
                track = Track(path, recording.work_id, *unknown, sha256, a.duration_s, len(a.embeddings))
                writer.add(track, a.embeddings, a.starts_s, a.pitch, a.pieces)
            writer.commit()

    def view(self) -> CatalogueView:
        """All references."""
        return Catalogue.open(self._directory).view()

    def view_without(self, path: str) -> CatalogueView:
        """All references but one."""
        self._write([], [path])
        view = self.view()
        self._write([path], [])
        return view


def retrieve(folder: Path, recordings: list[Recording], embedder: Embedder) -> dict[str, Retrieval]:
    """Rank every query by the search; results by group and of all queries together (``all``)."""
    works = defaultdict(list)
    for recording in recordings:
        if recording.role in ("reference", "either"):
            works[recording.work_id].append(recording.path)
    ranks: dict[str, list[tuple[int, str]]] = defaultdict(list)
    with tempfile.TemporaryDirectory() as scratch:
        pool = Pool(Path(scratch) / "catalogue", embedder)
        pool.fill(folder, recordings)
        everything = pool.view()
        for query in recordings:
            if query.role not in ("query", "either") or not set(works[query.work_id]) - {query.path}:
                continue
            view = pool.view_without(query.path) if query.role == "either" else everything
            blocks = decode(folder / query.path, embedder.contract.sample_rate_hz)
            found = search(view, analyse(blocks, embedder, hop_steps=1), len(works))
            rank = next(row.rank for row in found if row.work_id == query.work_id)
            ranks[query.group].append((rank, query.work_id))
    ranks["all"] = [found for group in ranks.values() for found in group]
    return {
        group: summarise([rank for rank, _ in found], [work for _, work in found], len(works))
        for group, found in ranks.items()
    }


def main(arguments: list[str] | None = None) -> int:
    """Run the command."""
    parser = argparse.ArgumentParser(
        prog="python -m models.baseline.search_check", description=(__doc__ or "").split("\n")[0]
    )
    parser.add_argument("--data", type=Path, required=True, help="folder with recordings.csv")
    parser.add_argument("--model", type=Path, help="model file (default: the released one)")
    options = parser.parse_args(arguments)
    try:
        recordings = read_recordings(options.data)
        embedder = Embedder(options.model or baseline_model_path())
        results = retrieve(options.data, recordings, embedder)
    except RecognizerError as error:
        print(error, file=sys.stderr)
        return 2
    pool = [r for r in recordings if r.role in ("reference", "either")]
    print("\n".join(report(results, len(pool), len({r.work_id for r in pool}))))
    return 0


if __name__ == "__main__":
    sys.exit(main())
