"""``indexer evaluate`` and ``indexer mirex`` on synthesised recordings whose versions are known."""

from __future__ import annotations

import csv
import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest

from indexer.evaluation import lists, plots
from recognizer.errors import UsageError
from recognizer.released import baseline_model_path
from tests.audio_samples import write_tune
from tests.indexer.helpers import Indexer

RATE_HZ = 16_000
MODEL = baseline_model_path()  # quick, and what these made-up tunes need


@pytest.fixture(scope="module")
def music(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Four works in set a and two in b, each with a version in another key; a singleton; three strangers.

    Not to be changed; ``cache`` keeps the analyses for all tests.
    """
    folder = tmp_path_factory.mktemp("evaluate")
    rows = ["path,work_id,role,set,kind,note"]
    for seed in range(6):
        group, kind = ("a", "near" if seed % 2 else "far") if seed < 4 else ("b", "")
        write_tune(folder / f"song{seed}.wav", seconds=24, seed=seed, rate_hz=RATE_HZ)
        write_tune(
            folder / f"cover{seed}.wav", seconds=24, seed=seed, rate_hz=RATE_HZ, transpose_semitones=seed - 2 or 5
        )
        roles = ("either", "") if group == "b" else ("reference", "query")
        rows += [f"song{seed}.wav,w{seed},{roles[0]},{group},,", f"cover{seed}.wav,w{seed},{roles[1]},{group},{kind},"]
    write_tune(folder / "single.wav", seconds=21, seed=50, rate_hz=RATE_HZ)
    rows += ["single.wav,alone,query,a,near,", "notes.mid,w0,query,a,,not audio"]
    (folder / "recordings.csv").write_text("\n".join(rows) + "\n")
    (folder / "strangers").mkdir()
    for seed in range(100, 103):
        write_tune(folder / "strangers" / f"{seed}.wav", seconds=22, seed=seed, rate_hz=RATE_HZ)
    return folder


@pytest.fixture
def evaluate(indexer: Indexer, music: Path) -> Any:
    def run(*arguments: object, manifest: Path | None = None) -> Any:
        return indexer(
            "evaluate",
            manifest or music / "recordings.csv",
            "--jobs",
            1,
            "--cache",
            music / "cache",
            *(() if "--model" in arguments else ("--model", MODEL)),
            *arguments,
        )

    return run


def by_key(results: list[dict[str, Any]]) -> dict[tuple[str, str, str], dict[str, Any]]:
    return {(r["set"], r["pool"], f"{r['system']} {r['ranking']}"): r for r in results}


def test_everything_in_one_run(evaluate: Any, music: Path, tmp_path: Path) -> None:
    done = evaluate("--distractors", music / "strangers", "--out", tmp_path / "out", "--json")
    assert done.code == 0, done.err
    (value,) = done.lines
    found = by_key(value["results"])
    assert set(found) == {
        (group, pool, system)
        for group in ("a", "a/near", "a/far", "b")
        for pool in ("own", "all")
        for system in ("random random", "Qmax Qmax", "v0-2dftm embedding", "v0-2dftm hub-corrected", "v0-2dftm fused")
    }
    own, every = found["a", "own", "v0-2dftm fused"], found["a", "all", "v0-2dftm fused"]
    assert (own["references"], own["queries"], own["excluded_queries"]) == (4, 4, 1)
    assert (every["references"], every["works"]) == (11, 9)  # 4 of a, 4 of b, 3 strangers
    assert every["means"]["MAP"]["value"] == 1.0 and every["ACC_top1"] == 1.0
    assert every["pairs"]["positive"] == 4 and every["pairs"]["negative"] == 40
    assert found["b", "own", "v0-2dftm fused"]["pairs"]["negative"] == 8  # either: never a query's own recording
    assert found["b", "all", "random random"]["means"]["MAP"]["value"] < 0.9
    assert found["a", "all", "Qmax Qmax"]["means"]["MAP"]["value"] > 0.7
    assert [point["references"] for point in every["pool_curve"]] == [11]
    out = tmp_path / "out"
    assert json.loads((out / "results.json").read_text()) == value
    with (out / "ranks.csv").open(newline="") as file:
        rows = list(csv.DictReader(file))
    fused = [r for r in rows if (r["set"], r["pool"], r["ranking"]) == ("a", "all", "fused")]
    assert [(r["query"], r["nearest"], r["first_rank"]) for r in fused] == [
        (f"cover{n}.wav", f"song{n}.wav", "1") for n in range(4)
    ]
    pictures = {path.name for path in out.glob("*.png")}
    assert pictures == {
        f"{name}-{key}.png" for name in ("scores", "det", "pool") for key in ("a-own", "a-all", "b-own", "b-all")
    }
    assert all(path.read_bytes().startswith(b"\x89PNG") for path in out.glob("*.png"))
    # The same again, from the cache, to the last digit.
    assert evaluate("--distractors", music / "strangers", "--json").out == done.out


def test_a_recording_that_two_sets_list_is_one_reference(evaluate: Any, music: Path, tmp_path: Path) -> None:
    rows = ["path,work_id,role,set"]
    for seed in range(4):
        rows += [f"song{seed}.wav,w{seed},reference,{group}" for group in ("close", "free")]
        rows += [f"cover{seed}.wav,w{seed},query,{'close' if seed < 3 else 'free'}"]
    table = tmp_path / "twice.csv"
    table.write_text("\n".join([*rows, "song4.wav,w4,reference,free"]) + "\n")
    done = evaluate("--root", music, "--no-baselines", "--align-budget", 0, "--json", manifest=table)
    assert done.code == 0, done.err
    counts = {
        (r["set"], r["pool"]): (r["references"], r["works"], r["relevant_per_query"]) for r in done.lines[0]["results"]
    }
    assert counts == {("close", "own"): (4, 4, 1.0), ("close", "all"): (5, 5, 1.0), ("free", "all"): (5, 5, 1.0)}


def test_the_block_for_people(evaluate: Any) -> None:
    done = evaluate("--sets", "b", "--align-budget", 0)
    assert done.code == 0, done.err
    first, model, means, pairs, pool, *_ = done.out.splitlines()
    assert first.startswith("set=b pool=all manifest=sha256:")
    assert first.endswith(
        "tracks=4 references=4 works=2 queries=4 relevant/q=1.00 excluded_queries=0 query=whole window=20s hop=4s"
    )
    assert model.startswith("model=sha256:") and "sr=16000 ranking=embedding" in model
    for name in ("MAP", "MAP@10", "MRR", "MR1", "Top1", "MNIT10", "P@10", "NAR"):
        assert f"{name}=" in means
    assert "[95% CI " in means and "work bootstrap]" in means
    assert pairs.startswith("EER=") and "pairs(+/-)=4/8" in pairs and "ACC_top1=" in pairs and "ACC_pair=" in pairs
    assert pool.startswith("pool curve (MAP): 3:") and "baselines (MAP): random=" in pool
    assert "Qmax" not in done.out and "fused" not in done.out  # no alignment was wanted


def test_damaged_excerpts_and_a_second_model_of_the_same_name(evaluate: Any, tmp_path: Path) -> None:
    done = evaluate("--sets", "a", "--query-seconds", 20, "--degrade", "noise10,room", "--no-baselines", "--json")
    assert done.code == 0, done.err
    (value,) = done.lines
    assert value["query"] == "20s-noise10-room"
    assert [r["system"] for r in value["results"] if r["set"] == "a"] == ["v0-2dftm"] * 3
    clean = evaluate("--sets", "a", "--no-baselines", "--json").lines[0]
    assert value["manifest"] == clean["manifest"] and value["results"] != clean["results"]


def test_a_file_that_cannot_be_read_is_left_out_for_every_system(evaluate: Any, music: Path, tmp_path: Path) -> None:
    table = tmp_path / "table.csv"
    (tmp_path / "broken.wav").write_bytes(b"RIFF, but no audio")
    rows = [
        f"{music / name},w{name[-5]},{role}" for name, role in (("song0.wav", "reference"), ("cover0.wav", "query"))
    ]
    table.write_text("path,work_id,role\n" + "\n".join(rows) + "\nbroken.wav,w0,reference\ngone.wav,w0,reference\n")
    done = evaluate("--align-budget", 0, "--json", manifest=table)
    assert done.code == 1
    (value,) = done.lines
    assert [Path(entry["path"]).name for entry in value["refused"]] == ["broken.wav", "gone.wav"]
    assert all(result["references"] == 1 for result in value["results"])
    assert "left out" in done.err and "broken.wav" in done.err


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        ([], "name one table of recordings"),
        (["table.csv", "--degrade", "loud"], "'loud' is no degradation; expected noise10"),
        (["table.csv", "--sets", "jazz"], "no set 'jazz' in the list; it has pop"),
        (["table.csv", "--distractors", "nowhere"], "nowhere holds no audio files"),
        (["absent.csv"], "absent.csv cannot be read"),
        (["wrong.csv"], "no column work_id"),
        (["rows.csv"], "line 2: role is 'boss'"),
        (["--pairs", "one.txt", "two.txt"], "one.txt has 1 lines and two.txt has 2"),
        (["table.csv", "--model", "table.csv"], "table.csv"),
        (["--streams", "truth.csv", "--model", "a", "--model", "b"], "with one model"),
    ],
)
def test_wrong_use_is_a_sentence(
    indexer: Indexer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, arguments: list[str], sentence: str
) -> None:
    monkeypatch.chdir(tmp_path)
    Path("table.csv").write_text("path,work_id,set\na.wav,w,pop\n")
    Path("wrong.csv").write_text("path,title\na.wav,w\n")
    Path("rows.csv").write_text("path,work_id,role\na.wav,w,boss\n")
    Path("one.txt").write_text("a\n")
    Path("two.txt").write_text("a\nb\n")
    done = indexer("evaluate", *arguments)
    assert done.code == 2 and sentence in done.err, done.err


def test_nothing_to_find_is_said(evaluate: Any, music: Path, tmp_path: Path) -> None:
    table = tmp_path / "table.csv"
    table.write_text(f"path,work_id\n{music / 'song0.wav'},x\n{music / 'song1.wav'},y\n")
    done = evaluate("--align-budget", 0, manifest=table)
    assert done.code == 2 and "no query has another version" in done.err


def test_pairs_as_covers80_lists_them(music: Path, tmp_path: Path, indexer: Indexer) -> None:
    for name, first in (("list1.txt", "song"), ("list2.txt", "cover")):
        (tmp_path / name).write_text("".join(f"{first}{n}\n" for n in range(3)))  # without their ending
    done = indexer(
        "evaluate", "--pairs", tmp_path / "list1.txt", tmp_path / "list2.txt", "--root", music, "--cache",
        music / "cache", "--jobs", 1, "--model", MODEL, "--no-baselines", "--json",
    )  # fmt: skip
    assert done.code == 0, done.err
    fused = by_key(done.lines[0]["results"])["pairs", "all", "v0-2dftm fused"]
    assert (fused["queries"], fused["references"], fused["means"]["Top1"]["value"]) == (3, 3, 1.0)


def test_kinds_from_file_names(tmp_path: Path) -> None:
    table = tmp_path / "t.csv"
    table.write_text(
        "path,work_id,role\na/original.wav,a,reference\na/kr.wav,a,query\na/kr-2.wav,a,query\na/7.wav,a,query\n"
    )
    assert [r.kind for r in lists.read_table(table, None, kinds_from_names=True)] == [None, "kr", "kr", None]
    assert {r.kind for r in lists.read_table(table, None)} == {None}


def test_without_matplotlib_there_is_a_sentence(evaluate: Any, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setitem(sys.modules, "matplotlib", None)
    with pytest.raises(UsageError, match=r"\[evaluate\]"):
        plots.require()
    done = evaluate("--out", tmp_path / "out")
    assert done.code == 2 and "matplotlib" in done.err and not (tmp_path / "out").exists()
    assert evaluate("--sets", "b", "--align-budget", 0, "--out", tmp_path / "out", "--no-plots").code == 0
    assert sorted(path.name for path in (tmp_path / "out").iterdir()) == ["ranks.csv", "report.txt", "results.json"]


def test_a_run_that_is_ended_goes_on_where_it_stopped(music: Path, tmp_path: Path) -> None:
    cache = tmp_path / "cache"
    command = [
        sys.executable, "-m", "indexer.cli", "evaluate", str(music / "recordings.csv"), "--jobs", "1", "--cache",
        str(cache), "--model", str(MODEL), "--align-budget", "0", "--json",
    ]  # fmt: skip
    with subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True) as first:
        deadline_s = time.monotonic() + 60
        while len(list(cache.glob("*/*.npz"))) < 3 and time.monotonic() < deadline_s:
            time.sleep(0.05)
        first.send_signal(signal.SIGINT)
        _, said = first.communicate(timeout=60)
    assert first.returncode == 130 and "run the same command again to go on" in said
    kept = {path: path.stat().st_ino for path in cache.glob("*/*.npz")}
    assert 3 <= len(kept) < 13 and not list(cache.glob("*/*.part"))
    broken, *_ = kept
    os.truncate(broken, 100)
    done = subprocess.run(command, capture_output=True, text=True, timeout=250, check=True)
    whole = {path: path.stat().st_ino for path in cache.glob("*/*.npz")}
    assert len(whole) == 13
    assert {path for path in kept if whole[path] != kept[path]} == {broken}  # computed again, and only that
    fresh = subprocess.run(
        [*command[:-1], "--no-baselines", "--json"], capture_output=True, text=True, timeout=250, check=True
    )
    assert json.loads(fresh.stdout)["manifest"] == json.loads(done.stdout)["manifest"]


def test_mirex_distances(indexer: Indexer, music: Path, tmp_path: Path) -> None:
    files = [*(music / f"song{n}.wav" for n in range(3)), music / "cover0.wav"]
    (tmp_path / "collection.txt").write_text("".join(f"{path}\n" for path in files))
    (tmp_path / "queries.txt").write_text(f"{music / 'cover0.wav'}\n{music / 'cover1.wav'}\n")
    output = tmp_path / "distances.txt"
    done = indexer(
        "mirex", tmp_path / "collection.txt", tmp_path / "queries.txt", music / "cache", output, "--jobs", 1,
        "--model", MODEL,
    )  # fmt: skip
    assert done.code == 0, done.err
    lines = [line.split("\t") for line in output.read_text().splitlines()]
    assert len(lines) == 1 + 4 + 1 + 2
    assert lines[0][0].startswith("v0-2dftm sha256:")
    assert lines[1:5] == [[str(n + 1), str(path)] for n, path in enumerate(files)]
    assert lines[5] == ["Q/R", "1", "2", "3", "4"]
    assert [line[0] for line in lines[6:]] == ["4", "5"]  # cover0 is the collection's fourth, cover1 is not in it
    first, second = ([float(value) for value in line[1:]] for line in lines[6:])
    assert first[3] == 0 and min(first[:3]) == first[0]
    assert min(second) == second[1] and all(value >= 0 for value in first + second)


def test_mirex_with_a_file_that_cannot_be_read(indexer: Indexer, music: Path, tmp_path: Path) -> None:
    (tmp_path / "list.txt").write_text(f"{music / 'song0.wav'}\n{music / 'song1.wav'}\ngone.wav\n")
    output = tmp_path / "distances.txt"
    lists_ = [tmp_path / "list.txt"] * 2
    done = indexer("mirex", *lists_, music / "cache", output, "--jobs", 1, "--align-budget", 0)
    assert done.code == 1 and "gone.wav" in done.err
    rows = [[float(value) for value in line.split("\t")[1:]] for line in output.read_text().splitlines()[5:]]
    assert rows[0][0] == 0 and rows[0][2] > rows[0][1] and len(set(rows[2])) == 1
    (tmp_path / "empty.txt").write_text("\n")
    assert indexer("mirex", tmp_path / "empty.txt", tmp_path / "list.txt", tmp_path, output).code == 2
