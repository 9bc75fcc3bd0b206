"""The exported file keeps the contract and says what torch says."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

torch = pytest.importorskip("torch", reason="torch is not installed (extra 'train')")
pytest.importorskip("onnxscript", reason="onnxscript is not installed (extra 'train')")

from models import export  # noqa: E402
from models.nets.embedding import EmbeddingConfig, EmbeddingNet  # noqa: E402
from models.nets.recognizer import RecognizerNet  # noqa: E402
from models.nets.salience import SalienceConfig, SalienceNet  # noqa: E402
from recognizer.embedder import Embedder  # noqa: E402
from recognizer.reference import analyse  # noqa: E402

pytestmark = [
    pytest.mark.slow,
    pytest.mark.filterwarnings("default"),  # the exporter warns about itself
]


def test_two_checkpoints_become_one_file_that_the_live_line_reads(tmp_path: Path) -> None:
    torch.manual_seed(0)
    front, net = SalienceNet(SalienceConfig(width=4)), EmbeddingNet(EmbeddingConfig((8, 8, 8, 8), 16, 16))
    torch.save({"width": 4, "average": front.state_dict()}, tmp_path / "f.pt")
    config = {"widths": [8, 8, 8, 8], "dimension": 16, "hidden": 16}
    torch.save({"config": config, "average": net.state_dict()}, tmp_path / "e.pt")
    arguments = ["--front", str(tmp_path / "f.pt"), "--embedding", str(tmp_path / "e.pt"), "--name", "test-net"]
    assert export.main([*arguments, "--out", str(tmp_path)]) == 0
    (path,) = tmp_path.glob("test-net-*.onnx")
    embedder = Embedder(path)
    assert embedder.model_id.startswith("sha256:" + path.stem.rsplit("-", 1)[1])
    assert embedder.contract.name == "test-net"
    assert embedder.contract.dimension == 16
    pcm = np.random.default_rng(0).integers(-3000, 3000, 16000 * 24).astype(np.int16)
    analysis = analyse([pcm], embedder, hop_steps=1)
    assert analysis.embeddings.shape == (3, 16)
    np.testing.assert_allclose(np.linalg.norm(analysis.embeddings, axis=1), 1, atol=1e-4)
    whole, _, _ = export.load(tmp_path / "f.pt", tmp_path / "e.pt")
    context = embedder.contract.context_samples
    audio = np.pad(pcm.astype(np.float32) / 32768, context)[: 2 * context + 20 * 16000]
    with torch.no_grad():
        expected = whole(torch.from_numpy(audio)[None], torch.zeros(1, 0, 84))[2][0].numpy()
    np.testing.assert_allclose(analysis.embeddings[0], expected, atol=2e-3)
    # A piece for every step from the first that is whole: the newest ten seconds, as a feed hears them.
    assert analysis.pieces.shape == (12 - 5 + 1, 16)
    with torch.no_grad():
        newest = whole(torch.from_numpy(audio)[None], torch.zeros(1, 0, 84))[3][0].numpy()
    np.testing.assert_allclose(analysis.pieces[5], newest, atol=2e-3)


def test_the_tune_counts_more_than_the_bass_which_is_heard_where_it_is_alone() -> None:
    class Front(torch.nn.Module):
        """Hears A2 all the time, and E5 in the second half."""

        def forward(self, pcm: torch.Tensor) -> torch.Tensor:
            logits = torch.full((1, 16, 84), -20.0)
            logits[:, :, 21] = 3.0
            logits[:, 8:, 52] = 3.0
            return logits

    net = RecognizerNet(Front(), EmbeddingNet(EmbeddingConfig((8, 8, 8, 8), 16, 16))).eval()
    with torch.no_grad():
        pitch = net(torch.zeros(1, 1), torch.zeros(1, 144, 84))[1][0]
    assert pitch.shape == (8, 12)
    assert set(pitch[:4].argmax(1).tolist()) == {9} and float(pitch[:4, 9].min()) > 0.1
    assert set(pitch[4:].argmax(1).tolist()) == {4} and float(pitch[4:, 9].max()) < 0.25 * float(pitch[4:, 4].min())
