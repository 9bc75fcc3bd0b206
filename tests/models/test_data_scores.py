"""Scores read from files: times in beats, the right melody, nothing trusted."""

from __future__ import annotations

import csv
import zipfile
from pathlib import Path

import mido
import numpy as np
import pytest

from models.data.manifest import Entry, ManifestError, read_manifest
from models.data.midi import read_midi
from models.data.musicxml import read_musicxml
from models.data.score import DRUMS, MELODY, OTHER, make_score, skyline
from models.data.store import ScoreStore, build_store, on_beats, read_score, trimmed

TUNE = (60, 62, 64, 65, 67, 69, 71, 72, 71, 69)


def midi_file(path: Path, tracks: list[tuple[str, int, list[tuple[float, float, int]]]], tempo: int = 600000) -> Path:
    """Tracks of (name, channel, [(onset, duration, pitch) in beats])."""
    file = mido.MidiFile(ticks_per_beat=480)
    head = mido.MidiTrack([mido.MetaMessage("set_tempo", tempo=tempo)])
    file.tracks.append(head)
    for name, channel, notes in tracks:
        events = [(round(480 * (on + length)), 0, pitch) for on, length, pitch in notes]
        events += [(round(480 * on), 90, pitch) for on, _, pitch in notes]
        track, now = mido.MidiTrack([mido.MetaMessage("track_name", name=name)]), 0
        for tick, velocity, pitch in sorted(events):
            track.append(mido.Message("note_on", channel=channel, note=pitch, velocity=velocity, time=tick - now))
            now = tick
        file.tracks.append(track)
    file.save(path)
    return path


def line(start: float, pitches: tuple[int, ...]) -> list[tuple[float, float, int]]:
    return [(start + i, 0.75, p) for i, p in enumerate(pitches)]


def test_midi_times_are_beats_and_the_named_track_is_the_melody(tmp_path: Path) -> None:
    high = line(0, tuple(p + 24 for p in TUNE))
    path = midi_file(
        tmp_path / "a.mid", [("strings", 0, high), ("Lead Vocal", 1, line(2, TUNE)), ("kit", 9, [(0, 0.1, 36)])]
    )
    score = read_midi(path)
    tune = score.select(score.role == MELODY)
    np.testing.assert_allclose(tune.onset, 2 + np.arange(10))
    np.testing.assert_allclose(tune.duration, 0.75, atol=0.01)
    assert tuple(tune.pitch) == TUNE
    assert score.beat_s == pytest.approx(0.6)
    assert int((score.role == DRUMS).sum()) == 1


def test_melody_channel_of_the_manifest_goes_before_names(tmp_path: Path) -> None:
    path = midi_file(tmp_path / "a.mid", [("melody", 0, line(0, TUNE)), ("x", 3, line(0, TUNE[::-1]))])
    score = read_midi(path, melody_channel=3)
    assert tuple(score.pitch[score.role == MELODY]) == TUNE[::-1]


def test_without_a_hint_the_skyline_of_one_track_is_the_melody(tmp_path: Path) -> None:
    both = line(0, TUNE) + line(0, tuple(p - 12 for p in TUNE))
    score = read_midi(midi_file(tmp_path / "a.mid", [("", 0, both)]))
    assert tuple(score.pitch[score.role == MELODY]) == TUNE
    assert int((score.role == OTHER).sum()) == len(TUNE)


def test_files_that_are_no_scores_are_refused_with_their_name(tmp_path: Path) -> None:
    for name, content in (("a.mid", b"RIFF"), ("b.mxl", b"PK"), ("c.xml", b"<score-partwise/>"), ("d.wav", b"")):
        path = tmp_path / name
        path.write_bytes(content)
        with pytest.raises(ValueError, match=name):
            read_score(path)


XML = """<score-partwise><part id="P1"><measure><attributes><divisions>2</divisions></attributes>
<direction><sound tempo="90"/></direction>
<note><pitch><step>C</step><alter>1</alter><octave>5</octave></pitch><duration>4</duration><tie type="start"/></note>
<note><chord/><pitch><step>A</step><octave>4</octave></pitch><duration>4</duration></note>
<backup><duration>4</duration></backup><forward><duration>2</duration></forward>
<note><pitch><step>E</step><octave>4</octave></pitch><duration>2</duration></note></measure>
<measure>
<note><pitch><step>C</step><alter>1</alter><octave>5</octave></pitch><duration>2</duration><tie type="stop"/></note>
<note><rest/><duration>2</duration></note><note><grace/><pitch><step>B</step><octave>5</octave></pitch></note></measure>
</part></score-partwise>"""


def test_musicxml_joins_ties_keeps_chords_and_moves_back(tmp_path: Path) -> None:
    path = tmp_path / "a.mxl"
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("META-INF/container.xml", '<c><rootfiles><rootfile full-path="s.xml"/></rootfiles></c>')
        archive.writestr("s.xml", XML)
    score = read_musicxml(path)
    notes = sorted(
        zip(score.onset.tolist(), score.duration.tolist(), score.pitch.tolist(), score.role.tolist(), strict=True)
    )
    assert notes == [(0.0, 2.0, 69, OTHER), (0.0, 3.0, 73, MELODY), (1.0, 1.0, 64, OTHER)]
    assert score.beat_s == pytest.approx(60 / 90)


def test_a_performance_is_moved_onto_its_beats() -> None:
    beats = np.cumsum([1.0, *np.linspace(0.4, 0.7, 40)])
    played = make_score(beats[:20] / 0.5, np.full(20, 0.5), np.full(20, 60), np.full(20, MELODY), 0.5)
    np.testing.assert_allclose(on_beats(played, beats).onset, np.arange(20), atol=1e-4)
    before = make_score([0.0], [1], [60], [1], 0.5)
    assert on_beats(before, beats).onset[0] == pytest.approx(-1.0 / np.median(np.diff(beats)), abs=1e-3)


def test_leading_silence_goes_in_whole_beats() -> None:
    score = trimmed(make_score([5.25, 6], [1, 1], [60, 62], [1, 1], 0.5))
    np.testing.assert_allclose(score.onset, [0.25, 1])


def test_a_lower_note_that_starts_under_a_held_one_is_not_melody() -> None:
    score = make_score([0, 1, 3], [3, 1, 1], [72, 60, 60], [OTHER] * 3, 0.5)
    assert skyline(score).tolist() == [MELODY, OTHER, MELODY]


def test_the_store_returns_what_was_read_and_leaves_bad_files_out(tmp_path: Path) -> None:
    midi_file(tmp_path / "a.mid", [("melody", 0, line(0, TUNE))])
    midi_file(tmp_path / "b.mid", [("melody", 0, line(1, TUNE[::-1]))])
    (tmp_path / "bad.mid").write_bytes(b"nothing")
    entries = [Entry(f"{n}.mid", n, "0", "train", "c", None) for n in ("a", "bad", "b")]
    assert build_store(entries, tmp_path, tmp_path / "store.npz") == 2
    store = ScoreStore(tmp_path / "store.npz")
    assert "bad.mid" not in store
    for name in ("a.mid", "b.mid"):
        fresh = read_score(tmp_path / name)
        for field in ("onset", "duration", "pitch", "role"):
            np.testing.assert_array_equal(getattr(store[name], field), getattr(fresh, field))


def write_manifest(path: Path, rows: list[dict[str, str]]) -> Path:
    with path.open("w", newline="") as file:
        writer = csv.DictWriter(file, list(rows[0]))
        writer.writeheader()
        writer.writerows(rows)
    return path


def test_a_manifest_of_three_columns_is_enough(tmp_path: Path) -> None:
    path = write_manifest(tmp_path / "m.csv", [{"path": "x.mid", "work_id": "w", "split": "train"}])
    assert read_manifest(path) == [Entry("x.mid", "w", "x.mid", "train", "", None)]


@pytest.mark.parametrize(
    ("rows", "message"),
    [
        ([{"path": "x", "split": "train"}], "work_id"),
        ([{"path": "x", "work_id": "w", "split": "test"}], "m.csv:2.*'test'"),
        ([{"path": p, "work_id": "w", "split": s} for p, s in (("x", "train"), ("y", "val"))], "'w' is in both"),
    ],
)
def test_unusable_manifests_say_what_is_wrong(tmp_path: Path, rows: list[dict[str, str]], message: str) -> None:
    with pytest.raises(ManifestError, match=message):
        read_manifest(write_manifest(tmp_path / "m.csv", rows))
