"""One evaluation: which queries meet which references, and the scores that each system gives them."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt

from indexer.evaluation.listen import Heard, Model
from indexer.evaluation.lists import Recording
from recognizer.catalogue import CatalogueView, Track
from recognizer.catalogue.manifest import Manifest
from recognizer.catalogue.segment import TrackData
from recognizer.contract import ModelContract
from recognizer.evaluation import qmax
from recognizer.reference import Analysis
from recognizer.search import ReferenceScorer, track_nearness, track_similarity
from recognizer.step import Floats

Scores = npt.NDArray[np.floating]
CORRECTED = "hub-corrected"
OnQuery = Callable[[], None]
_QMAX_NOT_COMPARED = -2.0


@dataclass(frozen=True, slots=True)
class Bench:
    """Recordings that every model could read.

    Attributes
    ----------
    recordings : tuple of Recording
    contents : tuple of str
        SHA-256 of each.
    """

    recordings: tuple[Recording, ...]
    contents: tuple[str, ...]

    @property
    def queries(self) -> list[int]:
        """Numbers of the recordings that are asked for."""
        return [number for number, r in enumerate(self.recordings) if r.is_query]

    @property
    def references(self) -> list[int]:
        """Numbers of the recordings that queries are ranked against; what several sets list is there once."""
        first: dict[tuple[str, str], str] = {}
        return [
            number
            for number, recording in enumerate(self.recordings)
            if recording.is_reference and first.setdefault(self._key(number), recording.group) == recording.group
        ]

    def _key(self, number: int) -> tuple[str, str]:
        return self.contents[number], self.recordings[number].work_id

    def members(self, group: str) -> npt.NDArray[np.bool_]:
        """Whether a set lists a reference, shape (references,)."""
        listed = {self._key(n) for n, r in enumerate(self.recordings) if r.is_reference and r.group == group}
        return np.array([self._key(number) in listed for number in self.references], dtype=np.bool_)

    def own(self) -> npt.NDArray[np.bool_]:
        """Whether a reference belongs to the query's set, shape (queries, references)."""
        groups = [self.recordings[number].group for number in self.queries]
        members = {group: self.members(group) for group in dict.fromkeys(groups)}
        return np.array([members[group] for group in groups], dtype=np.bool_)

    def others(self) -> npt.NDArray[np.bool_]:
        """Whether a reference is another recording than the query, shape (queries, references)."""
        left = np.array([self.contents[number] for number in self.queries], dtype=object)
        right = np.array([self.contents[number] for number in self.references], dtype=object)
        mask: npt.NDArray[np.bool_] = left[:, None] != right[None, :]
        return mask


@dataclass(frozen=True, slots=True)
class System:
    """What is compared: scores of every query with every reference, shape (queries, references), higher is nearer.

    ``everything`` is for rankings of all references, ``own`` for rankings within the query's set; they differ only
    where the score of a pair depends on what else is ranked.
    """

    name: str
    ranking: str
    model: Model | None
    everything: Scores
    own: Scores


@dataclass(frozen=True, slots=True)
class Side:
    """A model's view of the references, and its analyses of the queries in their order."""

    model: Model
    view: CatalogueView
    queries: tuple[Analysis, ...]
    similarity: Floats
    nearness: Floats


def side(bench: Bench, model: Model, references: Heard, queries: Heard) -> Side:
    """Put the references into a catalogue in memory and compare embeddings."""
    works = [bench.recordings[number] for number in bench.references]
    rows = [
        _row(number, recording, references, model.embedder.contract) for number, recording in enumerate(works)
    ]  # fmt: skip
    empty = Manifest.empty(model.embedder.contract, model.embedder.model_id)
    view = CatalogueView(replace(empty, tracks=len(rows)), rows)
    asked = tuple(queries.analyses[bench.recordings[number].path] for number in bench.queries)
    similarity = np.stack([track_similarity(view, analysis) for analysis in asked])
    return Side(model, view, asked, similarity, np.stack([track_nearness(view, analysis) for analysis in asked]))


def _row(number: int, recording: Recording, heard: Heard, contract: ModelContract) -> TrackData:
    """A reference as the catalogue keeps it: windows at the index hop, pitch in bytes."""
    analysis, hop = heard.analyses[recording.path], contract.index_hop_steps
    vectors = analysis.embeddings[::hop]
    track = Track(
        reference_id=f"{number:07}", work_id=recording.work_id, title=None, artist=None, isrc=None, iswc=None,
        path=None, sha256=heard.contents[recording.path], duration_s=analysis.duration_s, windows=len(vectors),
    )  # fmt: skip
    return TrackData.of(track, vectors, analysis.starts_s[::hop], analysis.pitch, analysis.pieces)


def random_system(bench: Bench, seed: int) -> System:
    """Scores drawn from nothing."""
    scores = np.random.default_rng(seed).random((len(bench.queries), len(bench.references)), dtype=np.float32)
    return System("random", "random", None, scores, scores)


def embedding_system(heard: Side) -> System:
    """The embedding alone."""
    return System(heard.model.name, "embedding", heard.model, heard.similarity, heard.similarity)


def corrected_system(heard: Side) -> System:
    """The embedding whitened, against what strangers get of each reference, as the search has it."""
    return System(heard.model.name, CORRECTED, heard.model, heard.nearness, heard.nearness)


def fused_system(bench: Bench, heard: Side, budget_cells: int, on_query: OnQuery) -> System:
    """What ``indexer search`` answers: the embedding first, then alignment of as many as the budget allows."""
    own, others = bench.own(), bench.others()
    everything = np.empty(own.shape, dtype=np.float64)
    within = everything if own.all() else np.empty_like(everything)
    for row, analysis in enumerate(heard.queries):
        scorer = ReferenceScorer(
            heard.view, analysis, budget_cells=budget_cells, nearness=heard.nearness[row]
        )  # fmt: skip
        everything[row] = scorer.scores(np.flatnonzero(others[row]).tolist())
        if within is not everything:
            within[row] = scorer.scores(np.flatnonzero(others[row] & own[row]).tolist())
        on_query()
    return System(heard.model.name, "fused", heard.model, everything, within)


def qmax_system(bench: Bench, heard: Side, budget_cells: int, on_query: OnQuery) -> System:
    """Qmax on a model's chroma, of as many references as the budget allows, nearest embeddings first."""
    fps, own = heard.view.pitch_fps, bench.own()
    references = [qmax.at_fps(heard.view.pitch(number), fps) for number in range(len(heard.view.tracks))]
    frames = np.array([len(reference) for reference in references], dtype=np.float64)
    everything = np.empty(own.shape, dtype=np.float64)
    within = everything if own.all() else np.empty_like(everything)
    pools = [(everything, np.ones_like(own))] + ([] if within is everything else [(within, own)])
    limited = False
    for row, analysis in enumerate(heard.queries):
        query = qmax.at_fps(analysis.pitch, fps)
        known: dict[int, float] = {}
        for target, mask in pools:
            columns = np.flatnonzero(mask[row])
            order = columns[np.argsort(-heard.similarity[row, columns], kind="stable")]
            cost = np.cumsum([qmax.cells(query, count) for count in frames[order]])
            compared = order[: max(1, int(np.searchsorted(cost, budget_cells, side="right")))].tolist()
            limited |= len(compared) < len(order)
            _compare(query, references, [number for number in compared if number not in known], known)
            target[row] = _QMAX_NOT_COMPARED + heard.similarity[row]
            target[row, compared] = [known[number] for number in compared]
        on_query()
    ranking = f"Qmax of {heard.model.name}'s nearest" if limited else "Qmax"
    return System("Qmax", ranking, heard.model, everything, within)


def _compare(query: Floats, references: Sequence[Floats], todo: Sequence[int], known: dict[int, float]) -> None:
    found = qmax.similarity(query, [references[number] for number in todo])
    known |= dict(zip(todo, found.tolist(), strict=True))
