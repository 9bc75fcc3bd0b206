"""An int8 copy hears what its model hears, under a name and an identity of its own."""

from __future__ import annotations

import wave
from pathlib import Path

import numpy as np
import pytest

pytest.importorskip("onnx", reason="onnx is not installed (extra 'export')")

from models import quantise
from models.baseline.golden import golden_input, golden_step
from recognizer.embedder import Embedder
from recognizer.released import baseline_model_path, default_model_path

pytestmark = [pytest.mark.slow, pytest.mark.filterwarnings("default")]  # the quantiser warns about itself


@pytest.fixture(scope="module")
def music(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two files of made-up notes, one that is no audio, and one of another kind."""
    folder = tmp_path_factory.mktemp("music")
    contract = Embedder(default_model_path()).contract
    for number in range(2):
        pcm = np.tile(np.roll(golden_input(contract)[0], 9000 * number), 5)
        with wave.open(str(folder / f"{number}.wav"), "wb") as file:
            file.setnchannels(1)
            file.setsampwidth(2)
            file.setframerate(contract.sample_rate_hz)
            file.writeframes(pcm.tobytes())
    (folder / "broken.mp3").write_bytes(b"no music" * 100)
    (folder / "notes.txt").write_text("no music")
    return folder


def test_a_copy_hears_nearly_the_same_in_a_smaller_file(music: Path, tmp_path: Path) -> None:
    model = default_model_path()
    assert quantise.main([str(model), "--audio", str(music), "--out", str(tmp_path)]) == 0
    (path,) = tmp_path.iterdir()
    plain, copy = Embedder(model), Embedder(path)
    assert copy.contract.name == f"{plain.contract.name}-int8" and copy.model_id != plain.model_id
    assert path.name == f"{copy.contract.name}-{copy.model_id.removeprefix('sha256:')[:8]}.onnx"
    assert copy.contract.calibration == plain.contract.calibration
    assert path.stat().st_size < 0.8 * model.stat().st_size
    pcm, past = golden_input(plain.contract)
    one, other = (embedder.run([golden_step(pcm, past)])[0] for embedder in (plain, copy))
    np.testing.assert_allclose(other.pitch, one.pitch, atol=1e-4)  # the front end is not touched
    for name in ("embedding", "recent"):
        cosine = float(getattr(one, name) @ getattr(other, name))
        assert 0.99 < cosine < 0.99999


def test_what_cannot_be_copied_is_said(music: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "empty").mkdir()
    arguments = ["--out", str(tmp_path)]
    assert quantise.main([str(default_model_path()), "--audio", str(tmp_path / "empty"), *arguments]) == 2
    assert "no recording in" in capsys.readouterr().err
    assert quantise.main([str(baseline_model_path()), "--audio", str(music), *arguments]) == 2
    assert "no convolution of the embedding" in capsys.readouterr().err
    assert not list(tmp_path.glob("*.onnx"))
