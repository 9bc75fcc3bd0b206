"""Validation sets: pairs of the same passage, rows that can be evaluated, the same set from the same seed."""

from __future__ import annotations

import csv
import wave
from pathlib import Path

import numpy as np
import pytest

from models.data.arrange import Notes
from models.data.manifest import Entry
from models.data.passages import matched
from models.data.score import MELODY, Score, make_score
from models.data.store import ScoreStore, _write
from models.validation import real, songs
from models.validation.__main__ import main
from models.validation.human import plan, rows
from models.validation.manifest import HALVES, halves
from models.validation.pairs import LONGEST_REFERENCE_S, choose, held_out, lone_part
from models.validation.perform import Part, draw_player, notes_of


def tune(seed: int, beats: int = 128) -> Score:
    rng = np.random.default_rng(seed)
    onset = np.arange(0, beats, 0.5)
    pitch = 60 + np.cumsum(rng.integers(-3, 4, len(onset))) % 17
    return make_score(onset, np.full(len(onset), 0.5), pitch, np.full(len(onset), MELODY), 0.5)


def slower(score: Score) -> Score:
    """Another version: a fourth up, note values twice as long, sixteen beats later."""
    return Score(score.onset * 2 + np.float32(16), score.duration * 2, score.pitch + np.uint8(5), score.role, 0.5)


def entry(path: str, work: str, split: str = "val", collection: str = "c") -> Entry:
    return Entry(path, work, path, split, collection, None)


def a_store(folder: Path) -> ScoreStore:
    first = tune(0)
    names = ["a1", "a2", "b1", "b2", "c", "d", "e"]
    scores = [first, slower(first), tune(10), tune(11), tune(2), tune(3), tune(4, 24)]
    _write(folder / "s.npz", names, scores)
    return ScoreStore(folder / "s.npz")


ENTRIES = [entry(p, p[0]) for p in ("a1", "a2", "b1", "b2", "c", "e")] + [entry("d", "d", collection="spare")]


def test_a_pair_is_the_same_passage_at_related_tempi(tmp_path: Path) -> None:
    store = a_store(tmp_path)
    seen = set()
    for seed in range(12):
        pairs, others, unmatched = choose(ENTRIES, store, 10, seed, frozenset({"spare"}))
        assert [p.query.work_id for p in pairs] == ["a"]
        assert unmatched == ["b"]
        assert [e.path for e in others][-1] == "d"
        assert {e.path for e in others} == {"c", "d", "e"}
        pair = pairs[0]
        seen.add(pair.query.path)
        assert {pair.query.path, pair.reference.path} == {"a1", "a2"}
        assert 0.7 <= pair.tempo_ratio <= 1.42
        assert 20 <= pair.asked.seconds <= 30
        assert pair.kept.seconds <= LONGEST_REFERENCE_S
        ends = np.array([pair.asked.start, pair.asked.start + pair.asked.seconds / pair.asked.beat_s])
        there = 2 * ends + 16 if pair.query.path == "a1" else (ends - 16) / 2
        kept = pair.kept.start, pair.kept.start + pair.kept.seconds / pair.kept.beat_s
        inside = min(there[1], kept[1]) - max(there[0], kept[0])
        assert inside / (there[1] - there[0]) > 0.9
        lasts = (there[1] - there[0]) * pair.kept.beat_s
        assert pair.asked.seconds / lasts == pytest.approx(pair.tempo_ratio, rel=1e-6)
    assert seen == {"a1", "a2"}


def test_unrelated_tunes_do_not_match() -> None:
    assert matched(tune(1), tune(2), 0.5) is None
    found = matched(tune(1), slower(tune(1)), 0.5)
    assert found is not None
    assert found.ratio == pytest.approx(2)
    assert found.b == pytest.approx(2 * found.a + 16)
    assert found.agreement == pytest.approx(1)


def test_works_that_were_trained_on_are_not_held_out() -> None:
    entries = [
        entry("1", "w", "train"),
        entry("2", "w", "train", "essen"),
        entry("3", "x", "train", "essen"),
        entry("4", "y"),
    ]
    assert [e.path for e in held_out(entries, frozenset({"essen"}))] == ["3", "4"]


def test_short_scores_are_played_again_and_notes_are_kept(tmp_path: Path) -> None:
    score = tune(4, 24)
    part = lone_part(score, np.random.default_rng(1))
    assert 22 <= part.seconds <= LONGEST_REFERENCE_S
    straight = Part(score, 0.0, 0.5, 24.0, 3)
    rng = np.random.default_rng(2)
    notes = notes_of(straight, draw_player(rng), rng)
    lead = notes.pick((notes.melody > 0) & (notes.onset < 11.5))
    for onset, pitch in zip(score.onset[:20] * 0.5, score.pitch[:20], strict=True):
        near = np.abs(lead.onset - onset) < 0.35
        assert np.any(near & ((lead.pitch - pitch - 3) % 12 == 0)), (onset, pitch)
    again = notes.pick((notes.melody > 0) & (notes.onset > 12.4))
    assert len(again) > 0.8 * len(lead)


def test_a_plan_repeats_itself_and_sets_pairs_in_different_soundfonts(tmp_path: Path) -> None:
    store = a_store(tmp_path)
    fonts = [Path("one.sf2"), Path("two.sf2")]
    plans = []
    for _ in range(2):
        pairs, others, _unmatched = choose(ENTRIES, store, 10, 5, frozenset({"spare"}))
        plans.append(plan(pairs, others, store, fonts, 5))
    assert [(i.path, i.part.start, i.seed, i.soundfont) for i in plans[0]] == [
        (i.path, i.part.start, i.seed, i.soundfont) for i in plans[1]
    ]
    assert plans[0][0].soundfont != plans[0][1].soundfont
    listed = list(rows(plans[0], {e.path: "val" for e in ENTRIES}, 5))
    assert [r["role"] for r in listed] == ["query"] + ["reference"] * 4
    assert listed[0]["work_id"] == listed[1]["work_id"]
    assert len({r["path"] for r in listed}) == 5


def test_halves_are_even_and_do_not_depend_on_order() -> None:
    names = [f"w{i}" for i in range(31)]
    drawn = halves(names, 3)
    assert drawn == halves(reversed(names), 3)
    assert drawn != halves(names, 4)
    assert abs(sum(h == HALVES[0] for h in drawn.values()) - 15.5) == 0.5


def song(folder: Path, name: str) -> None:
    """Ninety seconds of a tune, four notes in five seconds at most apart, beside a silent recording."""
    folder.mkdir(parents=True)
    lines = [f": {i * 20} 16 {(i * 7) % 12} la" for i in range(90)]
    (folder / "song.txt").write_text("\n".join([f"#TITLE:{name}", "#BPM:300", "#GAP:1000", *lines, "E"]) + "\n")


def recordings(folder: Path) -> None:
    song(folder / "songs" / "s1", "one")
    table = [
        ("songs/s1/audio.opus", "songs", "s1", "reference"),
        ("songs/s1/instrumental.opus", "songs", "s1", "query"),
        ("songs/s1/song.txt", "songs", "s1", "query"),
        ("piano/p1/original.opus", "piano", "p1", "reference"),
        ("piano/p1/kr-2.opus", "piano", "p1", "query"),
        ("piano/p1/our.opus", "piano", "p1", "query"),
        ("piano/p2/original.opus", "piano", "p2", "reference"),
        ("reprise/g/a.opus", "reprise", "g", "either"),
    ]
    with (folder / "recordings.csv").open("w", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(("path", "set", "work_id", "role"))
        writer.writerows(table)


def test_every_kind_of_query_is_a_set_with_its_references(tmp_path: Path) -> None:
    recordings(tmp_path)
    (tmp_path / "d").mkdir()
    (tmp_path / "d" / "distractors.csv").write_text("path,package,sha256\npkg/x.ogg,pkg,00112233445566\n")
    assert real.make(tmp_path, None, [(tmp_path / "d", "distractors-seen")], tmp_path / "real.csv", 1) == 10
    with (tmp_path / "real.csv").open() as file:
        listed = list(csv.DictReader(file))
    found = sorted((r["set"], r["role"], r["work_id"]) for r in listed)
    assert found == [
        ("distractors-seen", "distractor", "distractor:001122334455"),
        ("piano-kr", "query", "p1"), ("piano-kr", "reference", "p1"), ("piano-kr", "reference", "p2"),
        ("piano-our", "query", "p1"), ("piano-our", "reference", "p1"), ("piano-our", "reference", "p2"),
        ("reprise", "either", "g"),
        ("songs-instrumental", "query", "s1"), ("songs-instrumental", "reference", "s1"),
    ]  # fmt: skip
    assert all(Path(r["path"]).is_absolute() for r in listed)
    assert len({r["half"] for r in listed if r["work_id"] == "p1"}) == 1
    assert {r["half"] for r in listed if r["set"] == "piano-kr"} == set(HALVES)


ROLES = (("original", "reference"), ("kr", "query"))


def test_a_recording_that_is_there_twice_is_one_work(tmp_path: Path) -> None:
    same = ("ex7a4ff73d", "ex233379a0")
    rows = ["path,set,work_id,role"]
    rows += [f"piano/{w}/{name}.opus,piano,{w},{role}" for w in (*same, "p1", "p2") for name, role in ROLES]
    (tmp_path / "recordings.csv").write_text("\n".join(rows))
    assert real.make(tmp_path, None, [], tmp_path / "real.csv", 1) == 8
    with (tmp_path / "real.csv").open() as file:
        listed = list(csv.DictReader(file))
    assert {r["work_id"] for r in listed} == {same[1], "p1", "p2"}
    assert [r["work_id"] for r in listed].count(same[1]) == 4
    assert len({r["half"] for r in listed if r["work_id"] == same[1]}) == 1


def test_hummed_queries_of_a_song_are_audio_with_rows(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    recordings(tmp_path)
    played: list[int] = []
    monkeypatch.setattr(songs, "_play_missing", lambda queries, out, font: played.append(len(queries)))
    songs.make(tmp_path, tmp_path / "none.sf2", tmp_path / "out", 2, 1)
    assert played == [2]
    with (tmp_path / "out" / "manifest.csv").open() as file:
        listed = list(csv.DictReader(file))
    asked = [r for r in listed if r["role"] == "query" and r["set"] == songs.HUMMED]
    assert len(asked) == 2
    for row in asked:
        assert 20 <= float(row["seconds"]) <= 30
        with wave.open(row["path"]) as file:
            assert file.getnframes() == int(float(row["seconds"]) * 16000) or file.getnframes() > 0
            pcm = np.frombuffer(file.readframes(file.getnframes()), "<i2")
        assert np.abs(pcm).max() > 10000
        assert abs(len(pcm) / 16000 - float(row["seconds"])) < 0.02
    assert [r["set"] for r in listed if r["role"] == "distractor"] == ["piano", "piano", "reprise"]


def test_stretches_do_not_overlap_and_hold_notes() -> None:
    notes = Notes.of(np.arange(0, 200, 1.0), 0.8, 60, 1.0, 1.0)
    found = songs.stretches(notes, 4, np.random.default_rng(1))
    assert len(found) == 4
    assert all(b[0] >= a[0] + a[1] for a, b in zip(found, found[1:], strict=False))
    assert found[-1][0] > 100
    assert songs.stretches(Notes.of(np.arange(0, 200, 5.0), 0.8, 60, 1.0, 1.0), 4, np.random.default_rng(1)) == []


def test_a_missing_soundfont_is_a_sentence(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "works.csv").write_text("path,work_id,split\na,a,val\n")
    a_store(tmp_path)
    command = ["human", "--manifest", str(tmp_path / "works.csv"), "--store", str(tmp_path / "s.npz")]
    assert main([*command, "--soundfont", str(tmp_path / "no.sf2"), "--out", str(tmp_path / "o")]) == 2
    assert "no.sf2: no such soundfont" in capsys.readouterr().err
