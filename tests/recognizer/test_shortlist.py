"""Hub correction against its definition, who is on the list, and how those stand among each other."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from recognizer.catalogue import CatalogueView
from recognizer.embedded import Embedded
from recognizer.hubs import CorrectedIndex, Hubs, hubs, piece_hubs
from recognizer.matcher import Candidate, MatcherSettings
from recognizer.shortlist import Shortlist
from recognizer.standing import standings
from tests.recognizer.songbook import pieces, songbook, unit, windows

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
    corrected_by = hubs(view)
    rows = np.unique(np.linspace(0, len(view.vectors) - 1, 512, dtype=np.int64)).tolist()
    for track in (0, 7, 39):
        assert corrected_by.usual[track] == pytest.approx(by_the_book(view, track, rows), abs=1e-4)


def test_search_is_by_nearness_less_half_the_usual(view: CatalogueView) -> None:
    corrected_by = hubs(view)
    asked = unit(windows(20, 32, 5)[8] + 0.3 * np.random.default_rng(1).standard_normal(32))
    corrected = (view.vectors @ asked - corrected_by.usual[view.vector_track] / 2) / 0.1
    other = view.vectors[7]
    scores, rows = corrected_by.search(np.stack([asked, other]), 10)
    np.testing.assert_allclose(scores[0], np.sort(corrected)[::-1][:10], atol=0.03)
    np.testing.assert_allclose(scores[0], corrected[rows[0]], atol=0.03)
    np.testing.assert_array_equal(rows[1], corrected_by.search(other[None], 10)[1][0])
    assert corrected_by.search(asked[None], 10**6)[0].shape == (1, len(view.vectors))
    best = np.maximum.reduceat(view.vectors @ asked, np.searchsorted(view.vector_track, np.arange(40)))
    assert max(map(corrected_by.score, best, range(40))) == pytest.approx(corrected.max(), abs=1e-4)


def test_a_large_catalogue_is_searched_in_groups_and_finds_nearly_the_same(monkeypatch: pytest.MonkeyPatch) -> None:
    rng = np.random.default_rng(3)
    vectors = np.concatenate([windows(30, 32, number) for number in range(200)])
    track, usual = np.repeat(np.arange(200), 30), rng.uniform(0.2, 0.5, 200).astype(np.float32)
    table = Embedded(vectors, track, [f"w{number}" for number in range(200)])
    exact = CorrectedIndex(table, usual)
    monkeypatch.setattr("recognizer.hubs._EXACT_WINDOWS", 1000)
    grouped, again = (
        CorrectedIndex(table, usual),
        CorrectedIndex(table, usual),
    )
    asked = unit(vectors[::20] + 0.1 * rng.standard_normal((300, 32)).astype(np.float32))
    (right, rows), (near, found) = exact.search(asked, 10), grouped.search(asked, 10)
    assert (found[:, 0] == rows[:, 0]).mean() > 0.95
    assert np.mean([len(set(a) & set(b)) for a, b in zip(found.tolist(), rows.tolist(), strict=True)]) > 7
    same = found[:, 0] == rows[:, 0]
    np.testing.assert_allclose(near[same, 0], right[same, 0], atol=0.03)
    np.testing.assert_array_equal(again.search(asked, 10)[1], found)  # another worker finds the same


def test_a_hub_does_not_crowd_out_the_rest(view: CatalogueView) -> None:
    rng = np.random.default_rng(2)
    strangers = unit(rng.standard_normal((50, 32)) + 40 * view.vectors[view.vector_track == 39].mean(axis=0))
    corrected_by = hubs(view)
    plain = np.mean([view.vector_track[view.index.search(s[None], 1)[1][0, 0]] == 39 for s in strangers])
    corrected = np.mean([view.vector_track[corrected_by.search(s[None], 1)[1][0, 0]] == 39 for s in strangers])
    assert plain > 0.5 and corrected < 0.5 * plain
    assert corrected_by.usual[39] > corrected_by.usual[:39].max()


def test_a_catalogue_of_one_work_is_not_corrected(tmp_path: Path) -> None:
    one = songbook(tmp_path / "one", 1)
    assert hubs(one).usual.tolist() == [0.0]
    empty = songbook(tmp_path / "none", 0)
    assert hubs(empty).search(np.zeros((2, 32), np.float32), 5)[0].shape == (2, 0)


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
    return Candidate(f"w{reference[1:]}", reference, None, None, None, None, strength, 4.0, 0.0, 0, None, 0, 0, 0)


@pytest.mark.parametrize("song", [0, 11, 30])
def test_what_sounds_comes_first(view: CatalogueView, song: int) -> None:
    assert heard(view, song, 12).ranked(view)[0] == song


def test_what_aligned_and_what_is_open_is_looked_at_again(view: CatalogueView) -> None:
    shortlist = heard(view, 3, 12)
    listed = shortlist.ranked(view)
    assert shortlist.listed(view) == listed and len(listed) == SETTINGS.shortlist
    outside, other = [number for number in range(40) if number not in listed][:2]
    shortlist.note([candidate(f"r{outside}", 5.0), candidate("r-gone", 4.0), candidate("r2", 0.1)])
    assert shortlist.listed(view) == [*listed, outside]
    assert shortlist.listed(view, [f"w{other}", "w-unknown"]) == [*listed, outside, other]
    shortlist.note([])
    assert shortlist.listed(view) == listed


def test_what_sounds_stands_out(view: CatalogueView) -> None:
    shortlist = heard(view, 8, 15, noise=0.05)
    found = standings(view, shortlist, shortlist.listed(view))
    right, others = found.pop(8), list(found.values())
    assert right.similarity > 0.3 > max(other.similarity for other in others)
    assert right.margin > 0.3 > max(other.margin for other in others)
    assert right.lead_lasting > 0 > max(other.lead_lasting for other in others)


def test_standing_by_its_definition(view: CatalogueView) -> None:
    shortlist = heard(view, 8, 15)
    tracks = [8, 2, 39, *range(10, 18)]
    found = standings(view, shortlist, tracks)
    newest = {n: shortlist.nearness(view, [n])[n].newest for n in tracks}
    assert list(found) == tracks
    others = [newest[number] for number in tracks if number != 2]
    assert found[2].margin == pytest.approx(newest[2] - sum(others) / len(others), abs=1e-5)
    best = max(score for reference, score in shortlist.scores.items() if reference != "r8")
    assert found[8].lead_lasting == pytest.approx(shortlist.scores["r8"] - best)
    assert found[2].lead_lasting == pytest.approx(shortlist.scores.get("r2", 0.0) - shortlist.scores["r8"])


def test_two_references_of_one_work_are_no_rivals(tmp_path: Path) -> None:
    twins = songbook(tmp_path / "twins", 2, same_work=True)
    shortlist = heard(twins, 0, 6)
    found = standings(twins, shortlist, [0, 1])
    assert found[0].margin == pytest.approx(shortlist.nearness(twins, [0])[0].newest - 0.54, abs=1e-6)
    assert found[0].lead_lasting == shortlist.scores["r0"] > 0


@pytest.mark.parametrize("songs", [1, 2, 7])
def test_in_a_small_catalogue_what_sounds_stands_out_and_a_stranger_does_not(tmp_path: Path, songs: int) -> None:
    few = songbook(tmp_path / "few", songs)
    right, stranger = heard(few, 0, 12, noise=0.05), heard(few, 500, 12)
    stands = standings(few, right, right.listed(few))[0]
    assert stands.margin > 0.3 and stands.lead_lasting > 15
    for other in standings(few, stranger, stranger.listed(few)).values():
        assert other.margin < 0.2 and other.lead_lasting < 8


def test_the_newest_seconds_find_a_song_that_the_window_does_not_hold_yet(view: CatalogueView) -> None:
    plain, quick = heard(view, 3, 12), heard(view, 3, 12)
    old, new = windows(20, 32, 3), windows(20, 32, 21)
    for step in range(3):  # the window is still mostly song 3, its end already song 21
        window = unit(2 * old[6] + new[step])
        plain.update(view, window)
        quick.update(view, window, new[step])
    assert quick.ranked(view).index(21) < plain.ranked(view).index(21) and quick.ranked(view)[0] == 21


@pytest.fixture(scope="module")
def quick(tmp_path_factory: pytest.TempPathFactory) -> CatalogueView:
    """Forty songs with their pieces."""
    return songbook(tmp_path_factory.mktemp("quick") / "catalogue", 40, with_pieces=True)


def test_the_newest_seconds_are_searched_among_pieces(quick: CatalogueView) -> None:
    shortlist = Shortlist(SETTINGS)
    for step in range(2):  # by the window still song 3
        shortlist.update(quick, windows(20, 32, 3)[6 + step], pieces(21, 32)[20 + step])
    assert set(shortlist.ranked(quick)[:2]) == {3, 21}
    found = standings(quick, shortlist, shortlist.listed(quick))
    assert min(found[3].margin, found[21].margin) > 0.3 > max(found[n].margin for n in found if n not in (3, 21))
    assert found[21].similarity < 0.3 < found[3].similarity


def test_nearness_is_that_of_the_window_or_of_a_line_of_pieces(quick: CatalogueView) -> None:
    rng = np.random.default_rng(8)
    noisy = [unit(pieces(5, 32)[at] + 0.2 * rng.standard_normal(32)) for at in (12, 13)]
    shortlist = Shortlist(SETTINGS)
    for piece in noisy:
        shortlist.update(quick, windows(20, 32, 30)[3], piece)
    for track in (5, 30, 7):
        own = quick.pieces[quick.piece_track == track].astype(np.float64)
        lines = [(own[max(at - 1, 0)] @ noisy[0] + own[at] @ noisy[1]) / 2 for at in range(len(own))]
        line = max(lines) - piece_hubs(quick).usual[track] / 2
        cosines = quick.vectors[quick.vector_track == track] @ windows(20, 32, 30)[3]
        window = cosines.max() - hubs(quick).usual[track] / 2
        assert shortlist.nearness(quick, [track])[track].newest == pytest.approx(max(line, window), abs=2e-3)
        assert (line > window) == (track == 5) or track == 7


def test_what_is_usual_for_pieces_is_measured_on_pieces_whatever_the_blocks(
    quick: CatalogueView, monkeypatch: pytest.MonkeyPatch
) -> None:
    usual = piece_hubs(quick).usual
    rows = np.unique(np.linspace(0, len(quick.pieces) - 1, 512, dtype=np.int64)).tolist()
    full = quick.pieces.astype(np.float32)
    own = full[quick.piece_track == 7]
    best = [float((own @ full[row]).max()) for row in rows if quick.piece_track[row] != 7]
    assert usual[7] == pytest.approx(sorted(best)[-round(0.05 * len(rows))], abs=1e-4)
    for block in (10, 100):
        monkeypatch.setattr("recognizer.embedded._ROWS_BLOCK", block)
        np.testing.assert_allclose(Hubs(Embedded.pieces(quick)).usual, usual, atol=1e-5)


def test_nothing_heard_is_no_evidence(view: CatalogueView, tmp_path: Path) -> None:
    assert Shortlist(SETTINGS).nearness(view, [0])[0] == (0.0, 0.0)
    other = songbook(tmp_path / "other", 3, dimension=16)
    assert heard(view, 1, 4).nearness(other, [0])[0] == (0.0, 0.0)
    assert Shortlist(SETTINGS).listed(other) == [0, 1, 2]  # of few, all are looked at
    assert standings(view, Shortlist(SETTINGS), []) == {}
    forgotten = heard(view, 1, 4)
    forgotten.forget()
    assert forgotten.listed(view) == [] and forgotten.save() == Shortlist(SETTINGS).save()


def test_saved_and_restored_it_goes_on_as_if_nothing_had_happened(view: CatalogueView) -> None:
    one, two = heard(view, 4, 9), Shortlist(SETTINGS)
    one.note([candidate("r20", 3.0)])
    two.restore(json.loads(json.dumps(one.save())))
    for embedding in windows(4, 32, 4):
        one.update(view, embedding, embedding[::-1])
        two.update(view, embedding, embedding[::-1])
        assert one.listed(view, ["w33"]) == two.listed(view, ["w33"])
        assert one.nearness(view, [4])[4] == two.nearness(view, [4])[4]
    assert one.save() == two.save() and one.scores == two.scores
