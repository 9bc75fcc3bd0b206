"""``list``, ``show``, ``remove``, ``stats``, ``verify``, ``compact`` and ``search`` on an indexed collection."""

from __future__ import annotations

import csv
import io
import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from recognizer.catalogue import Catalogue
from tests.audio_samples import write_tune
from tests.indexer.helpers import Indexer

ROW = {
    "rank", "work_id", "reference_id", "title", "artist", "score", "transpose_semitones", "tempo_ratio",
    "query_start_s", "reference_start_s",
}  # fmt: skip


def test_list_for_people_programs_and_spreadsheets(indexer: Indexer, indexed: Path) -> None:
    plain = indexer("list", "--catalogue", indexed)
    assert plain.code == 0 and len(plain.out.splitlines()) == 3
    assert "0:26  One — Ann" in plain.out
    tracks = indexer("list", "--catalogue", indexed, "--json").lines
    assert {track["title"] for track in tracks} == {"One", "Two", "untagged"}
    assert all(track["windows"] == 2 and len(track["sha256"]) == 64 for track in tracks)
    rows = list(csv.DictReader(io.StringIO(indexer("list", "--catalogue", indexed, "--csv").out)))
    assert {row["title"]: row["artist"] for row in rows} == {"One": "Ann", "Two": "Ben", "untagged": ""}
    assert indexer("list", "--catalogue", indexed, "--csv", "--json").code == 2


def test_a_listed_table_can_be_indexed_again(indexer: Indexer, indexed: Path, tmp_path: Path) -> None:
    table = tmp_path / "table.csv"
    table.write_text(indexer("list", "--catalogue", indexed, "--csv").out)
    assert indexer("add", "--manifest", table, "--catalogue", tmp_path / "c").code == 0
    assert indexer("list", "--catalogue", tmp_path / "c").out == indexer("list", "--catalogue", indexed).out


def test_show_by_reference_work_and_path(indexer: Indexer, indexed: Path, collection: Path) -> None:
    one = next(t for t in Catalogue.open(indexed).tracks() if t.title == "One")
    for name in (one.reference_id, one.work_id, collection / "one.mp3"):
        (line,) = indexer("show", name, "--catalogue", indexed, "--json").lines
        assert [found["reference_id"] for found in line["references"]] == [one.reference_id]
    shown = indexer("show", one.reference_id, "nobody", "--catalogue", indexed)
    assert shown.code == 1
    assert "artist        Ann" in shown.out
    assert "nobody is not in the catalogue; `indexer list` shows what is" in shown.err


def test_remove_works_when_the_source_file_is_gone(indexer: Indexer, tmp_path: Path) -> None:
    music, directory = tmp_path / "music", tmp_path / "c"
    music.mkdir()
    for seed in range(3):
        write_tune(music / f"{seed}.wav", seconds=3, seed=seed, rate_hz=16_000)
    assert indexer("add", music, "--catalogue", directory).code == 0
    tracks = {track.title: track for track in Catalogue.open(directory).tracks()}
    for path in music.iterdir():
        path.unlink()
    done = indexer("remove", tracks["0"].reference_id, tracks["1"].work_id, "--catalogue", directory, "--json")
    assert done.code == 0
    assert done.lines[0] == {"removed": [tracks["0"].reference_id, tracks["1"].reference_id], "generation": 2}
    again = indexer("remove", tracks["0"].reference_id, music / "2.wav", "--catalogue", directory)
    assert again.code == 1 and "is not in the catalogue" in again.err and "removed" in again.out
    assert Catalogue.open(directory).tracks() == []


def test_removed_and_added_again(indexer: Indexer, indexed: Path, collection: Path) -> None:
    one = next(t for t in Catalogue.open(indexed).tracks() if t.title == "One")
    assert indexer("remove", one.work_id, "--catalogue", indexed).code == 0
    done = indexer("add", collection, "--catalogue", indexed)
    assert "added 1" in done.out and "skipped 2" in done.out
    assert indexer("compact", "--catalogue", indexed).code == 0
    opened = Catalogue.open(indexed)
    assert len(opened.manifest.segments) == 1 and opened.manifest.segments[0].removed == ()
    assert len(list((indexed / "files").iterdir())) == 5
    assert one in opened.tracks()


def test_stats(indexer: Indexer, indexed: Path) -> None:
    (values,) = indexer("stats", "--catalogue", indexed, "--json").lines
    assert (values["references"], values["works"], values["windows"], values["generation"]) == (3, 3, 6, 1)
    assert values["audio_s"] == pytest.approx(78, abs=0.5) and values["model_id"].startswith("sha256:")
    assert "audio_s     1:18" in indexer("stats", "--catalogue", indexed).out


def test_verify_tells_whole_from_damaged(indexer: Indexer, indexed: Path) -> None:
    whole = indexer("verify", "--catalogue", indexed)
    assert whole.code == 0 and "generation 1 is whole: 5 files, 3 references" in whole.out
    path = next((indexed / "files").iterdir())
    path.write_bytes(path.read_bytes() + b"!")
    done = indexer("verify", "--catalogue", indexed, "--json")
    assert done.code == 1
    assert path.name[:12] in done.lines[0]["problems"][0] and path.name[:12] in done.err
    path.unlink()
    gone = indexer("verify", "--catalogue", indexed)
    assert gone.code == 1 and "is missing" in gone.err


@pytest.mark.parametrize("command", [["list"], ["show", "x"], ["remove", "x"], ["stats"], ["verify"], ["compact"]])
def test_without_a_catalogue_one_sentence_says_how_to_make_one(
    indexer: Indexer, tmp_path: Path, command: list[str]
) -> None:
    done = indexer(*command, "--catalogue", tmp_path / "none")
    assert done.code == 2
    assert "there is no catalogue in" in done.err and "indexer add MUSIC" in done.err
    assert done.err.count("\n") == 1 and not (tmp_path / "none").exists()


def test_the_default_catalogue_is_in_the_data_directory(
    indexer: Indexer, indexed: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("RECOGNIZER_DATA_DIR", str(tmp_path / "data"))
    assert str(tmp_path / "data" / "catalogue") in indexer("list").err
    (tmp_path / "data").mkdir()
    indexed.rename(tmp_path / "data" / "catalogue")
    assert indexer("list").code == 0


def test_search_finds_a_transposed_version_first(indexer: Indexer, indexed: Path, tmp_path: Path) -> None:
    query = write_tune(tmp_path / "query.flac", seconds=26, seed=2, transpose_semitones=2)
    done = indexer("search", query, "--catalogue", indexed, "--top", 1000, "--json")
    assert done.code == 0
    (line,) = done.lines
    assert set(line) == {"query", "results"} and line["query"] == str(query)
    assert [row["rank"] for row in line["results"]] == [1, 2, 3]  # as deep as the catalogue
    assert all(set(row) == ROW for row in line["results"])
    assert len({row["work_id"] for row in line["results"]}) == 3
    scores = [row["score"] for row in line["results"]]
    assert scores == sorted(scores, reverse=True)
    assert (line["results"][0]["title"], line["results"][0]["transpose_semitones"]) == ("Two", 2)
    shallow = indexer("search", query, "--catalogue", indexed, "--top", 1)
    assert "Two — Ben  +2 semitones" in shallow.out and "One" not in shallow.out


def test_search_answers_for_the_files_that_can_be_read(
    indexer: Indexer, indexed: Path, collection: Path, tmp_path: Path
) -> None:
    bad = tmp_path / "bad.mp3"
    bad.write_text("no music")
    files = [collection / "untagged.wav", bad, collection / "one.mp3", tmp_path / "missing.mp3"]
    done = indexer("search", *files, "--catalogue", indexed, "--top", 1, "--json", "--jobs", 2)
    assert done.code == 1
    assert [line["query"] for line in done.lines] == [str(files[0]), str(files[2])]
    assert [line["results"][0]["title"] for line in done.lines] == ["untagged", "One"]
    assert "bad.mp3" in done.err and "missing.mp3" in done.err


def test_search_in_an_empty_catalogue_finds_nothing(indexer: Indexer, indexed: Path, collection: Path) -> None:
    ids = [track.reference_id for track in Catalogue.open(indexed).tracks()]
    indexer("remove", *ids, "--catalogue", indexed)
    done = indexer("search", collection / "one.mp3", "--catalogue", indexed, "--json")
    assert done.lines == [{"query": str(collection / "one.mp3"), "results": []}]


def test_help_teaches_every_command(indexer: Indexer) -> None:
    done = indexer("--help")
    commands = ["add", "list", "show", "remove", "stats", "verify", "search", "export", "import", "publish", "rebuild"]
    assert done.code == 0 and all(command in done.out for command in commands)
    for command in commands:
        text = indexer(command, "--help")
        assert text.code == 0 and "--catalogue" in text.out


def test_a_reader_that_goes_away_ends_it_quietly(indexed: Path) -> None:
    command = [sys.executable, "-m", "indexer.cli", "list", "--json", "--catalogue", str(indexed)]
    reading, writing = os.pipe()
    os.close(reading)
    done = subprocess.run(command, stdout=writing, stderr=subprocess.PIPE, cwd=Path(__file__).parents[2])
    os.close(writing)
    assert done.stderr == b""


def test_json_is_ascii_so_that_any_terminal_takes_it(indexer: Indexer, tmp_path: Path) -> None:
    path = write_tune(tmp_path / "Ünïcode.wav", seconds=2, rate_hz=16_000)
    indexer("add", path, "--catalogue", tmp_path / "c")
    out = indexer("list", "--catalogue", tmp_path / "c", "--json").out
    assert out.isascii() and json.loads(out)["title"] == "Ünïcode"
