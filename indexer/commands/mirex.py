"""``indexer mirex``: the call and the answer that MIREX's cover song task asks for."""

from __future__ import annotations

import contextlib
import os
import tempfile
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Annotated, TextIO

import numpy as np
import numpy.typing as npt
import typer

from indexer import options
from indexer.evaluation import lists
from indexer.evaluation.bench import Bench, System, embedding_system, fused_system, side
from indexer.evaluation.listen import Heard, ListenSettings, Model, listen
from indexer.evaluation.lists import Recording
from indexer.options import JobsOption, ModelOption, TimeoutOption
from indexer.pool import STALL_S, Outcome, Refused

_CELLS = 1_000_000
Doubles = npt.NDArray[np.float64]


def mirex(
    collection_list: Annotated[Path, typer.Argument(help="Files to search in, one path a line.")],
    query_list: Annotated[Path, typer.Argument(help="Files to ask for, one path a line.")],
    work_dir: Annotated[Path, typer.Argument(help="Folder for what is kept between runs.")],
    output: Annotated[Path, typer.Argument(help="File to write the distances to.")],
    model: ModelOption = None,
    align_budget: Annotated[
        float,
        typer.Option("--align-budget", min=0, metavar="MILLIONS", help="Cells aligned per query; 0 for no alignment."),
    ] = 40,
    jobs: JobsOption = None,
    timeout: TimeoutOption = STALL_S,
) -> None:
    """Write the distance of every query to every file of a collection, in the format of MIREX.

    Tab-separated: a title; a line for every file of the collection with its number; a line `Q/R` with the numbers; a
    line for every query with its number and its distances, 0 for the file itself. Queries that are not in the
    collection are numbered on from its last. A file that cannot be read is farthest from everything.

    Exit code: 1 when a file could not be read.
    """
    collection, queries = lists.read_paths(collection_list), lists.read_paths(query_list)
    loaded = Model.load(options.model_path(model))
    work_dir.mkdir(parents=True, exist_ok=True)
    heard = listen(
        loaded,
        [*collection, *queries],
        ListenSettings(options.job_count(jobs), timeout, work_dir),
        on_outcome=_complain,
    )
    matrix = _distances(collection, queries, loaded, heard, round(align_budget * _CELLS))
    with _replacing(output) as file:
        write(file, f"{loaded.name} {loaded.embedder.model_id[:19]}", collection, queries, matrix)
    raise typer.Exit(options.SOME_REFUSED if heard.refused else options.DONE)


def _complain(outcome: Outcome) -> None:
    if isinstance(outcome, Refused):
        options.complain(f"{outcome.job.path}: {outcome.reason}")


def _distances(
    collection: Sequence[Path], queries: Sequence[Path], model: Model, heard: Heard, budget_cells: int
) -> Doubles:
    """Distances, shape (queries, files of the collection): how far a score is below the best of all."""
    rows = [number for number, path in enumerate(queries) if path in heard.analyses]
    columns = [number for number, path in enumerate(collection) if path in heard.analyses]
    if not rows or not columns:
        return np.ones((len(queries), len(collection)))
    heard_queries, heard_files = [queries[n] for n in rows], [collection[n] for n in columns]
    scores = _system(heard_queries, heard_files, model, heard, budget_cells).everything
    known = scores[np.isfinite(scores)]  # a file's score with itself is not
    best, worst = (float(known.max()), float(known.min())) if known.size else (0.0, 0.0)
    distances = np.full((len(queries), len(collection)), best - worst + 1)
    distances[np.ix_(rows, columns)] = np.where(np.isfinite(scores), best - scores, 0.0)
    return distances


def _system(
    queries: Sequence[Path], collection: Sequence[Path], model: Model, heard: Heard, budget_cells: int
) -> System:
    recordings = [Recording(path, str(path), "unknown", "reference") for path in collection]
    recordings += [Recording(path, str(path), "unknown", "query") for path in queries]
    bench = Bench(tuple(recordings), tuple(heard.contents[r.path] for r in recordings))
    both = side(bench, model, heard, heard)
    if budget_cells:
        return fused_system(bench, both, budget_cells, lambda: None)
    found = embedding_system(both)
    alone = np.where(bench.others(), found.everything, -np.inf)
    return System(found.name, found.ranking, found.model, alone, alone)


def write(file: TextIO, title: str, collection: Sequence[Path], queries: Sequence[Path], matrix: Doubles) -> None:
    """Write a distance matrix; ``matrix`` has shape (queries, files of the collection)."""
    file.write(f"{' '.join(title.split())}\n")
    for number, path in enumerate(collection):
        file.write(f"{number + 1}\t{path}\n")
    file.write("\t".join(["Q/R", *(str(number + 1) for number in range(len(collection)))]) + "\n")
    known: dict[Path, int] = {}
    for number, path in enumerate(collection):
        known.setdefault(path, number + 1)
    following = len(collection)
    for path, row in zip(queries, matrix, strict=True):
        if path not in known:
            following += 1
            known[path] = following
        file.write("\t".join([str(known[path]), *(f"{value:.6f}" for value in row)]) + "\n")


@contextlib.contextmanager
def _replacing(path: Path) -> Iterator[TextIO]:
    """A file that is there whole, or not at all."""
    descriptor, temporary = tempfile.mkstemp(dir=path.parent, prefix=path.name, suffix=".part")
    try:
        with os.fdopen(descriptor, "w", encoding="utf-8") as file:
            yield file
        os.replace(temporary, path)
    except BaseException:
        with contextlib.suppress(OSError):
            os.unlink(temporary)
        raise
