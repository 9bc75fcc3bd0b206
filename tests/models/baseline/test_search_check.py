"""The check of the whole search ranks what `indexer search` would, and leaves a query's own recording out."""

from __future__ import annotations

import wave
from pathlib import Path

import pytest

from models.baseline.search_check import main
from tests.audio_samples import tune

RATE = 16_000


def _write(path: Path, seed: int, transpose: int) -> None:
    audio = (tune(24, seed=seed, rate_hz=RATE, transpose_semitones=transpose) * 30_000).astype("<i2")
    with wave.open(str(path), "wb") as file:
        file.setnchannels(1)
        file.setsampwidth(2)
        file.setframerate(RATE)
        file.writeframes(audio.tobytes())


def test_covers_are_found_among_others(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    lines = ["path,set,work_id,role"]
    for seed in range(5):
        # Work 4 has one recording only: as an "either" it must not find itself.
        for number, role in enumerate(("either", "either") if seed < 2 else ("reference", "query")[: 2 - seed // 4]):
            name = f"{seed}-{number}.wav"
            _write(tmp_path / name, seed, 3 * number)
            lines.append(f"{name},tunes,w{seed},{role}")
    (tmp_path / "recordings.csv").write_text("\n".join(lines) + "\n")
    assert main(["--data", str(tmp_path)]) == 0
    table = capsys.readouterr().out.splitlines()
    assert table[0].startswith("7 references of 5 works")
    queries = {row.split()[0]: row.split()[1:3] for row in table[2:]}
    assert queries == {"tunes": ["4", "1.000"], "tunes/2": ["1", "1.000"], "tunes/3": ["1", "1.000"]} | {
        "all": ["6", "1.000"]
    }


def test_a_folder_without_a_table_is_refused(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--data", str(tmp_path)]) == 2
    assert "recordings.csv" in capsys.readouterr().err
