"""The generator of programmes: choices, the mixing desk, files, and a set from recordings."""

from __future__ import annotations

import csv
from pathlib import Path

import numpy as np
import pytest

pytest.importorskip("mido", reason="the generator renders MIDI; install the extra [train]")

from models.data.arrange import Notes
from models.data.manifest import Entry
from models.data.mixing import over
from models.data.score import MELODY, make_score
from models.data.store import ScoreStore, _write
from models.data.views import Corpus
from models.programmes import perform
from models.programmes.broadcast import Ingredients, compose
from models.programmes.choose import Work, choose, works_of
from models.programmes.desk import Desk
from models.programmes.files import truth_rows, write_flac
from models.programmes.material import read
from models.programmes.perform import RATE_HZ, Players, trimmed
from models.programmes.recorded import read_recordings, write_recorded
from tests.audio_samples import tune, write_audio


def store_of(tmp_path: Path, melodies: dict[str, np.ndarray]) -> ScoreStore:
    scores = [
        make_score(np.arange(len(m)), np.ones(len(m)), m, np.full(len(m), MELODY), 0.5) for m in melodies.values()
    ]
    _write(tmp_path / "s.npz", list(melodies), scores)
    return ScoreStore(tmp_path / "s.npz")


def test_one_tune_under_two_names_is_drawn_once(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    melodies = {f"{i}.mid": rng.integers(50, 80, 60) for i in range(20)}
    melodies["twin.mid"] = melodies["3.mid"] + 5  # the same tune in another key
    entries = [Entry(path, path, "0", "val", "c", None) for path in melodies]
    works = works_of(entries, store_of(tmp_path, melodies), "val")
    for seed in range(5):
        choice = choose(works, store_of(tmp_path, melodies), 15, 5, seed)
        drawn = [work.work_id for work in (*choice.catalogue, *choice.unknown)]
        assert len(drawn) == len(set(drawn)) == 20
        assert len({"twin.mid", "3.mid"} & set(drawn)) == 1
    with pytest.raises(ValueError, match="only 20 of 21"):
        choose(works, store_of(tmp_path, melodies), 21, 0, 0)


def test_works_with_versions_are_in_the_catalogue(tmp_path: Path) -> None:
    rng = np.random.default_rng(1)
    melodies = {f"{i}.mid": rng.integers(50, 80, 60) for i in range(10)}
    entries = [Entry(path, "both" if i in (4, 7) else path, path, "val", "c", None) for i, path in enumerate(melodies)]
    store = store_of(tmp_path, melodies)
    choice = choose(works_of(entries, store, "val"), store, 3, 2, 0)
    assert [work.work_id for work in choice.with_versions] == ["both"]
    assert works_of(entries, store, "train") == []


def test_the_truth_says_where_the_sound_is() -> None:
    """Pieces of constant sound: what the desk says must be what is heard."""
    for seed in range(8):
        desk = Desk(np.random.default_rng(seed))
        loud = np.full(30 * RATE_HZ, 0.3, np.float32)
        desk.play(loud, "cover", "a")
        desk.silence(5)
        desk.play(loud, "cover", "b")
        desk.play(loud, "foreign")
        mix = desk.mixed()
        covers = [row for row in desk.rows if row.kind == "cover"]
        assert [row.work_id for row in covers] == ["a", "b"]
        heard = np.abs(mix) > 0.02
        for row in covers:
            inside = heard[int((row.start_s + 0.2) * RATE_HZ) : int((row.end_s - 0.2) * RATE_HZ)]
            assert inside.mean() > 0.99
        gap = heard[int((covers[0].end_s + 0.01) * RATE_HZ) : int((covers[1].start_s - 0.01) * RATE_HZ)]
        assert len(gap) > 4 * RATE_HZ and not gap.any()
        last = max(row.end_s for row in desk.rows)
        assert len(mix) == pytest.approx(last * RATE_HZ, abs=2)


def test_music_may_fade_into_music_and_the_rows_then_overlap() -> None:
    overlaps = []
    for seed in range(20):
        desk = Desk(np.random.default_rng(seed))
        for work in "ab":
            desk.play(np.full(40 * RATE_HZ, 0.3, np.float32), "cover", work)
        first, second = desk.rows
        overlaps.append(first.end_s - second.start_s)
        desk.over_last(np.full(5 * RATE_HZ, 0.1, np.float32), "speech")
        assert second.start_s <= desk.rows[2].start_s and desk.rows[2].end_s <= second.end_s + 1e-6
    assert any(2 <= overlap <= 4 for overlap in overlaps) and any(overlap <= 0 for overlap in overlaps)


def test_flac_comes_back_as_it_went(tmp_path: Path) -> None:
    audio = tune(3, 1, RATE_HZ)
    write_flac(tmp_path / "a" / "x.flac", audio)
    back = read(tmp_path / "a" / "x.flac")
    assert len(back) == len(audio)
    assert np.abs(back - audio).max() < 1e-4
    assert not list((tmp_path / "a").glob("*.part"))
    quiet = np.concatenate([np.zeros(RATE_HZ, np.float32), audio, np.zeros(RATE_HZ, np.float32)])
    assert len(trimmed(quiet)) <= len(audio)


def test_rows_are_written_in_order_of_time() -> None:
    desk = Desk(np.random.default_rng(0))
    desk.play(np.full(10 * RATE_HZ, 0.3, np.float32), "foreign", note="n")
    desk.over_last(np.full(RATE_HZ, 0.1, np.float32), "speech")
    rows = truth_rows("p", "p.flac", reversed(desk.rows))
    starts = [float(str(row["start_s"])) for row in rows]
    assert starts == sorted(starts)
    assert {row["programme"] for row in rows} == {"p"}


@pytest.fixture
def recordings(tmp_path: Path) -> Path:
    folder = tmp_path / "real"
    folder.mkdir()
    lines = ["path,set,work_id,role"]
    for number, (work, role) in enumerate([("w1", "reference"), ("w1", "query"), ("w2", "either"), ("w2", "either")]):
        write_audio(folder / f"{number}.flac", tune(25, number, RATE_HZ), RATE_HZ)
        lines.append(f"{number}.flac,s,{work},{role}")
    (folder / "recordings.csv").write_text("\n".join(lines) + "\n", encoding="utf-8")
    return folder


def test_every_recorded_query_is_played_once_and_a_second_run_changes_nothing(recordings: Path, tmp_path: Path) -> None:
    foreign = tmp_path / "foreign.flac"
    write_audio(foreign, tune(40, 77, RATE_HZ), RATE_HZ)
    references, queries = read_recordings(recordings)
    assert [r.path for r in references] == ["0.flac", "2.flac"]
    assert [q.path for q in queries] == ["1.flac", "3.flac"]

    def written() -> bytes:
        # No players: without unknown works nothing is rendered.
        material = Ingredients(None, (), (), (), (foreign,), ())  # type: ignore[arg-type]
        truth = write_recorded(tmp_path / "set", recordings, queries, material, 0.5, 3)
        return truth.read_bytes()

    first = written()
    rows = list(csv.DictReader(first.decode().splitlines()))
    assert sorted(row["work_id"] for row in rows if row["kind"] == "cover") == ["w1", "w2"]
    assert {row["kind"] for row in rows} >= {"cover", "speech"}
    programmes = {row["path"] for row in rows}
    assert len(programmes) == 2 and all((tmp_path / "set" / path).is_file() for path in programmes)
    for row in rows:
        length = len(read(tmp_path / "set" / row["path"])) / RATE_HZ
        assert float(row["end_s"]) <= length + 0.1
    assert written() == first


def test_each_kind_gets_its_share(tmp_path: Path) -> None:
    files = []
    for number in range(3):
        files.append(tmp_path / f"{number}.flac")
        write_audio(files[-1], tune(60, number, RATE_HZ), RATE_HZ)
    material = Ingredients(None, (), (), (), files, ())  # type: ignore[arg-type]  # nothing is rendered
    assert "jingle" not in material.shares()  # needs a soundfont
    assert "unknown" not in material.shares() and "cover" not in material.shares()
    assert sum(material.shares().values()) == pytest.approx(1)
    desk = compose(material, 400, np.random.default_rng(2), lambda seconds: None)
    spent = {kind: sum(r.end_s - r.start_s for r in desk.rows if r.kind == kind) for kind in ("foreign", "speech")}
    assert desk.now_s >= 400
    assert spent["foreign"] > spent["speech"] > 0


class Band:
    """Stands in for FluidSynth: tunes are loud, accompaniments louder; keeps the notes it was given."""

    def __init__(self) -> None:
        self.tunes: list[Notes] = []

    def __call__(self, notes: Notes, seconds: float, soundfont: Path, rate_hz: int, *_: object) -> np.ndarray:
        front = bool(len(notes)) and bool(notes.melody[0])
        if front:
            self.tunes.append(notes)
        wave = np.sin(np.arange(int(seconds * rate_hz)) * (0.3 if front else 0.07))
        return (wave * (0.1 if front else 0.9)).astype(np.float32)


def players_of(tmp_path: Path, melodies: dict[str, np.ndarray], lengths: dict[str, float]) -> Players:
    scores = [
        make_score(
            np.arange(len(m)) * lengths[path], np.full(len(m), lengths[path]), m, np.full(len(m), MELODY), 0.5
        )
        for path, m in melodies.items()
    ]  # fmt: skip
    _write(tmp_path / "played.npz", list(melodies), scores)
    entries = [Entry(path, "w", path, "val", "c", None) for path in melodies]
    return Players(Corpus(entries, ScoreStore(tmp_path / "played.npz")), [Path("one.sf2")], 0)


def test_only_versions_with_music_in_common_are_played_as_covers(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    band = Band()
    monkeypatch.setattr(perform, "render", band)
    rng = np.random.default_rng(4)
    first, other = rng.integers(55, 75, 200), rng.integers(55, 75, 200)
    # The other version is written in notes of half the length, in another key.
    melodies, lengths = {"a": first, "b": other, "c": first + 4}, {"a": 1.0, "b": 1.0, "c": 0.5}
    players = players_of(tmp_path, melodies, lengths)
    players.reference(Work("w", ("a", "b", "c")))
    gap_s = float(np.median(np.diff(np.unique(np.round(band.tunes.pop().onset, 2)))))
    for seed in range(6):
        draw = np.random.default_rng(seed)
        assert players.cover(Work("w", ("a", "b", "c")), draw).note == "human version c"
        played_s = float(np.median(np.diff(np.unique(np.round(band.tunes.pop().onset, 2)))))
        assert 0.6 <= played_s / gap_s <= 1.6, "as fast as the reference, more or less, not twice as fast"
        assert players.cover(Work("w", ("a", "b")), draw).note == "arrangement a"


def test_the_tune_is_heard_above_what_accompanies_it() -> None:
    rate_hz = 16_000
    at = np.arange(4 * rate_hz)
    tune_part = (0.05 * np.sin(at * 0.3)).astype(np.float32)
    rest = (0.8 * np.sin(at * 0.07)).astype(np.float32)
    tune_part[: len(at) // 2] = 0  # a rest of the tune does not make it louder
    both = over(tune_part, rest, 3.0, rate_hz)
    tail = both[-rate_hz:]
    front = np.abs(np.fft.rfft(tail))
    in_front, behind = front[round(0.3 * rate_hz / (2 * np.pi))], front[round(0.07 * rate_hz / (2 * np.pi))]
    assert 20 * np.log10(in_front / behind) == pytest.approx(3.0, abs=1.0)
    assert over(tune_part, np.zeros_like(rest), 3.0, rate_hz).std() > 0
    assert not over(np.zeros_like(rest), np.zeros_like(rest), 3.0, rate_hz).any()
