"""The run of an evaluation: every model hears every recording, every system ranks, everything is measured."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from rich.progress import BarColumn, MofNCompleteColumn, Progress, SpinnerColumn, TextColumn, TimeRemainingColumn

from indexer import options
from indexer.evaluation.bench import (
    Bench,
    Side,
    System,
    corrected_system,
    embedding_system,
    fused_system,
    qmax_system,
    random_system,
    side,
)
from indexer.evaluation.cache import prune
from indexer.evaluation.listen import AS_IT_IS, Heard, ListenSettings, Model, listen
from indexer.evaluation.lists import Recording, fingerprint
from indexer.evaluation.report import Report
from indexer.evaluation.results import results
from indexer.pool import Outcome, Refused
from recognizer.catalogue.track import clean_text
from recognizer.errors import UsageError
from recognizer.evaluation.alteration import Alteration
from recognizer.search import ALIGN_BUDGET_CELLS

CACHE_BYTES = 4 << 30


@dataclass(frozen=True, slots=True)
class RunSettings:
    """How an evaluation runs.

    Attributes
    ----------
    alteration : Alteration
        Of the queries.
    listening : ListenSettings
    cache_bytes : int
        What may stay in the cache's folder afterwards.
    budget_cells : int
        Alignment per query; 0 for none.
    seed : int
    """

    alteration: Alteration = AS_IT_IS
    listening: ListenSettings = field(default_factory=ListenSettings)
    cache_bytes: int = CACHE_BYTES
    budget_cells: int = ALIGN_BUDGET_CELLS
    seed: int = 0


@dataclass(frozen=True, slots=True)
class Contest:
    """Who is compared: ``models`` by embedding and fusion; ``baseline`` by embedding and Qmax, beside chance."""

    models: Sequence[Model]
    baseline: Model | None

    def baselines(self) -> list[str]:
        """Names of the systems that are there for comparison."""
        if self.baseline is None:
            return []
        tried = self.baseline.name in {model.name for model in self.models}
        return ["random", "Qmax"] if tried else ["random", "Qmax", self.baseline.name]

    def everyone(self) -> list[Model]:
        """Each model once, the baseline first."""
        first = [] if self.baseline is None else [self.baseline]
        known = {model.embedder.model_id: model for model in [*first, *self.models]}
        return list(known.values())


def evaluate(recordings: Sequence[Recording], contest: Contest, settings: RunSettings) -> Report:
    """Run everything.

    Raises
    ------
    UsageError
        When nothing is left to ask for or to rank.
    """
    with _progress() as bar:
        heard = _listen_all(recordings, contest.everyone(), settings, bar)
        refused = {path: why for pair in heard.values() for part in pair for path, why in part.refused.items()}
        bench = _bench(recordings, next(iter(heard.values())), refused)
        sides = {
            model.embedder.model_id: side(bench, model, *heard[model.embedder.model_id])
            for model in contest.everyone()
        }  # fmt: skip
        systems = list(_systems(bench, sides, contest, settings, bar))
    if settings.listening.cache is not None:
        prune(settings.listening.cache, settings.cache_bytes)
    found = results(bench, systems, seed=settings.seed)
    if not found:
        raise UsageError(
            "no query has another version among the references; give versions of one work the same work_id"
        )
    return Report(
        bench, found, fingerprint(bench.recordings, bench.contents), settings.alteration, settings.seed, refused
    )


def _systems(
    bench: Bench, sides: dict[str, Side], contest: Contest, settings: RunSettings, bar: Progress
) -> Iterator[System]:
    budget, first = settings.budget_cells, contest.baseline
    if first is not None:
        yield random_system(bench, settings.seed)
        if budget:
            heard = sides[first.embedder.model_id]
            yield qmax_system(bench, heard, budget, _counter(bar, "Qmax, queries", len(bench.queries)))
        if first.embedder.model_id not in {model.embedder.model_id for model in contest.models}:
            yield embedding_system(sides[first.embedder.model_id])
    for model in contest.models:
        heard = sides[model.embedder.model_id]
        yield embedding_system(heard)
        yield corrected_system(heard)
        if budget:
            on_query = _counter(bar, f"{clean_text(model.name)} fused, queries", len(bench.queries))
            yield fused_system(bench, heard, budget, on_query)


def _listen_all(
    recordings: Sequence[Recording], models: Sequence[Model], settings: RunSettings, bar: Progress
) -> dict[str, tuple[Heard, Heard]]:
    """What each model hears of the references and of the queries; what one cannot read is spared the others."""
    heard: dict[str, tuple[Heard, Heard]] = {}
    refused: set[Path] = set()
    for model in models:
        left = [r for r in recordings if r.path not in refused]
        references = [r.path for r in left if r.is_reference]
        queries = [r.path for r in left if r.is_query]
        plain = settings.alteration == AS_IT_IS
        first = _listen(model, references + queries if plain else references, settings, AS_IT_IS, bar)
        second = first if plain else _listen(model, queries, settings, settings.alteration, bar)
        heard[model.embedder.model_id] = first, second
        refused |= first.refused.keys() | second.refused.keys()
    return heard


def _listen(model: Model, paths: Sequence[Path], settings: RunSettings, alteration: Alteration, bar: Progress) -> Heard:
    name = clean_text(model.name)
    label = f"{name} hears files" if alteration == AS_IT_IS else f"{name} hears queries ({alteration.label})"
    count = _counter(bar, label, len(set(paths)))

    def on_outcome(outcome: Outcome) -> None:
        count()
        if isinstance(outcome, Refused):
            path = clean_text(str(outcome.job.path), 300)
            bar.console.print(f"left out {path}: {outcome.reason}", soft_wrap=True)

    return listen(model, paths, settings.listening, alteration, on_outcome)


def _bench(recordings: Sequence[Recording], heard: tuple[Heard, Heard], refused: dict[Path, str]) -> Bench:
    contents = heard[0].contents | heard[1].contents
    kept = [r for r in recordings if r.path in contents and r.path not in refused]
    bench = Bench(tuple(kept), tuple(contents[r.path] for r in kept))
    if not bench.queries or not bench.references:
        raise UsageError("no query or no reference could be read; check the paths in the list, or --root")
    return bench


def _counter(bar: Progress, description: str, total: int) -> Callable[[], None]:
    task = bar.add_task(description, total=total)
    return lambda: bar.update(task, advance=1)


@contextlib.contextmanager
def _progress() -> Iterator[Progress]:
    columns = (
        SpinnerColumn(), BarColumn(), MofNCompleteColumn(), TextColumn("{task.description}"), TimeRemainingColumn(),
    )  # fmt: skip
    with Progress(*columns, console=options.terminal()) as bar:
        yield bar
