"""Recordings without scores teach too: what is heard becomes a score, and pairs of one passage belong together."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from models.data.hear import BINS, FPS, LOWEST_PITCH
from models.data.library import Heard, Library, write_recordings
from models.data.recorded import Recordings
from models.data.same_passage import same_passages
from models.data.score import MELODY
from models.data.style import draw_style
from models.data.transcribe import BEAT_S, transcribe
from models.data.views import Recipe
from models.neighbours import neighbours
from models.settings import Data, SettingsError
from tests.audio_samples import write_tune


def tune(seconds: int, seed: int) -> np.ndarray:
    """Salience of a random tune over a drone, half a second a note."""
    rng = np.random.default_rng(seed)
    roll = np.zeros((seconds * FPS, BINS), np.float32)
    roll[:, 24] = 0.5
    for start in range(0, len(roll) - 4, 4):
        roll[start : start + 3, int(rng.integers(40, 60))] = 0.9
    return roll


def test_notes_are_found_where_they_sound() -> None:
    roll = np.zeros((10 * FPS, BINS), np.float32)
    roll[8:24, 48] = 0.9
    roll[8:24, 49] = 0.3  # its shadow in the next semitone
    roll[32:40, 36] = 0.8
    roll[60:62, 30] = 0.2  # too faint
    score = transcribe(roll)
    assert [int(p) - LOWEST_PITCH for p in score.pitch] == [48, 36]
    np.testing.assert_allclose(score.onset * BEAT_S, [1.0, 4.0])
    np.testing.assert_allclose(score.duration * BEAT_S, [2.0, 1.0])


def test_the_tune_is_what_leads_above_a_drone() -> None:
    score = transcribe(tune(20, 1))
    high = score.pitch > LOWEST_PITCH + 30
    assert (score.role[high] == MELODY).mean() > 0.9
    assert not (score.role[~high] == MELODY).any()


def test_two_views_of_a_passage_are_more_alike_than_views_of_two_recordings(tmp_path: Path) -> None:
    path = tmp_path / "recorded.npz"
    tunes = [Heard(str(seed), str(seed), as_bytes(tune(60, seed))) for seed in range(2)]
    silence = Heard("silence", "silence", np.zeros((60 * FPS, BINS), np.uint8))
    assert write_recordings(path, [*tunes, silence]) == 3
    recordings = Recordings(path)
    assert len(recordings) == 2  # nothing can be learnt from silence
    rng = np.random.default_rng(3)
    recipe = Recipe(tempo_spread=0.0, jitter_s=0.0)

    def likeness(a: np.ndarray, b: np.ndarray) -> float:
        """Best correlation of two views over transpositions."""
        return max(
            float(np.corrcoef(np.roll(a, k, 1)[:, 14:70].ravel(), b[:, 14:70].ravel())[0, 1]) for k in range(-12, 13)
        )

    same, other = [], []
    for _ in range(12):
        pairs = [recordings.pair(n, (draw_style(rng), draw_style(rng)), recipe, rng) for n in range(2)]
        assert all(
            view.shape == (recipe.frames, BINS) and 0 <= view.min() and view.max() <= 1 for p in pairs for view in p
        )
        same += [likeness(*pair) for pair in pairs]
        other.append(likeness(pairs[0][0], pairs[1][1]))
    assert np.mean(same) > np.mean(other) + 0.1


def played_again(roll: np.ndarray, tempo: float, semitones: int, lead_s: int) -> np.ndarray:
    """The same music after something else, faster and higher."""
    at = np.arange(0, len(roll) - 1, tempo).astype(int)
    return np.concatenate([tune(lead_s, 99), np.roll(roll, semitones, 1)[at]])


def as_bytes(roll: np.ndarray) -> np.ndarray:
    return np.round(roll * 255).astype(np.uint8)


def test_the_same_passage_is_found_in_another_recording_of_a_work_and_in_no_other() -> None:
    first = tune(90, 1)
    second = played_again(first, 1.1, 3, 25)
    places = same_passages(as_bytes(first), as_bytes(second))
    assert len(places) >= 3
    np.testing.assert_allclose(places[:, 1], 25 + places[:, 0] / 1.1, atol=1.5)
    assert len(same_passages(as_bytes(first), as_bytes(tune(90, 2)))) == 0
    assert same_passages(as_bytes(first[:40]), as_bytes(second)).shape == (0, 2)


def test_two_recordings_of_a_work_are_a_pair_at_the_passage_that_both_play(tmp_path: Path) -> None:
    path = tmp_path / "recorded.npz"
    first = tune(90, 1)
    again = played_again(first, 1.0, 4, 25)
    parts = [
        ("a", "w1", first),
        ("b", "w2", tune(80, 5)),
        ("c", "w1", again),
        ("d", "w3", tune(80, 6)),
        ("e", "w3", played_again(tune(110, 7), 1.3, 1, 0)),
    ]
    write_recordings(path, [Heard(name, work, as_bytes(roll)) for name, work, roll in parts])
    library = Library(path)
    assert library.works == [[0, 1], [2], [3, 4]] and library.rows == [0, 2, 1, 3, 4] and len(library) == 3
    rng = np.random.default_rng(4)
    for _ in range(8):
        takes = library.draw(0, 1.0, rng)
        places = {take.recording: take.centre_s for take in takes}
        assert set(places) == {0, 1} and places[1] - places[0] == pytest.approx(25, abs=1.5)
        assert not any(take.anew for take in takes)
        # Where two recordings of a work have no passage in common, each goes on by itself.
        assert len({take.recording for take in library.draw(2, 1.0, rng)}) == 1
    assert {library.draw(0, 0.0, rng)[0].recording for _ in range(12)} == {0, 1}
    views = Recordings(path).pair(0, (draw_style(rng), draw_style(rng)), Recipe(human=1.0), rng)
    assert len(views) == 2 and all(view.shape == (Recipe().frames, BINS) for view in views)


@pytest.mark.parametrize("what", ["recorded", "spectra"])
def test_a_list_of_covers_is_heard_with_its_works_and_without_what_is_held_out(tmp_path: Path, what: str) -> None:
    from models.prepare import main
    from recognizer.released import default_model_path

    seconds = 6.0 if what == "recorded" else 80.0
    for name, seed in (("a.wav", 1), ("b.ogg", 2), ("held.wav", 3), ("free/c.wav", 4)):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        write_tune(tmp_path / name, seconds=seconds, seed=seed)
    rows = ["path,work_id,split", "a.wav,w1,train", "b.ogg,w1,train", "held.wav,w2,val", "score.mid,w3,train"]
    (tmp_path / "list.csv").write_text("\n".join(rows))
    out = tmp_path / "recorded.npz"
    given = ["--manifest", tmp_path / "list.csv", "--root", tmp_path, "--recordings", tmp_path / "free"]
    assert main([what, "--model", str(default_model_path()), *map(str, given), "--out", str(out)]) == 0
    with np.load(out) as stored:
        assert stored["name"].tolist() == ["c.wav", "a.wav", "b.ogg"]
        assert stored["work"].tolist() == [str(tmp_path / "free" / "c.wav"), "work:w1", "work:w1"]
        if what == "spectra":  # of covers more than an excerpt, or two of them may have nothing in common
            assert (np.diff(stored["start"]) / FPS).round().tolist() == [75, 80, 80]
            assert len(stored["spectra"]) == 2 * len(stored["salience"])
    with pytest.raises(SystemExit, match="nothing to hear"):
        main([what, "--model", str(default_model_path()), "--out", str(out)])


def test_the_nearest_works_are_left_out_as_they_may_be_the_same_tune() -> None:
    angles = np.linspace(0, 1.2, 40)
    vectors = np.stack([np.cos(angles), np.sin(angles)], 1).astype(np.float32)[:, None]
    found = neighbours(vectors)
    assert found.shape == (40, 35)
    for work, near in enumerate(found[:, :3]):
        cosine = np.cos(angles[near] - angles[work])
        assert work not in near
        assert (np.abs(near - work) > 2).all()
        assert (cosine > 0.8).all()


def test_parts_of_groups_cannot_come_from_recordings() -> None:
    from models.data.feed import recordings_of

    with pytest.raises(SettingsError, match="multiple of data.group"):
        recordings_of(Data(recordings="x.npz", recorded_works=5, group=8))
    assert recordings_of(Data()) is None
