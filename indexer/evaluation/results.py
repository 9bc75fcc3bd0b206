"""Figures of every system for every set of queries, among its own references and among all."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from indexer.evaluation.bench import Bench, Scores, System
from recognizer.evaluation.figures import Figures, figures
from recognizer.evaluation.ranking import Trial, trial

OWN, ALL = "own", "all"


@dataclass(frozen=True, slots=True)
class Result:
    """One system on one set of queries.

    Attributes
    ----------
    group : str
        Set, or ``set/kind``.
    own_set : str
    pool : str
        ``own``: among the references of the set; ``all``: among all references and distractors.
    system : System
    references, works : int
        Ranked against, and their works.
    excluded : int
        Queries without another version there.
    asked : Trial
    queries, columns : list of int
        Numbers of the recordings that were asked for and ranked; rows of ``figures.ranks`` and columns of ``scores``.
    scores : float array, shape (queries, columns)
    figures : Figures
    """

    group: str
    own_set: str
    pool: str
    system: System
    references: int
    works: int
    excluded: int
    asked: Trial
    queries: list[int]
    columns: list[int]
    scores: Scores
    figures: Figures

    def to_json(self) -> dict[str, Any]:
        """JSON values."""
        model = self.system.model
        return {
            "set": self.group,
            "pool": self.pool,
            "system": self.system.name,
            "ranking": self.system.ranking,
            "model_id": None if model is None else model.embedder.model_id,
            "references": self.references,
            "works": self.works,
            "excluded_queries": self.excluded,
            **self.figures.to_json(),
        }


def results(bench: Bench, systems: Sequence[System], *, seed: int) -> list[Result]:
    """Measure every system; sets whose queries have nothing to find give no result."""
    return [
        result
        for group, own_set, rows in groups(bench)
        for pool, columns in _pools(bench, own_set)
        for system in systems
        for result in _measured(bench, system, (group, own_set, pool), rows, columns, seed)
    ]


def groups(bench: Bench) -> list[tuple[str, str, list[int]]]:
    """Queries by set, and by kind within a set that has kinds: (name shown, set, rows)."""
    found: dict[tuple[str, str], list[int]] = {}
    for row, number in enumerate(bench.queries):
        recording = bench.recordings[number]
        found.setdefault((recording.group, recording.group), []).append(row)
        if recording.kind is not None:
            found.setdefault((f"{recording.group}/{recording.kind}", recording.group), []).append(row)
    return [(*names, rows) for names, rows in sorted(found.items())]


def _pools(bench: Bench, own_set: str) -> Iterator[tuple[str, list[int]]]:
    everything = list(range(len(bench.references)))
    own = np.flatnonzero(bench.members(own_set)).tolist()
    if own and len(own) < len(everything):
        yield OWN, own
    yield ALL, everything


def _measured(
    bench: Bench, system: System, where: tuple[str, str, str], rows: list[int], columns: list[int], seed: int
) -> Iterator[Result]:
    asking, everything = bench.queries, bench.references
    queries, references = [asking[row] for row in rows], [everything[column] for column in columns]
    works = [bench.recordings[number].work_id for number in references]
    asked = trial(
        [bench.contents[number] for number in queries],
        [bench.recordings[number].work_id for number in queries],
        [bench.contents[number] for number in references],
        works,
    )
    if not len(asked.rows):
        return
    matrix = system.own if where[2] == OWN else system.everything
    scores = matrix[np.ix_(np.array(rows)[asked.rows], np.array(columns))]
    yield Result(
        group=where[0],
        own_set=where[1],
        pool=where[2],
        system=system,
        references=len(references),
        works=len(set(works)),
        excluded=len(queries) - len(asked.rows),
        asked=asked,
        queries=[queries[row] for row in asked.rows],
        columns=references,
        scores=scores,
        figures=figures(scores, asked, seed=seed),
    )
