"""``indexer search``: which works a recording is a version of."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Annotated, Any

import typer

from indexer import options, pool
from indexer.options import CatalogueOption, JobsOption, JsonOption, ModelOption, TimeoutOption
from indexer.pool import STALL_S, Analysed, Job, Outcome, PoolSettings, Refused
from recognizer.catalogue import Catalogue
from recognizer.catalogue.track import clean_text
from recognizer.search import SearchResult
from recognizer.search import search as search_works

_EVERY_STEP = 1


def search(
    files: Annotated[list[Path], typer.Argument(metavar="FILE...", help="Recordings to look up.")],
    top: Annotated[int, typer.Option("--top", min=1, metavar="K", help="Works to list; may be all of them.")] = 10,
    catalogue: CatalogueOption = None,
    model: ModelOption = None,
    jobs: JobsOption = None,
    timeout: TimeoutOption = STALL_S,
    json: JsonOption = False,
) -> None:
    """Rank the works of the catalogue by how likely each file is a version of them.

    With --json one line per file, in their order: {"query": path, "results": [{"rank", "work_id", "reference_id",
    "title", "artist", "score", "transpose_semitones", "tempo_ratio", "query_start_s", "reference_start_s"} …]}, best
    first, one row per work at most; what is not known is null. Scores order the works of one query; they are no
    probabilities.

    Exit code: 1 when a file could not be read; the others are answered all the same.
    """
    embedder = options.open_model(model)
    view = Catalogue.open(options.catalogue_dir(catalogue)).view()
    view.require_model(embedder.model_id, embedder.contract.name)
    settings = PoolSettings(
        options.model_path(model),
        embedder.contract,
        jobs=min(options.job_count(jobs), len(files)),
        hop_steps=_EVERY_STEP,
        stall_s=timeout,
    )
    refused = False
    todo = [Job(path, number) for number, path in enumerate(files)]
    for outcome in in_order(pool.run(settings, todo)):
        if isinstance(outcome, Analysed):
            _print(outcome.job.path, search_works(view, outcome.analysis, top), json)
        elif isinstance(outcome, Refused):
            refused = True
            options.complain(f"{clean_text(str(outcome.job.path), 300)}: {outcome.reason}")
    raise typer.Exit(options.SOME_REFUSED if refused else options.DONE)


def in_order(outcomes: Iterable[Outcome]) -> Iterator[Outcome]:
    """Outcomes by the number in their job's ``about``, each as soon as those before it have come."""
    waiting: dict[int, Outcome] = {}
    following = 0
    for outcome in outcomes:
        waiting[outcome.job.about] = outcome
        while following in waiting:
            yield waiting.pop(following)
            following += 1


def _print(path: Path, results: list[SearchResult], json: bool) -> None:
    if json:
        line: dict[str, Any] = {"query": str(path), "results": [result.to_json() for result in results]}
        options.print_json(line)
        return
    print(clean_text(str(path), 300))
    for row in results:
        name = f"{row.title or '(no title)'}{f' — {row.artist}' if row.artist else ''}"
        key = "" if row.transpose_semitones is None else f"  {row.transpose_semitones:+d} semitones"
        tempo = "" if row.tempo_ratio is None else f"  tempo × {row.tempo_ratio:.2f}"
        places = (row.query_start_s, row.reference_start_s)
        where = "" if None in places else f"  {_clock(places[0])} is {_clock(places[1])} of the reference"
        print(f"{row.rank:4}  {row.score:8.3f}  {row.work_id}  {name}{key}{tempo}{where}")


def _clock(seconds: float | None) -> str:
    whole = int(seconds or 0)
    return f"{whole // 60}:{whole % 60:02}"
