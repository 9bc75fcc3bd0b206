"""The command: what it refuses, what it writes, and the evidence it collects from a programme."""

from __future__ import annotations

import csv
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from models.calibrate import EVERY_STEP, keep, main
from models.calibration.collect import Catalogues, Samples, collect, drawn
from models.calibration.fit import fit, probabilities, with_gate
from models.calibration.programmes import Programme, Sounding, read_programmes, remembered
from recognizer.calibration import FEATURES, GATE, LARGE, PROMISE, SMALL, checked
from recognizer.catalogue import Catalogue, CatalogueWriter, Track
from recognizer.embedder import Embedder
from recognizer.errors import UsageError
from recognizer.fusion import Evidence, weighed
from recognizer.reference import analyse
from recognizer.released import baseline_model_path
from tests.audio_samples import tune, write_audio
from tests.recognizer.test_calibration import candidate

RATE = 16_000


@pytest.fixture(scope="module")
def embedder() -> Embedder:
    return Embedder(baseline_model_path())


@pytest.fixture(scope="module")
def catalogue(embedder: Embedder, tmp_path_factory: pytest.TempPathFactory) -> Path:
    directory = tmp_path_factory.mktemp("catalogue") / "c"
    with CatalogueWriter(directory, embedder.contract, embedder.model_id) as writer:
        for seed in range(6):
            a = analyse([(tune(40, seed, RATE) * 30_000).astype(np.int16)], embedder)
            about = (None,) * 5
            track = Track(f"r{seed}", f"w{seed}", *about, f"{seed:064x}", a.duration_s, len(a.embeddings))
            writer.add(track, a.embeddings, a.starts_s, a.pitch, a.pieces)
        writer.commit()
    return directory


@pytest.fixture(scope="module")
def truth(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("streams")
    write_audio(folder / "a.flac", np.concatenate([tune(30, 3, RATE, 2), tune(20, 50, RATE)]), RATE)
    with (folder / "truth.csv").open("w", newline="") as file:
        rows = [("a.flac", 0, 30, "cover", "w3"), ("a.flac", 30, 50, "foreign", "")]
        csv.writer(file).writerows([("path", "start_s", "end_s", "kind", "work_id"), *rows])
    return folder / "truth.csv"


def test_evidence_is_collected_beside_the_truth(embedder: Embedder, catalogue: Path, truth: Path) -> None:
    (programme,) = read_programmes(truth)
    heard = remembered(programme, embedder)
    assert len(heard) == 24 and all(entry.music for entry in heard[2:])  # the last step waits for context
    view = Catalogue.open(catalogue).view()
    samples = collect(programme, heard, view, embedder.contract, EVERY_STEP, group=7)
    assert samples.true.sum() >= 5 and not samples.true.all()
    assert set(samples.group.tolist()) == {7} and samples.evidence.shape[1] == len(FEATURES)
    strength = samples.evidence[:, 0]
    assert np.median(strength[samples.true]) > np.median(strength[~samples.true])
    halves = drawn(view, ["w3", "w5"], 4, np.random.default_rng(0))
    assert [half.works for half in halves] == [4, 4]
    (without,) = (half for half in halves if not half.tracks_of_work("w3"))
    assert without.tracks_of_work("w5")
    assert not collect(programme, heard, without, embedder.contract, EVERY_STEP, group=7).true.any()


def test_what_promises_nothing_is_not_aligned(embedder: Embedder, catalogue: Path, truth: Path) -> None:
    (programme,) = read_programmes(truth)
    heard, view = remembered(programme, embedder), Catalogue.open(catalogue).view()
    whole = collect(programme, heard, view, embedder.contract, EVERY_STEP, group=0)
    first = with_gate(whole, fit(whole))
    gate = {GATE + "bias", *(GATE + name + part for name in PROMISE for part in ("", SMALL, LARGE))}
    assert checked(first) == first and first.keys() - fit(whole).keys() == gate
    gated = collect(programme, heard, view, embedder.contract, EVERY_STEP, 0, first)
    assert gated.true.sum() >= 0.9 * whole.true.sum() and len(gated.true) < len(whole.true)
    shut = first | {GATE + "bias": (-60.0, -60.0)}
    assert not len(collect(programme, heard, view, embedder.contract, EVERY_STEP, 0, shut).true)
    assert fit(gated, first)[GATE + "bias"] == first[GATE + "bias"]


def test_every_programme_is_weighed_against_two_catalogues_of_every_size(catalogue: Path) -> None:
    view = Catalogue.open(catalogue).view()
    catalogues, playing = Catalogues(view, [3, 4], seed=1), Programme(Path("a"), (Sounding(0.0, 9.0, "w3"),))
    drawn_for = list(catalogues.of_all_sizes(1, playing))
    assert [half.works for half in drawn_for] == [3, 3, 4, 4]
    assert [sum(bool(half.tracks_of_work("w3")) for half in pair) for pair in (drawn_for[:2], drawn_for[2:])] == [1, 1]
    assert [half.works for half in catalogues.in_turn(1, playing)] == [4, 4]


def test_programmes_without_works_share_their_catalogues(catalogue: Path) -> None:
    view = Catalogue.open(catalogue).view()
    catalogues, nothing = Catalogues(view, [3, 4], seed=1), Programme(Path("a"), ())
    first, other, third = (list(catalogues.in_turn(number, nothing)) for number in range(3))
    assert all(a is b for a, b in zip(first, third, strict=True))
    assert [half.works for half in other] == [4, 4]
    assert all(a is b for a, b in zip(catalogues.of_all_sizes(5, nothing), [*first, *other], strict=True))


def evidence_file(path: Path) -> None:
    rng = np.random.default_rng(1)
    evidence = rng.normal(2.0, 1.5, (2000, len(FEATURES)))
    true = rng.random(2000) < 1 / (1 + np.exp(4 - 2 * evidence[:, 0]))
    samples = Samples(evidence, true, true | True, np.arange(2000) // 250)
    keep(path, samples, with_gate(samples, fit(samples)))


def test_the_model_is_calibrated_from_kept_evidence_and_says_so(
    catalogue: Path, truth: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    kept, out, picture = tmp_path / "kept.npz", tmp_path / "out.onnx", tmp_path / "reliability.png"
    evidence_file(kept)
    given = [str(baseline_model_path()), "--streams", str(truth), "--catalogue", str(catalogue), "--out", str(out)]
    assert main([*given, "--evidence", str(kept), "--picture", str(picture)]) == 0
    said = capsys.readouterr().out
    assert "ECE 0.0" in said and "leading candidates" in said
    assert picture.read_bytes()[:4] == b"\x89PNG"
    calibrated, plain = Embedder(out), Embedder(baseline_model_path())
    assert calibrated.model_id == plain.model_id
    numbers = calibrated.contract.calibration
    assert replace(calibrated.contract, calibration={}) == plain.contract
    # What was fitted is what the line says.
    row = np.random.default_rng(2).normal(2, 3, (20, len(FEATURES)))
    line = [weighed(Evidence(candidate("a", 1.0), tuple(values)), numbers).confidence for values in row.tolist()]
    np.testing.assert_allclose(line, probabilities(row, numbers), rtol=1e-6)


def test_too_little_truth_is_refused(
    catalogue: Path, truth: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "out.onnx"
    given = [str(baseline_model_path()), "--streams", str(truth), "--catalogue", str(catalogue), "--out", str(out)]
    assert main(given) == 2 and not out.exists()
    assert "longer programmes" in capsys.readouterr().err
    # Where nothing of the catalogue is played, that is said before anything is aligned.
    nothing = truth.with_name("nothing.csv")
    nothing.write_text("path,start_s,end_s,work_id\na.flac,0,50,\n")
    given[2] = str(nothing)
    assert main(given) == 2 and not out.exists()
    assert "gave 0 right candidates of 0" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("text", "seen"),
    [("path,start_s\n", "lacks the columns"), ("path,start_s,end_s,work_id\na.wav,x,1,w\n", "no number")],
)
def test_a_truth_file_that_cannot_be_read_is_refused(tmp_path: Path, text: str, seen: str) -> None:
    (tmp_path / "truth.csv").write_text(text)
    with pytest.raises(UsageError, match=seen):
        read_programmes(tmp_path / "truth.csv")
    with pytest.raises(UsageError, match="cannot read"):
        read_programmes(tmp_path / "gone.csv")
