"""The second opinion names what is played, where and in which key, and leaves out the rest."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from recognizer.catalogue import CatalogueView
from recognizer.history import PitchHistory
from recognizer.matcher import MatcherSettings
from recognizer.second_opinion import opinions, second_opinion, strongest
from tests.recognizer.catalogue.builders import CONTRACT as MADE_UP
from tests.recognizer.songbook import FPS, chords, songbook

CONTRACT = replace(MADE_UP, dimension=32)
SETTINGS = MatcherSettings()
SONGS = 12


@pytest.fixture(scope="module")
def view(tmp_path_factory: pytest.TempPathFactory) -> CatalogueView:
    return songbook(tmp_path_factory.mktemp("book") / "catalogue", SONGS)


def history(song: int, start_s: int, seconds: int, semitones: int = 0) -> PitchHistory:
    kept = PitchHistory(CONTRACT, 40.0)
    frames = chords(80 * FPS, song)[start_s * FPS : (start_s + seconds) * FPS]
    kept.push(np.roll(frames, semitones, axis=1), seconds * CONTRACT.sample_rate_hz)
    return kept


@pytest.mark.parametrize(("song", "start_s", "seconds", "semitones"), [(2, 20, 40, 3), (9, 5, 14, -4), (0, 40, 30, 6)])
def test_names_what_is_played(view: CatalogueView, song: int, start_s: int, seconds: int, semitones: int) -> None:
    heard = history(song, start_s, seconds, semitones)
    found = second_opinion(view, heard, range(SONGS), [], SETTINGS)
    best = max(found, key=lambda c: c.strength)
    assert best.reference_id == f"r{song}" and best.transpose_semitones == semitones
    (alone,) = opinions(view, heard.frames, [song], SETTINGS.fine, transpositions=[semitones])
    assert best.path**2 == pytest.approx(alone.alignment.score)
    assert best.path > max((c.path for c in found if c is not best), default=0.0)
    assert best.ref_start_ms == pytest.approx(1000 * start_s, abs=1500)
    assert best.tempo_ratio == pytest.approx(1.0, abs=0.06)
    assert best.heard_from <= 2 * CONTRACT.sample_rate_hz
    assert abs(best.heard_to - seconds * CONTRACT.sample_rate_hz) <= 2 * CONTRACT.sample_rate_hz


def test_strangers_are_left_out_and_open_works_are_not(view: CatalogueView) -> None:
    strangers = [history(number, 0, 40) for number in range(1000, 1006)]
    found = [second_opinion(view, stranger, range(SONGS), [], SETTINGS) for stranger in strangers]
    assert sum(map(len, found)) < 0.25 * len(strangers) * SONGS
    stranger = strangers[0]
    kept = second_opinion(view, stranger, range(SONGS), ["w5", "w6"], SETTINGS)
    assert {"w5", "w6"} <= {c.work_id for c in kept}
    assert second_opinion(view, stranger, [], [], SETTINGS) == []


def test_one_transposition_and_no_paths_give_the_same_strength(view: CatalogueView) -> None:
    frames = history(3, 10, 30, 2).frames
    full = opinions(view, frames, range(SONGS), SETTINGS.fine)
    known = opinions(
        view, frames, [3], SETTINGS.fine, transpositions=[full[3].alignment.transpose_semitones], paths=False
    )[0]
    assert known.alignment.score == full[3].alignment.score
    assert known.alignment.transpose_semitones == full[3].alignment.transpose_semitones == 2
    assert known.alignment.query_end == 0 < full[3].alignment.query_end
    assert strongest(full, 1) == [3]


def test_empty_history_says_nothing(view: CatalogueView) -> None:
    nothing = PitchHistory(CONTRACT, 40.0)
    assert second_opinion(view, nothing, range(SONGS), ["w1"], SETTINGS) == []
