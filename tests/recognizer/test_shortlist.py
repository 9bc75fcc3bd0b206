"""Hub correction against its definition, and who is looked at, when, and with what evidence."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from recognizer.catalogue import CatalogueView
from recognizer.hubs import Hubs
from recognizer.matcher import Candidate, MatcherSettings
from recognizer.shortlist import Line, Shortlist
from tests.recognizer.catalogue.builders import CONTRACT
from tests.recognizer.songbook import HOP_S, songbook, unit, windows

SETTINGS = MatcherSettings(hits=64, shortlist=16, look=6)


@pytest.fixture(scope="module")
def view(tmp_path_factory: pytest.TempPathFactory) -> CatalogueView:
    everything = np.concatenate([windows(20, 32, number) for number in range(39)])
    rng = np.random.default_rng(0)
    hub = unit(everything[rng.permutation(len(everything))].reshape(60, 13, 32).sum(axis=1))
    return songbook(tmp_path_factory.mktemp("book") / "catalogue", 40, hub=hub)


def by_the_book(view: CatalogueView, track: int, cohort: list[int]) -> float:
    """What the nearest twentieth of a cohort reach with one track, windows of its own work left out."""
    own = view.vectors[view.vector_track == track]
    best = [float((own @ view.vectors[row]).max()) for row in cohort if view.vector_track[row] != track]
    return sorted(best)[-round(0.05 * len(cohort))]


def test_the_usual_nearness_is_measured_on_other_works(view: CatalogueView) -> None:
    hubs = Hubs(view)
    rows = np.unique(np.linspace(0, len(view.vectors) - 1, 512, dtype=np.int64)).tolist()
    for track in (0, 7, 39):
        assert hubs.usual[track] == pytest.approx(by_the_book(view, track, rows), abs=1e-4)


def test_search_is_by_nearness_less_half_the_usual(view: CatalogueView) -> None:
    hubs = Hubs(view)
    asked = unit(windows(20, 32, 5)[8] + 0.3 * np.random.default_rng(1).standard_normal(32))
    corrected = (view.vectors @ asked - hubs.usual[view.vector_track] / 2) / 0.1
    other = view.vectors[7]
    scores, rows = hubs.search(np.stack([asked, other]), 10)
    np.testing.assert_allclose(scores[0], np.sort(corrected)[::-1][:10], atol=0.03)
    np.testing.assert_allclose(scores[0], corrected[rows[0]], atol=0.03)
    np.testing.assert_array_equal(rows[1], hubs.search(other[None], 10)[1][0])
    assert hubs.search(asked[None], 10**6)[0].shape == (1, len(view.vectors))
    best = np.maximum.reduceat(view.vectors @ asked, np.searchsorted(view.vector_track, np.arange(40)))
    assert hubs.corrected(best).max() == pytest.approx(corrected.max(), abs=1e-4)


def test_a_hub_does_not_crowd_out_the_rest(view: CatalogueView) -> None:
    rng = np.random.default_rng(2)
    strangers = unit(rng.standard_normal((50, 32)) + 40 * view.vectors[view.vector_track == 39].mean(axis=0))
    hubs = Hubs(view)
    plain = np.mean([view.vector_track[view.index.search(s[None], 1)[1][0, 0]] == 39 for s in strangers])
    corrected = np.mean([view.vector_track[hubs.search(s[None], 1)[1][0, 0]] == 39 for s in strangers])
    assert plain > 0.5 and corrected < 0.5 * plain
    assert hubs.usual[39] > hubs.usual[:39].max()


def test_a_catalogue_of_one_work_is_not_corrected(tmp_path: Path) -> None:
    one = songbook(tmp_path / "one", 1)
    assert Hubs(one).usual.tolist() == [0.0]
    empty = songbook(tmp_path / "none", 0)
    assert Hubs(empty).search(np.zeros((2, 32), np.float32), 5)[0].shape == (2, 0)


def heard(view: CatalogueView, song: int, steps: int, noise: float = 0.2) -> Shortlist:
    """A shortlist after the first windows of a song, one every 2 s (the reference has one every 4 s)."""
    rng = np.random.default_rng(song)
    shortlist = Shortlist(SETTINGS)
    own = windows(20, 32, song)
    for step in range(steps):
        here = own[step // 2] + own[(step + 1) // 2]
        shortlist.update(view, unit(unit(here) + noise * rng.standard_normal(32)))
    return shortlist


def candidate(reference: str, strength: float) -> Candidate:
    return Candidate(f"w{reference[1:]}", reference, None, None, None, None, strength, 0.0, 0, None, 0, 0, 0)


@pytest.mark.parametrize("song", [0, 11, 30])
def test_what_sounds_comes_first(view: CatalogueView, song: int) -> None:
    assert heard(view, song, 12).ranked(view)[0] == song


def test_everyone_on_the_list_gets_a_turn_and_the_nearest_all_of_them(view: CatalogueView) -> None:
    shortlist = heard(view, 3, 12)
    listed = shortlist.ranked(view)
    assert len(listed) == SETTINGS.shortlist
    looks = [shortlist.best(view) for _ in range(11)]
    assert all(len(look) == len(set(look)) <= SETTINGS.look for look in looks)
    assert all(set(listed[: SETTINGS.look // 2]) <= set(look) for look in looks)
    assert {number for look in looks for number in look} == set(listed)


def test_what_aligned_and_what_is_open_is_looked_at_again(view: CatalogueView) -> None:
    shortlist = heard(view, 3, 12)
    outside = next(number for number in range(40) if number not in shortlist.ranked(view))
    shortlist.note([candidate(f"r{outside}", 5.0), candidate("r-gone", 4.0), candidate("r2", 0.1)])
    assert outside in shortlist.best(view)
    shortlist.note([])
    assert outside not in shortlist.best(view)
    assert outside in shortlist.best(view, [f"w{outside}", "w-unknown"])


def test_hits_lie_on_a_line_and_similarity_is_above_the_usual(view: CatalogueView) -> None:
    shortlist = heard(view, 8, 15, noise=0.05)
    hits, similarity, recent, placed = shortlist.evidence(view, 8, CONTRACT)
    others = [shortlist.evidence(view, number, CONTRACT) for number in range(8)]
    assert hits >= 14 and hits > max(other.hits for other in others)
    assert similarity > 0.3 > max(other.similarity for other in others)
    assert (recent, placed) == (0.0, 0.0)


def test_an_alignment_that_names_the_right_place_is_borne_out_by_the_windows(view: CatalogueView) -> None:
    shortlist = Shortlist(SETTINGS)
    for embedding in windows(20, 32, 8)[:15]:  # every second window of the feed is one of the reference: twice as fast
        shortlist.update(view, embedding)
    newest_s = 14 * HOP_S + CONTRACT.window_s  # where the reference is at the end of the newest window
    ratio = HOP_S / CONTRACT.step_s
    middle = (ratio - 1) * CONTRACT.window_s / 2  # windows are compared by their middles

    def placed(track: int, early_s: float) -> float:
        line = Line(newest_s + middle - 40.0 * ratio - early_s, 40.0, ratio)
        return shortlist.evidence(view, track, CONTRACT, line).placed

    right = placed(8, 0.0)
    assert right > 0.3 > max(placed(8, 24.0), placed(8, -24.0), placed(5, 0.0))
    assert right == pytest.approx(shortlist.evidence(view, 8, CONTRACT).similarity, abs=0.02)


def test_the_newest_seconds_find_a_song_that_the_window_does_not_hold_yet(view: CatalogueView) -> None:
    plain, quick = heard(view, 3, 12), heard(view, 3, 12)
    old, new = windows(20, 32, 3), windows(20, 32, 21)
    for step in range(3):  # the window is still mostly song 3, its end already song 21
        window = unit(2 * old[6] + new[step])
        plain.update(view, window)
        quick.update(view, window, new[step])
    assert quick.ranked(view).index(21) < plain.ranked(view).index(21) and quick.ranked(view)[0] == 21
    assert quick.evidence(view, 21, CONTRACT).recent > 0.3 > quick.evidence(view, 3, CONTRACT).recent
    assert list(quick.near(view))[0] == "w21"


def test_nothing_heard_is_no_evidence(view: CatalogueView, tmp_path: Path) -> None:
    assert Shortlist(SETTINGS).evidence(view, 0, CONTRACT) == (0, 0.0, 0.0, 0.0)
    other = songbook(tmp_path / "other", 3, dimension=16)
    assert heard(view, 1, 4).evidence(other, 0, CONTRACT) == (0, 0.0, 0.0, 0.0)
    assert Shortlist(SETTINGS).best(other) == [0, 1, 2]
    forgotten = heard(view, 1, 4)
    forgotten.forget()
    assert forgotten.best(view) == [] and forgotten.save() == Shortlist(SETTINGS).save()


def test_saved_and_restored_it_goes_on_as_if_nothing_had_happened(view: CatalogueView) -> None:
    one, two = heard(view, 4, 9), Shortlist(SETTINGS)
    one.note([candidate("r20", 3.0)])
    one.best(view)
    two.restore(json.loads(json.dumps(one.save())))
    for embedding in windows(4, 32, 4):
        one.update(view, embedding, embedding[::-1])
        two.update(view, embedding, embedding[::-1])
        assert one.best(view, ["w33"]) == two.best(view, ["w33"])
        assert one.evidence(view, 4, CONTRACT) == two.evidence(view, 4, CONTRACT)
    assert one.save() == two.save() and one.scores == two.scores
