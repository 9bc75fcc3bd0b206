"""Scores of references: a ranking among some of them is the ranking of a catalogue that holds only these."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from recognizer.catalogue import CatalogueView, Track
from recognizer.catalogue.manifest import Manifest
from recognizer.catalogue.segment import TrackData, quantise
from recognizer.contract import ModelContract
from recognizer.reference import Analysis
from recognizer.search import ReferenceScorer, search, track_similarities, track_similarity

CONTRACT = ModelContract("test", 16_000, 32_000, 0, 10, 2, 8, 12, 8, 12, 16, {})


def analysis(seed: int, windows: int, frames: int = 120) -> Analysis:
    rng = np.random.default_rng(seed)
    vectors = rng.standard_normal((windows, 16)).astype(np.float32)
    vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
    notes = np.repeat(rng.integers(0, 12, frames), 4)[:frames]
    pitch = (np.eye(12, dtype=np.float32)[notes] + 0.1 * rng.random((frames, 12))).astype(np.float32)
    return Analysis(vectors, np.arange(windows, dtype=np.float32), pitch, frames / 4)


def view_of(seeds: list[int]) -> CatalogueView:
    rows = []
    for seed in seeds:
        a = analysis(seed, 1 + seed % 4)
        track = Track(f"r{seed}", f"w{seed // 2}", None, None, None, None, None, "0" * 64, a.duration_s, 1 + seed % 4)
        rows.append(TrackData(track, a.embeddings, a.starts_s, *quantise(a.pitch)))
    return CatalogueView(replace(Manifest.empty(CONTRACT, "sha256:" + "0" * 64), tracks=len(rows)), rows)


def test_similarities_of_many_queries_are_those_of_each(monkeypatch: pytest.MonkeyPatch) -> None:
    view, queries = view_of(list(range(9))), [analysis(seed, 5 + seed % 7).embeddings for seed in range(50, 60)]
    monkeypatch.setattr("recognizer.search._BLOCK_CELLS", 1)  # blocks that end within queries
    together = track_similarities(view, queries)
    for row, query in zip(together, queries, strict=True):
        slow = [
            np.mean([max(w @ view.vectors[n] for n in np.flatnonzero(view.vector_track == track)) for w in query])
            for track in range(9)
        ]
        assert row == pytest.approx(slow, abs=1e-6)
        assert track_similarity(view, query) == pytest.approx(row, abs=1e-6)
    assert track_similarities(view, []).shape == (0, 9)


@pytest.mark.parametrize("budget_cells", [0, 6_000, 10_000_000])
def test_among_some_is_a_catalogue_of_these(budget_cells: int) -> None:
    query, among = analysis(3, 4), [1, 3, 4, 7]
    scorer = ReferenceScorer(view_of(list(range(8))), query, budget_cells=budget_cells)
    everything = scorer.scores()
    some = scorer.scores(among)
    alone = ReferenceScorer(view_of(among), query, budget_cells=budget_cells).scores()
    assert some[among] == pytest.approx(alone, abs=1e-5)
    assert np.isneginf(np.delete(some, among)).all()
    assert scorer.scores() == pytest.approx(everything)  # asking twice changes nothing
    if budget_cells > 6_000:
        assert everything.argmax() == 3


def test_the_search_ranks_by_these_scores() -> None:
    view, query = view_of(list(range(8))), analysis(7, 4)
    scores = ReferenceScorer(view, query).scores()
    best = {f"w{work}": max(scores[2 * work], scores[2 * work + 1]) for work in range(4)}
    found = search(view, query, 10)
    assert [row.work_id for row in found] == sorted(best, key=lambda work: -best[work])
    assert [row.score for row in found] == [round(best[row.work_id], 4) for row in found]
    assert found[0].reference_id == "r7" and found[0].transpose_semitones == 0
