"""``indexer evaluate --streams`` on a real programme through the released model."""

from __future__ import annotations

import csv
import json
from pathlib import Path

import numpy as np
import pytest

from recognizer.catalogue import Catalogue
from tests.audio_samples import tune, write_audio
from tests.indexer.helpers import Indexer

RATE_HZ = 16_000


def broadcast(folder: Path, indexed: Path, *, seed: int, name: str) -> Path:
    """Noise, a tune of the catalogue three semitones up, silence, a tune nobody knows; with its truth."""
    rng = np.random.default_rng(seed)
    work = {track.title: track.work_id for track in Catalogue.open(indexed).tracks()}["One"]
    noise = (0.05 * rng.normal(0, 1, 12 * RATE_HZ)).astype(np.float32)
    cover, stranger = tune(26, 1, RATE_HZ, 3), tune(30, seed + 40, RATE_HZ)
    parts = [noise, cover, np.zeros(15 * RATE_HZ, np.float32), stranger]
    write_audio(folder / f"{name}.flac", np.concatenate(parts), RATE_HZ)
    table = folder / f"{name}.csv"
    rows = [(f"{name}.flac", 0, 12, "", "noise"), (f"{name}.flac", 12, 38, work, "cover")]
    rows += [(f"{name}.flac", 38, 53, "", "silence"), (f"{name}.flac", 53, 83, "", "foreign")]
    with table.open("w", encoding="utf-8", newline="") as file:
        csv.writer(file).writerows([("path", "start_s", "end_s", "work_id", "kind"), *rows])
    return table


def test_a_broadcast_is_followed_and_everything_is_written(indexer: Indexer, indexed: Path, tmp_path: Path) -> None:
    truth = broadcast(tmp_path, indexed, seed=1, name="evening")
    out = tmp_path / "out"
    done = indexer(
        "evaluate", "--streams", truth, "--catalogue", indexed, "--profile", "monitoring,kiosk", "--out", out, "--json"
    )
    assert done.code == 0, done.err
    (found,) = done.lines
    for name in ("monitoring", "kiosk"):
        figures = found["methods"][name]
        assert (figures["programmes"], figures["covers"], figures["found"]) == (1, 1, 1), figures
        assert figures["hours"] == pytest.approx(83 / 3600, rel=0.01)
        assert figures["foreign_hours"] == pytest.approx(57 / 3600, rel=0.02)
        assert 0 < figures["opened_median_s"]["value"] <= 30
        assert figures["times_real_time"] > 0 and figures["decision_per_embedding"] > 0
    assert json.loads((out / "streams.json").read_text(encoding="utf-8"))["works"] == 3
    with (out / "detections.csv").open(encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file))
    assert {row["title"] for row in rows if row["method"] == "monitoring"} >= {"One"}
    (picture,) = out.glob("*.png")
    assert picture.read_bytes()[:4] == b"\x89PNG"
    assert "event F1" in (out / "streams.txt").read_text(encoding="utf-8")


def test_the_programmes_to_learn_from_must_be_others(indexer: Indexer, indexed: Path, tmp_path: Path) -> None:
    truth = broadcast(tmp_path, indexed, seed=2, name="same")
    done = indexer("evaluate", "--streams", truth, "--develop", truth, "--catalogue", indexed)
    assert done.code == 2
    assert "must learn elsewhere" in done.err


def test_a_recording_that_cannot_be_read_is_named(indexer: Indexer, indexed: Path, tmp_path: Path) -> None:
    (tmp_path / "bad.flac").write_bytes(b"not audio at all" * 100)
    (tmp_path / "t.csv").write_text("path,start_s,end_s\nbad.flac,,\n", encoding="utf-8")
    done = indexer("evaluate", "--streams", tmp_path / "t.csv", "--catalogue", indexed)
    assert done.code == 1
    assert "bad.flac" in done.err
