"""A release is a file under its own name, a card that says what it is, and golden outputs that it reproduces."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from models.baseline.golden import golden_step
from models.release import main
from recognizer.calibration import appended
from recognizer.contract import ModelContract
from recognizer.embedder import Embedder
from recognizer.released import baseline_model_path, default_model_path
from tests.recognizer.test_calibration import numbers

GOLDEN = Path(__file__).parents[1] / "golden"


def test_a_release_is_found_by_its_identity_and_reproduces_its_golden_outputs(tmp_path: Path) -> None:
    about = tmp_path / "about.md"
    about.write_text("Learned nothing.\n")
    out, golden = tmp_path / "released", tmp_path / "golden"
    out.mkdir()
    arguments = [str(baseline_model_path()), "--about", str(about), "--out", str(out), "--golden", str(golden)]
    assert main([*arguments, "--default"]) == 0
    assert main([*arguments, "--default"]) == 0  # again, over the earlier release
    released = out / (out / "default.txt").read_text().strip()
    embedder = Embedder(released)
    assert embedder.model_id.removeprefix("sha256:")[:8] in released.name
    text = released.with_suffix(".md").read_text()
    assert embedder.model_id in text
    assert "Learned nothing." in text
    with np.load(golden / f"{embedder.contract.name}.npz") as kept:
        output = embedder.run([golden_step(kept["pcm"], kept["past"])])[0]
        np.testing.assert_allclose(output.embedding, kept["embedding"], atol=1e-5)


RELEASED = sorted(default_model_path().parent.glob("*.onnx"))


@pytest.mark.parametrize("path", RELEASED, ids=lambda path: path.stem)
def test_every_released_model_has_a_card_and_reproduces_its_golden_outputs(path: Path) -> None:
    embedder = Embedder(path)
    digest = embedder.model_id.removeprefix("sha256:")
    assert path.stem == f"{embedder.contract.name}-{digest[:8]}"
    assert digest in path.with_suffix(".md").read_text()
    with np.load(GOLDEN / f"{embedder.contract.name}.npz") as kept:
        output = embedder.run([golden_step(kept["pcm"], kept["past"])])[0]
        # What is rounded to 8 bits may fall either way on another processor.
        tolerance = 1e-2 if embedder.contract.name.endswith("-int8") else 2e-3
        for name in set(kept.files) - {"pcm", "past", "model_id"}:
            np.testing.assert_allclose(getattr(output, name), kept[name], atol=tolerance)


def test_a_release_that_is_not_the_default_leaves_the_default_alone(tmp_path: Path) -> None:
    about = tmp_path / "about.md"
    about.write_text("Learned nothing.\n")
    (tmp_path / "default.txt").write_text("other.onnx\n")
    assert main([str(baseline_model_path()), "--about", str(about), "--out", str(tmp_path)]) == 0
    assert (tmp_path / "default.txt").read_text() == "other.onnx\n"


def test_a_card_shows_each_curve_of_the_calibration_in_one_line(tmp_path: Path) -> None:
    about, model = tmp_path / "about.md", tmp_path / "calibrated.onnx"
    about.write_text("Learned nothing.\n")
    model.write_bytes(appended(baseline_model_path().read_bytes(), numbers()))
    assert main([str(model), "--about", str(about), "--out", str(tmp_path)]) == 0
    (card,) = tmp_path.glob("v0*.md")
    assert '\n    "bias": [-2.0, -2.0],\n' in card.read_text()
    contract = card.read_text().split("```json")[1].split("```")[0]
    assert list(ModelContract.from_json(contract).calibration["strength"]) == [0.0, 8.0]
