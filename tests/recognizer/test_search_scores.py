"""Scores of references: embedding less hubs, evidence of the nearest, and rankings among some of them."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from recognizer.catalogue import CatalogueView, Track
from recognizer.catalogue.manifest import Manifest
from recognizer.catalogue.segment import TrackData, quantise
from recognizer.contract import ModelContract
from recognizer.matcher import MatcherSettings
from recognizer.reference import Analysis
from recognizer.search import LONG_STACKS, ReferenceScorer, search, track_nearness, track_similarity
from recognizer.second_opinion import opinions

HOP_S = 1.0  # of queries and references
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


def by_the_book(view: CatalogueView, track: int, query: Analysis) -> float:
    """The best line of each six windows, one line after another."""
    own = view.vectors[view.vector_track == track]
    total = 0.0
    for start in range(0, len(query.embeddings), 6):
        stretch = query.embeddings[start : start + 6]
        lines = []
        for ratio in (0.8, 1.0, 1.25):
            for at in range(len(own)):
                places = [min(at + round(ratio * i), len(own) - 1) for i in range(len(stretch))]
                lines.append(sum(float(w @ own[place]) for w, place in zip(stretch, places, strict=True)))
        total += max(lines)
    return total / len(query.embeddings)


def test_similarity_is_that_of_the_best_lines_of_time() -> None:
    view, queries = view_of(list(range(9))), [analysis(seed, 5 + seed % 9) for seed in range(50, 60)]
    for query in queries:
        slow = [by_the_book(view, track, query) for track in range(9)]
        assert track_similarity(view, query) == pytest.approx(slow, abs=1e-5)
    assert track_similarity(view_of([]), queries[0]).shape == (0,)


def test_a_catalogue_without_times_is_searched_all_the_same() -> None:
    song = analysis(5, 8)
    track = Track("r", "w", None, None, None, None, None, "0" * 64, song.duration_s, 8)
    row = TrackData(track, song.embeddings, np.zeros(8, np.float32), *quantise(song.pitch))
    view = CatalogueView(replace(Manifest.empty(CONTRACT, "sha256:" + "0" * 64), tracks=1), [row])
    assert np.isfinite(track_similarity(view, song)).all()


def test_windows_in_order_are_nearer_than_the_same_out_of_order() -> None:
    song = analysis(5, 24)
    track = Track("r", "w", None, None, None, None, None, "0" * 64, song.duration_s, 24)
    row = TrackData(track, song.embeddings, HOP_S * np.arange(24, dtype=np.float32), *quantise(song.pitch))
    view = CatalogueView(replace(Manifest.empty(CONTRACT, "sha256:" + "0" * 64), tracks=1), [row])
    once = replace(song, embeddings=song.embeddings[4:10], starts_s=HOP_S * np.arange(6, dtype=np.float32))
    mixed = replace(once, embeddings=once.embeddings[[3, 0, 5, 1, 4, 2]])
    assert track_similarity(view, once)[0] == pytest.approx(1.0, abs=1e-5)
    assert track_similarity(view, mixed)[0] < 0.7


@pytest.mark.parametrize("budget_cells", [0, 6_000, 10_000_000])
def test_a_ranking_among_some_spends_the_budget_on_these(budget_cells: int) -> None:
    query, among = analysis(3, 4), [1, 3, 4, 7]
    view = view_of(list(range(8)))
    scorer = ReferenceScorer(view, query, budget_cells=budget_cells)
    everything = scorer.scores()
    some = scorer.scores(among)
    nearness = ReferenceScorer(view, query, budget_cells=0).scores()
    aligned = [n for n in among if some[n] != pytest.approx(nearness[n], abs=1e-9)]
    assert np.isneginf(np.delete(some, among)).all()
    assert scorer.scores() == pytest.approx(everything)  # asking twice changes nothing
    if budget_cells == 0:
        assert not aligned
        assert some[among] == pytest.approx(everything[among])
    elif budget_cells == 6_000:  # the nearest only, however many others the catalogue holds
        assert 0 < len(aligned) < len(among)
        assert set(aligned) <= set(sorted(among, key=lambda n: -nearness[n])[: len(aligned)])
    else:
        assert some[among] == pytest.approx(everything[among])
        assert everything.argmax() == 3


def test_a_hub_is_ranked_below_what_stands_out() -> None:
    rng = np.random.default_rng(1)
    common = np.zeros(16, np.float32)
    common[0] = 1.0

    def at(away: float) -> np.ndarray:
        rest = rng.standard_normal(16).astype(np.float32)
        rest[0] = 0
        rest /= np.linalg.norm(rest)
        return np.asarray(np.sqrt(1 - away**2) * common + away * rest, np.float32)

    # Everybody is a little like the hub; the query is a little nearer to it than to its own reference.
    query = analysis(3, 1)
    own, hub = at(0.8), common
    asked = 0.5 * own + 0.6 * hub
    rows = []
    for number, vector in enumerate([hub, own, *(at(rng.uniform(0.3, 0.97)) for _ in range(30))]):
        a = analysis(100 + number, 1)
        track = Track(f"r{number}", f"w{number}", None, None, None, None, None, "0" * 64, a.duration_s, 1)
        rows.append(TrackData(track, vector[None], a.starts_s, *quantise(a.pitch)))
    view = CatalogueView(replace(Manifest.empty(CONTRACT, "sha256:" + "0" * 64), tracks=len(rows)), rows)
    heard = replace(query, embeddings=(asked / np.linalg.norm(asked))[None].astype(np.float32))
    similarity = track_similarity(view, heard)
    assert similarity.argmax() == 0
    assert ReferenceScorer(view, heard, budget_cells=0).scores().argmax() == 1


def test_evidence_is_the_mean_of_short_and_long_stacks() -> None:
    query, view, settings = analysis(3, 4), view_of(list(range(8))), MatcherSettings()
    nearness = track_nearness(view, query)
    scores = ReferenceScorer(view, query).scores()
    both = [opinions(view, query.pitch, range(8), way) for way in (settings.fine, LONG_STACKS)]
    for number, (short, long) in enumerate(zip(*both, strict=True)):
        evidence = (short.strength + long.strength) / 2
        assert scores[number] == pytest.approx(nearness[number] + 0.9 * evidence, abs=1e-4)


def test_the_search_ranks_by_these_scores() -> None:
    view, query = view_of(list(range(8))), analysis(7, 4)
    scores = ReferenceScorer(view, query).scores()
    best = {f"w{work}": max(scores[2 * work], scores[2 * work + 1]) for work in range(4)}
    found = search(view, query, 10)
    assert [row.work_id for row in found] == sorted(best, key=lambda work: -best[work])
    assert [row.score for row in found] == [round(best[row.work_id], 4) for row in found]
    assert found[0].reference_id == "r7" and found[0].transpose_semitones == 0
