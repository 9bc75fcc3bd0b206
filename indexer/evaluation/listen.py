"""Has recordings analysed in child processes, or takes what an earlier run kept."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from pathlib import Path

from indexer import pool
from indexer.evaluation.cache import AnalysisCache
from indexer.pool import STALL_S, Analysed, Job, Outcome, PoolSettings, Refused, Skipped
from recognizer.catalogue.track import clean_text
from recognizer.embedder import Embedder
from recognizer.evaluation.alteration import Alteration
from recognizer.reference import Analysis

_EVERY_STEP = 1
AS_IT_IS = Alteration()


@dataclass(frozen=True, slots=True)
class Model:
    """A model to try: its file, and the name it is reported under."""

    path: Path
    embedder: Embedder
    name: str

    @classmethod
    def load(cls, path: Path) -> Model:
        """Load a model; its name is that of its contract."""
        embedder = Embedder(path)
        return cls(path, embedder, clean_text(embedder.contract.name) or "unnamed")


@dataclass(slots=True)
class Heard:
    """What a model made of files.

    Attributes
    ----------
    analyses : dict of Path to Analysis
        With a window at every step.
    contents : dict of Path to str
        SHA-256 of each.
    refused : dict of Path to str
        With the reason.
    """

    analyses: dict[Path, Analysis] = field(default_factory=dict)
    contents: dict[Path, str] = field(default_factory=dict)
    refused: dict[Path, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class ListenSettings:
    """How files are read.

    Attributes
    ----------
    jobs : int
        Files at once.
    stall_s : float
        Longest time without progress on one.
    cache : Path or None
        Folder of kept analyses.
    """

    jobs: int = 1
    stall_s: float = STALL_S
    cache: Path | None = None


def listen(
    model: Model,
    paths: Iterable[Path],
    settings: ListenSettings,
    alteration: Alteration = AS_IT_IS,
    on_outcome: Callable[[Outcome], None] = lambda outcome: None,
) -> Heard:
    """Analyse files, each once."""
    heard = Heard()
    jobs = [Job(path) for path in dict.fromkeys(paths)]
    contract = model.embedder.contract
    cache = None
    if settings.cache is not None:
        cache = AnalysisCache(settings.cache, model.embedder.model_id, contract, alteration.label)
    kept: dict[str, Analysis] = {}

    def wanted(sha256: str) -> bool:
        if cache is not None and sha256 not in kept and (analysis := cache.get(sha256)) is not None:
            kept[sha256] = analysis
        return sha256 not in kept

    pool_settings = PoolSettings(
        model.path, contract, jobs=min(settings.jobs, len(jobs) or 1), hop_steps=_EVERY_STEP, wanted=wanted,
        stall_s=settings.stall_s, alteration=alteration,
    )  # fmt: skip
    with contextlib.closing(pool.run(pool_settings, jobs)) as outcomes:
        for outcome in outcomes:
            path = outcome.job.path
            if isinstance(outcome, Refused):
                heard.refused[path] = outcome.reason
            elif isinstance(outcome, Analysed):
                kept[outcome.sha256] = outcome.analysis
                if cache is not None:
                    cache.put(outcome.sha256, outcome.analysis)
            if isinstance(outcome, Analysed | Skipped):
                heard.analyses[path], heard.contents[path] = kept[outcome.sha256], outcome.sha256
            on_outcome(outcome)
    return heard
