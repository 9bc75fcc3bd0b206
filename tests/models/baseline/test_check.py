"""The retrieval check ranks works, counts ties against itself and gives honest intervals."""

from __future__ import annotations

import json
import wave
from pathlib import Path

import numpy as np
import pytest

from models.baseline.check import main
from models.baseline.metrics import rank_of_work, summarise


def test_rank_counts_ties_against_the_right_work() -> None:
    assert rank_of_work({"a": 0.9, "b": 0.5}, "a") == 1
    assert rank_of_work({"a": 0.9, "b": 0.9, "c": 0.1}, "a") == 2
    assert rank_of_work({"a": 0.0, "b": 0.9, "c": 0.1}, "a") == 3


def test_interval_is_drawn_over_works_not_queries() -> None:
    ranks = [1] * 50 + [4] * 50
    independent = summarise(ranks, [str(i) for i in range(100)], candidates=10)
    assert summarise([1], ["a"], candidates=10).top1 == (1.0, 0.0, 1.0)
    two_works = summarise(ranks, ["a"] * 50 + ["b"] * 50, candidates=10)
    assert independent.top1[0] == two_works.top1[0] == 0.5
    assert independent.mrr[0] == pytest.approx(0.625)
    assert two_works.top1[1:] == (0.0, 1.0)
    assert 0.35 < independent.top1[1] < 0.45 < 0.55 < independent.top1[2] < 0.65
    assert independent.random_top1 == pytest.approx(0.1)
    assert independent.random_mrr == pytest.approx(sum(1 / k for k in range(1, 11)) / 10)


def _write_tune(path: Path, semitones: list[int]) -> None:
    rate = 16_000
    pitch = np.repeat(np.array(semitones), rate)
    phase = 2 * np.pi * np.cumsum(261.63 * 2 ** (pitch / 12)) / rate
    samples = (8000 * (np.sin(phase) + np.sin(2 * phase) / 2)).astype("<i2")
    with wave.open(str(path), "wb") as file:
        file.setnchannels(1)
        file.setsampwidth(2)
        file.setframerate(rate)
        file.writeframes(samples.tobytes())


def test_transposed_tunes_are_found(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    random = np.random.default_rng(3)
    lines = ["path,set,work_id,role"]
    for work in range(4):
        tune = random.choice([0, 2, 4, 5, 7, 9, 11, 12], size=22)
        for role, shift in (("reference", 0), ("query", 5)):
            _write_tune(tmp_path / f"{role}-{work}.wav", [int(n) + shift for n in tune])
            lines.append(f"{role}-{work}.wav,tunes,w{work},{role}")
    (tmp_path / "recordings.csv").write_text("\n".join(lines) + "\n")
    assert main(["--data", str(tmp_path), "--json"]) == 0
    figures = json.loads(capsys.readouterr().out)
    assert (figures["references"], figures["works"]) == (4, 4)
    assert set(figures["groups"]) == {"tunes/query", "all"}
    assert figures["groups"]["all"]["queries"] == 4
    assert figures["groups"]["all"]["top1"][0] == 1.0


def test_a_folder_without_a_manifest_is_wrong_use(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--data", str(tmp_path)]) == 2
    assert "expected a CSV with the columns" in capsys.readouterr().err
