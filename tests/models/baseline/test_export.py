"""The released files are what the sources make, and say so."""

from __future__ import annotations

import hashlib
import json
import re
from pathlib import Path

import numpy as np
import onnx
import pytest

from models.baseline.cost import gflop_per_second
from models.baseline.export import export
from models.baseline.export import main as export_main
from models.baseline.golden import golden_input, golden_step
from models.baseline.model import NAME, contract
from recognizer.contract import METADATA_KEY, ModelContract
from recognizer.embedder import Embedder
from recognizer.released import baseline_model_path

GOLDEN = Path(__file__).parents[2] / "golden" / f"{NAME}.npz"


def test_exporting_twice_gives_the_same_bytes_and_keeps_one_file(tmp_path: Path) -> None:
    first = export(tmp_path / "a").read_bytes()
    (tmp_path / "b").mkdir()
    (tmp_path / "b" / f"{NAME}-00000000.onnx").write_bytes(b"an earlier release")
    assert export_main(["--out", str(tmp_path / "b"), "--golden", str(tmp_path / "golden")]) == 0
    name = (tmp_path / "b" / "default.txt").read_text().strip()
    assert (tmp_path / "b" / name).read_bytes() == first
    assert sorted(p.suffix for p in (tmp_path / "b").iterdir()) == [".md", ".onnx", ".txt"]
    assert (tmp_path / "golden" / f"{NAME}.npz").stat().st_size > 0


def test_the_released_file_is_the_export_of_these_sources(tmp_path: Path) -> None:
    """Weights may differ in the last bit between math libraries; names, shapes and the contract may not."""
    ours, released = onnx.load(str(export(tmp_path))), onnx.load(str(baseline_model_path()))
    assert [node.SerializeToString() for node in ours.graph.node] == [
        node.SerializeToString() for node in released.graph.node
    ]
    for a, b in zip(ours.graph.initializer, released.graph.initializer, strict=True):
        assert a.name == b.name
        np.testing.assert_allclose(onnx.numpy_helper.to_array(a), onnx.numpy_helper.to_array(b), atol=1e-6)
    metadata = {entry.key: entry.value for entry in released.metadata_props}
    assert ModelContract.from_json(metadata[METADATA_KEY]) == contract()


def test_file_name_and_card_carry_the_hash_of_the_file() -> None:
    path = baseline_model_path()
    sha256 = hashlib.sha256(path.read_bytes()).hexdigest()
    assert path.name == f"{NAME}-{sha256[:8]}.onnx"
    card = path.with_suffix(".md").read_text(encoding="utf-8")
    assert f"`{sha256}`" in card
    block = re.search(r"```json\n(.*?)```", card, re.DOTALL)
    assert block is not None
    assert json.loads(block[1]) == json.loads(contract().to_json())
    assert "95 % bootstrap" in card, "the card shows figures measured with this very file"


def test_size_and_cost_stay_within_their_limits() -> None:
    assert baseline_model_path().stat().st_size < 12 * 1024 * 1024
    assert gflop_per_second() <= 0.03


def test_golden_output() -> None:
    embedder = Embedder(baseline_model_path())
    with np.load(GOLDEN, allow_pickle=False) as golden:
        pcm, past = golden_input(embedder.contract)
        # libm may round a sample of the input differently; the stored one is the reference.
        assert np.abs(pcm.astype(int) - golden["pcm"]).max() <= 1
        np.testing.assert_array_equal(past, golden["past"])
        output = embedder.run([golden_step(golden["pcm"], golden["past"])])[0]
        assert golden["model_id"] == embedder.model_id
        for name in ("features", "pitch", "embedding"):
            np.testing.assert_allclose(getattr(output, name), golden[name], atol=1e-4, err_msg=name)
            assert golden[name].std() > 1e-3


def test_an_unmeasured_file_is_not_given_the_figures_of_another() -> None:
    from models.baseline.card import write_card

    figures = {"model_id": "sha256:other", "references": 1, "works": 1, "groups": {}}
    assert "Not measured for this file." in write_card("x.onnx", "0" * 64, 1, contract(), figures)


@pytest.mark.parametrize("option", ["--help"])
def test_export_help_teaches(option: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as leaving:
        export_main([option])
    assert leaving.value.code == 0
    assert "default.txt" not in capsys.readouterr().err
