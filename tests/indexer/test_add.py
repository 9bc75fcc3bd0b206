"""``indexer add`` on real files: what is added, skipped and refused, and what survives."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from indexer import ingest, pool
from indexer.child import hash_file
from recognizer.catalogue import Catalogue, CatalogueWriter
from recognizer.decode import decode
from recognizer.embedder import Embedder
from recognizer.reference import analyse
from recognizer.released import default_model_path
from tests.audio_samples import write_tune
from tests.indexer.helpers import Indexer

ROOT = Path(__file__).parents[2]


def test_adds_a_folder_and_skips_it_the_next_time(indexer: Indexer, collection: Path, tmp_path: Path) -> None:
    done = indexer("add", collection, "--catalogue", tmp_path / "c", "--jobs", 2)
    assert done.code == 0
    assert "added 3 (1:18 of audio, 3 works), skipped 0 already there, refused 0" in done.out
    assert "× real time" in done.out and "generation 1, 3 references of 3 works" in done.out
    tracks = {track.title: track for track in Catalogue.open(tmp_path / "c").tracks()}
    assert set(tracks) == {"One", "Two", "untagged"}
    assert tracks["One"].artist == "Ann" and tracks["untagged"].artist is None
    assert tracks["One"].path == str(collection / "one.mp3")
    assert tracks["One"].sha256 == hash_file(collection / "one.mp3")
    assert tracks["Two"].duration_s == pytest.approx(26, abs=0.1)
    again = indexer("add", collection, "--catalogue", tmp_path / "c")
    assert again.code == 0 and "added 0" in again.out and "skipped 3 already there" in again.out
    assert Catalogue.open(tmp_path / "c").manifest.generation == 1


def test_a_file_indexed_gives_the_vectors_of_the_line(indexed: Path, collection: Path) -> None:
    embedder = Embedder(default_model_path())
    view = Catalogue.open(indexed).view()
    for track in view.tracks:
        assert track.path is not None
        expected = analyse(decode(Path(track.path), embedder.contract.sample_rate_hz), embedder)
        rows = view.vector_track == view.track_number(track.reference_id)
        assert np.array_equal(view.vectors[rows], expected.embeddings)
        assert np.array_equal(view.vector_start_s[rows], expected.starts_s)
        pieces = view.pieces[view.piece_track == view.track_number(track.reference_id)]
        assert len(pieces) > 1 and np.array_equal(pieces, expected.pieces.astype(np.float16))
        number = view.track_number(track.reference_id)
        assert number is not None
        np.testing.assert_allclose(view.pitch(number), expected.pitch, atol=expected.pitch.max() / 500)
    assert view.model_id == embedder.model_id


def test_what_is_no_audio_is_refused_with_the_reason_and_stops_nothing(indexer: Indexer, tmp_path: Path) -> None:
    music = tmp_path / "music"
    music.mkdir()
    write_tune(music / "good.wav", seconds=21, rate_hz=16_000)
    whole = write_tune(music / "cut.mp3", seconds=30, seed=2)
    whole.write_bytes(whole.read_bytes()[: whole.stat().st_size // 2])
    (music / "text.mp3").write_text("words, words, words\n" * 300)
    (music / "empty.flac").write_bytes(b"")
    (music / "again.wav").write_bytes((music / "good.wav").read_bytes())
    missing = tmp_path / "missing.mp3"
    done = indexer("add", music, missing, "--catalogue", tmp_path / "c", "--json")
    assert done.code == 1
    *lines, last = done.lines
    status = {Path(line["path"]).name: line["status"] for line in lines}
    assert status.pop("good.wav") != status.pop("again.wav")  # whichever came first
    assert status == {"cut.mp3": "added", "text.mp3": "refused", "empty.flac": "refused", "missing.mp3": "refused"}
    reasons = {Path(line["path"]).name: line.get("reason", "") for line in lines}
    assert "not audio in a known format" in reasons["text.mp3"]
    assert "is empty" in reasons["empty.flac"]
    assert "No such file" in reasons["missing.mp3"]
    assert "refused" in done.err and "text.mp3" in done.err
    counts = last["summary"]
    assert (counts["added"], counts["skipped"], counts["refused"], counts["tracks"]) == (2, 1, 3, 2)
    durations = {track.title: track.duration_s for track in Catalogue.open(tmp_path / "c").tracks()}
    assert durations["cut"] == pytest.approx(15, abs=0.5)


def test_the_table_wins_over_the_tags_and_names_works(indexer: Indexer, collection: Path, tmp_path: Path) -> None:
    table = tmp_path / "table.csv"
    one, two = (os.path.relpath(collection / name, tmp_path) for name in ("one.mp3", "more/two.ogg"))
    table.write_text(
        "path,work_id,title,artist,isrc,iswc\n"
        f'{one},work 1,"Better, title",,us-rc1-76-07839,T-034.524.680-1\n'
        f"{two},work 1,,,,\n"
    )
    done = indexer("add", collection, "--manifest", table, "--catalogue", tmp_path / "c")
    assert done.code == 0 and "3 references of 2 works" in done.out
    tracks = {track.title: track for track in Catalogue.open(tmp_path / "c").tracks()}
    better = tracks["Better, title"]
    assert (better.work_id, better.artist) == ("work 1", "Ann")
    assert (better.isrc, better.iswc) == ("USRC17607839", "T0345246801")
    assert tracks["Two"].work_id == "work 1"
    assert tracks["untagged"].work_id.startswith("w-")


def test_a_table_alone_is_enough(indexer: Indexer, collection: Path, tmp_path: Path) -> None:
    table = tmp_path / "table.csv"
    table.write_text(f"path\n{collection / 'one.mp3'}\n{tmp_path / 'gone.mp3'}\n")
    done = indexer("add", "--manifest", table, "--catalogue", tmp_path / "c")
    assert done.code == 1 and "added 1" in done.out and "refused 1" in done.out


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        ([], "nothing to add; name files or folders"),
        (["EMPTY"], "no audio files found (1 other files passed over)"),
        (["--manifest", "EMPTY/note.txt"], "has no column 'path'"),
        (["--manifest", "EMPTY/none.csv"], "cannot be read: No such file"),
        (["EMPTY/note.txt", "--model", "EMPTY/note.txt"], "note.txt"),
        (["EMPTY/note.txt", "--jobs", "0"], "--jobs"),
    ],
)
def test_wrong_use_exits_with_2_and_makes_nothing(
    indexer: Indexer, tmp_path: Path, arguments: list[str], sentence: str
) -> None:
    (tmp_path / "empty").mkdir()
    (tmp_path / "empty" / "note.txt").write_text("title,artist\n")
    given = [argument.replace("EMPTY", str(tmp_path / "empty")) for argument in arguments]
    done = indexer("add", *given, "--catalogue", tmp_path / "c")
    assert done.code == 2
    assert sentence in done.err
    assert not (tmp_path / "c").exists()


def test_a_catalogue_of_another_model_is_refused(indexer: Indexer, indexed: Path, collection: Path) -> None:
    other = replace(Catalogue.open(indexed).manifest, model_id="sha256:" + "0" * 64)
    (indexed / "manifest.json").write_bytes(other.to_bytes())
    for command in (["add", collection], ["search", collection / "one.mp3"]):
        done = indexer(*command, "--catalogue", indexed)
        assert done.code == 2
        assert "indexer rebuild --into" in done.err and "--model" in done.err


def test_two_adds_at_once_do_not_mix(indexer: Indexer, indexed: Path, collection: Path) -> None:
    with CatalogueWriter(indexed):
        done = indexer("add", collection, "--catalogue", indexed)
    assert done.code == 1
    assert f"process (number {os.getpid()}) is writing" in done.err


def test_rebuild_computes_the_same_catalogue_again(indexer: Indexer, indexed: Path, tmp_path: Path) -> None:
    done = indexer("rebuild", "--catalogue", indexed, "--into", tmp_path / "new")
    assert done.code == 0 and "added 3" in done.out
    old, new = (Catalogue.open(directory).view() for directory in (indexed, tmp_path / "new"))
    assert sorted(old.tracks, key=lambda t: t.reference_id) == sorted(new.tracks, key=lambda t: t.reference_id)
    same = indexer("rebuild", "--catalogue", indexed, "--into", indexed)
    assert same.code == 2 and "names the catalogue itself" in same.err


def slow_child(tmp_path: Path) -> str:
    """A program that is the indexer, with children that take 0.4 s longer per file."""
    child = tmp_path / "slow_child.py"
    child.write_text(
        "import time\nfrom indexer import child\nreal = child.send_analysis\n"
        "def slow(*arguments):\n    time.sleep(0.4)\n    real(*arguments)\n"
        "child.send_analysis = slow\nchild.main()\n"
    )
    program = tmp_path / "program.py"
    program.write_text(
        "import sys\nfrom indexer import cli, pool\n"
        f"pool.CHILD_COMMAND = (sys.executable, {str(child)!r})\ncli.main()\n"
    )
    return str(program)


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGKILL])
def test_an_interrupted_run_goes_on_where_it_stopped(indexer: Indexer, tmp_path: Path, number: signal.Signals) -> None:
    for seed in range(8):
        write_tune(tmp_path / f"{seed}.wav", seconds=4, seed=seed, rate_hz=16_000)
    command = [sys.executable, slow_child(tmp_path), "add", str(tmp_path), "--catalogue", str(tmp_path / "c")]
    process = subprocess.Popen(
        [*command, "--jobs", "1", "--json"], cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )
    assert process.stdout is not None
    seen = [json.loads(process.stdout.readline()) for _ in range(2)]  # two files are done
    process.send_signal(number)
    out, err = process.communicate(timeout=30)
    assert [line["status"] for line in seen] == ["added", "added"]
    if number == signal.SIGKILL:
        assert process.returncode == -9
        assert Catalogue.open(tmp_path / "c").verify() == []
    else:
        assert process.returncode == 130
        assert "interrupted; run the same command again" in err
        summary = json.loads(out.splitlines()[-1])["summary"]
        assert summary["interrupted"] and 2 <= summary["tracks"] < 8
    held = len(Catalogue.open(tmp_path / "c").tracks())
    assert held < 8 and (held >= 2 or number == signal.SIGKILL)
    done = indexer("add", tmp_path, "--catalogue", tmp_path / "c")
    assert done.code == 0 and f"added {8 - held}" in done.out and f"skipped {held} already there" in done.out
    assert len(Catalogue.open(tmp_path / "c").tracks()) == 8


def test_no_child_outlives_a_killed_parent(tmp_path: Path) -> None:
    write_tune(tmp_path / "a.wav", seconds=4, rate_hz=16_000)
    write_tune(tmp_path / "b.wav", seconds=4, seed=2, rate_hz=16_000)
    command = [sys.executable, slow_child(tmp_path), "add", str(tmp_path), "--catalogue", str(tmp_path / "c")]
    process = subprocess.Popen(
        [*command, "--jobs", "1", "--json"], cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL
    )
    assert process.stdout is not None
    process.stdout.readline()
    # Children are started by threads, which the kernel lists apart.
    tasks = Path(f"/proc/{process.pid}/task").iterdir()
    children = [pid for task in tasks for pid in (task / "children").read_text().split()]
    assert children
    process.kill()
    process.communicate()
    deadline = time.monotonic() + 10
    while any(Path(f"/proc/{pid}").exists() for pid in children) and time.monotonic() < deadline:
        time.sleep(0.05)
    assert not any(Path(f"/proc/{pid}").exists() for pid in children)


def test_commits_happen_while_the_run_goes_on(
    indexer: Indexer, collection: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(ingest, "COMMIT_TRACKS", 1)
    indexer("add", collection, "--catalogue", tmp_path / "c")
    assert Catalogue.open(tmp_path / "c").manifest.generation == 3


def test_children_are_not_started_from_the_folder_one_stands_in(
    indexer: Indexer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A folder of strangers' files may hold a Python file with the name of a module."""
    for name in ("numpy", "indexer", "av"):
        (tmp_path / f"{name}.py").write_text(f"open({str(tmp_path / 'trap')!r}, 'w')\n")
    write_tune(tmp_path / "a.wav", seconds=4, rate_hz=16_000)
    monkeypatch.chdir(tmp_path)
    assert pool.CHILD_COMMAND[1] == "-P"
    assert indexer("add", tmp_path, "--catalogue", tmp_path / "c").code == 0
    assert not (tmp_path / "trap").exists()
