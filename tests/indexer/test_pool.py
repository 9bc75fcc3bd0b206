"""Children that crash, hang, lie or eat memory cost one file each."""

from __future__ import annotations

import sys
import time
from pathlib import Path

import pytest

from indexer import pool
from indexer.pool import Analysed, Job, PoolSettings, Refused, Skipped
from recognizer.embedder import Embedder
from recognizer.errors import ModelError
from recognizer.released import default_model_path
from tests.audio_samples import write_tune

MODEL = default_model_path()
CONTRACT = Embedder(MODEL).contract

# What a hostile file could make of its child: code by the name of the file.
WRAPPER = """
import json, os, signal, sys, time
import numpy as np
from indexer import child

def misbehave(line, embedder, path, sha256, hop_steps, real=child.send_analysis):
    kind = path.stem
    if kind == "segfault":
        os.kill(os.getpid(), signal.SIGSEGV)
    elif kind == "exit":
        os._exit(0)
    elif kind == "abort":
        os.abort()
    elif kind == "hang":
        time.sleep(600)
    elif kind == "stopped":
        os.kill(os.getpid(), signal.SIGSTOP)
    elif kind == "crawl":
        for _ in range(600):
            line.send({"kind": "progress", "heard_s": 0.001})
            time.sleep(0.1)
    elif kind == "memory":
        hog = []
        while True:
            hog.append(np.zeros(1 << 27, np.uint8))
    elif kind == "write":
        path.with_name("written").write_text("x" * 10)
    elif kind == "garbage":
        os.write(line._write_to, b"\\0" * 100_000)
        time.sleep(600)
    elif kind == "huge":
        os.write(line._write_to, b"RCF1" + b"\\xff" * 12)
        time.sleep(600)
    elif kind == "list":
        os.write(line._write_to, b"RCF1" + (2).to_bytes(4, "little") + bytes(8) + b"[]")
    elif kind == "unknown":
        line.send({"hello": 1})
    elif kind == "sizes":
        header = {"kind": "done", "sha256": sha256, "duration_s": 1, "windows": 10**9, "frames": 1, "tags": {}}
        line.send(header, b"1234")
    elif kind == "negative":
        line.send({"kind": "done", "sha256": sha256, "duration_s": 1, "windows": -1, "frames": 1, "tags": {}}, b"")
    elif kind == "nan":
        numbers = np.full(embedder.contract.dimension + 1 + embedder.contract.pitch_bins, np.nan, "<f4")
        header = {"kind": "done", "sha256": sha256, "duration_s": 1, "windows": 1, "frames": 1, "tags": {}}
        line.send(header, numbers.tobytes())
    elif kind == "tags":
        line.send({"kind": "done", "sha256": sha256, "duration_s": 1, "windows": 1, "frames": 1, "tags": {"x": 1}},
                  bytes(4 * (embedder.contract.dimension + 1 + embedder.contract.pitch_bins)))
    elif kind == "raise":
        raise RuntimeError("unexpected")
    else:
        real(line, embedder, path, sha256, hop_steps)

child.send_analysis = misbehave
child.main()
"""
KINDS = {
    "segfault": "SIGSEGV",
    "exit": "its process ended",
    "abort": "SIGABRT",
    "hang": "made no progress",
    "stopped": "made no progress",
    "crawl": "made no progress",
    "memory": "more memory than a file may have",
    "write": "File too large",
    "garbage": "answered nonsense",
    "huge": "answered nonsense",
    "list": "answered nonsense",
    "unknown": "answered nonsense",
    "sizes": "answered nonsense",
    "negative": "answered nonsense",
    "nan": "answered nonsense",
    "tags": "answered nonsense",
    "raise": "its process ended",
}


@pytest.fixture(scope="module")
def tune(tmp_path_factory: pytest.TempPathFactory) -> bytes:
    return write_tune(tmp_path_factory.mktemp("tune") / "tune.wav", seconds=5, rate_hz=16_000).read_bytes()


def settings(tmp_path: Path, **options: object) -> PoolSettings:
    script = tmp_path / "child_of_test.py"
    script.write_text(WRAPPER)
    values: dict[str, object] = {"jobs": 2, "stall_s": 6.0, "command": (sys.executable, str(script)), **options}
    return PoolSettings(MODEL, CONTRACT, **values)  # type: ignore[arg-type]


def test_every_kind_of_death_costs_one_file(tmp_path: Path, tune: bytes) -> None:
    jobs = []
    for number, kind in enumerate(KINDS):
        for name in (kind, f"good {number}"):
            path = tmp_path / f"{name}.wav"
            path.write_bytes(tune)
            jobs.append(Job(path, kind))
    outcomes = {outcome.job.path.stem: outcome for outcome in pool.run(settings(tmp_path), jobs)}
    assert len(outcomes) == len(jobs)
    for number, (kind, reason) in enumerate(KINDS.items()):
        assert isinstance(outcomes[f"good {number}"], Analysed)
        refused = outcomes[kind]
        assert isinstance(refused, Refused), kind
        assert reason in refused.reason, (kind, refused.reason)
        assert kind in refused.reason or kind == "write"
    assert not (tmp_path / "written").exists() or (tmp_path / "written").stat().st_size == 0


def test_unwanted_content_is_not_decoded(tmp_path: Path, tune: bytes) -> None:
    for name in ("hang", "good"):
        (tmp_path / f"{name}.wav").write_bytes(tune + name.encode())
    asked: list[str] = []

    def wanted(sha256: str) -> bool:
        asked.append(sha256)
        return len(asked) > 1

    jobs = [Job(tmp_path / "hang.wav"), Job(tmp_path / "good.wav")]
    outcomes = list(pool.run(settings(tmp_path, jobs=1, wanted=wanted), jobs))
    assert [type(outcome) for outcome in outcomes] == [Skipped, Analysed]
    assert isinstance(outcomes[1], Analysed) and outcomes[1].sha256 == asked[1]


def test_closing_early_ends_the_children_at_once(tmp_path: Path, tune: bytes) -> None:
    for number in range(6):
        (tmp_path / f"good{number}.wav").write_bytes(tune)
    (tmp_path / "hang.wav").write_bytes(tune)
    jobs = [Job(tmp_path / "good0.wav"), Job(tmp_path / "hang.wav")]
    jobs += [Job(tmp_path / f"good{number}.wav") for number in range(1, 6)]
    outcomes = pool.run(settings(tmp_path, stall_s=60.0), jobs)
    next(outcomes)
    begun_s = time.monotonic()
    outcomes.close()
    assert time.monotonic() - begun_s < 3


def test_a_model_that_cannot_be_loaded_is_said_in_its_own_words(tmp_path: Path) -> None:
    bad = tmp_path / "bad.onnx"
    bad.write_bytes(b"no model")
    with pytest.raises(ModelError, match="bad.onnx"):
        list(pool.run(PoolSettings(bad, CONTRACT), [Job(tmp_path / "a.wav")]))


def test_a_child_that_cannot_start_is_said(tmp_path: Path) -> None:
    with pytest.raises(ModelError, match="could not start; check the memory"):
        list(pool.run(PoolSettings(MODEL, CONTRACT, command=("false",)), [Job(tmp_path / "a.wav")]))


def test_no_jobs_start_no_child(tmp_path: Path) -> None:
    assert list(pool.run(PoolSettings(MODEL, CONTRACT, command=("false",)), [])) == []


def test_names_that_are_not_utf8_are_read(tmp_path: Path, tune: bytes) -> None:
    path = Path(str(tmp_path) + "/na\udcefve.wav")
    path.write_bytes(tune)
    (outcome,) = pool.run(PoolSettings(MODEL, CONTRACT), [Job(path)])
    assert isinstance(outcome, Analysed)
