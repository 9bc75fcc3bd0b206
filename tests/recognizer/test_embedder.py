"""The embedder refuses what it must, and batches without mixing feeds."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper

from recognizer.contract import METADATA_KEY
from recognizer.embedder import MAX_BATCH, MAX_MODEL_BYTES, Embedder
from recognizer.errors import ModelError
from recognizer.onnx_guard import refuse_external_data
from recognizer.released import baseline_model_path, default_model_path
from recognizer.step import Floats, StepInput

Edit = Callable[[onnx.ModelProto], None]


@pytest.fixture(scope="module")
def embedder() -> Embedder:
    return Embedder(baseline_model_path())


def edited(tmp_path: Path, edit: Edit) -> Path:
    """A copy of the baseline model after one change."""
    model = onnx.load(str(baseline_model_path()))
    edit(model)
    path = tmp_path / "edited.onnx"
    path.write_bytes(model.SerializeToString())
    return path


def steps(embedder: Embedder, count: int, seed: int = 0) -> list[StepInput]:
    contract = embedder.contract
    random = np.random.default_rng(seed)
    samples = contract.step_samples + 2 * contract.context_samples
    time_s = np.arange(samples) / contract.sample_rate_hz
    return [
        StepInput(
            0,
            (
                0.1 * np.sin(2 * np.pi * random.uniform(80, 2000) * time_s) + random.normal(scale=0.02, size=samples)
            ).astype(np.float32),
            random.uniform(0, 1, (contract.past_frames, contract.feature_dim)).astype(np.float32),
        )
        for _ in range(count)
    ]


def test_identity_is_the_hash_of_the_file(embedder: Embedder) -> None:
    digest = hashlib.sha256(baseline_model_path().read_bytes()).hexdigest()
    assert embedder.model_id == f"sha256:{digest}"


@pytest.mark.parametrize("count", [2, 7, MAX_BATCH + 3])
def test_a_batch_equals_its_single_runs(embedder: Embedder, count: int) -> None:
    feeds = steps(embedder, count)
    for together, feed in zip(embedder.run(feeds), feeds, strict=True):
        alone = embedder.run([feed])[0]
        np.testing.assert_allclose(together.features, alone.features, rtol=0, atol=1e-6)
        np.testing.assert_allclose(together.pitch, alone.pitch, rtol=0, atol=1e-6)
        np.testing.assert_allclose(together.embedding, alone.embedding, rtol=0, atol=1e-6)


def test_a_batch_of_the_trained_network_equals_its_single_runs_to_rounding() -> None:
    # Its convolutions are summed in another order for another batch.
    trained = Embedder(default_model_path())
    feeds = steps(trained, 5)
    for together, feed in zip(trained.run(feeds), feeds, strict=True):
        alone = trained.run([feed])[0]
        assert together.recent is not None and alone.recent is not None
        assert abs(np.linalg.norm(together.recent) - 1) < 1e-5
        np.testing.assert_allclose(together.recent, alone.recent, rtol=0, atol=1e-5)
        np.testing.assert_allclose(together.features, alone.features, rtol=0, atol=1e-5)
        np.testing.assert_allclose(together.pitch, alone.pitch, rtol=0, atol=1e-5)
        np.testing.assert_allclose(together.embedding, alone.embedding, rtol=0, atol=1e-5)


def test_a_silent_or_broken_neighbour_changes_nothing(embedder: Embedder) -> None:
    feed = steps(embedder, 1)[0]
    broken = StepInput(0, np.full_like(feed.pcm, np.nan), np.full_like(feed.past, np.inf))
    alone, beside = embedder.run([feed])[0], embedder.run([broken, feed])[1]
    np.testing.assert_allclose(beside.embedding, alone.embedding, rtol=0, atol=1e-6)


def test_no_steps_no_outputs(embedder: Embedder) -> None:
    assert embedder.run([]) == []


@pytest.mark.parametrize("poison", [np.nan, np.inf, -np.inf])
def test_samples_that_are_not_finite_count_as_silence(embedder: Embedder, poison: float) -> None:
    feed = steps(embedder, 1)[0]
    poisoned, silenced = feed.pcm.copy(), feed.pcm.copy()
    poisoned[5000:9000], silenced[5000:9000] = poison, 0.0
    seen, expected = embedder.run([StepInput(0, poisoned, feed.past), StepInput(0, silenced, feed.past)])
    np.testing.assert_array_equal(seen.features, expected.features)
    assert np.isnan(poisoned[5000]) or np.isinf(poisoned[5000]), "the caller's array is left alone"


def test_huge_samples_are_clipped(embedder: Embedder) -> None:
    feed = steps(embedder, 1)[0]
    output = embedder.run([StepInput(0, feed.pcm * np.float32(1e30), feed.past)])[0]
    assert np.isfinite(output.features).all()
    assert np.isfinite(output.embedding).all()


@pytest.mark.parametrize("past_frames", [0, 1, 71, 73, 80, 81])
def test_a_past_that_does_not_fit_the_audio_is_refused(embedder: Embedder, past_frames: int) -> None:
    feed = steps(embedder, 1)[0]
    past: Floats = np.zeros((past_frames, embedder.contract.feature_dim), np.float32)
    with pytest.raises(ValueError, match="expected"):
        embedder.run([StepInput(0, feed.pcm, past)])


def test_audio_of_a_wrong_length_is_refused(embedder: Embedder) -> None:
    feed = steps(embedder, 1)[0]
    with pytest.raises(ValueError, match="step has pcm"):
        embedder.run([feed, StepInput(0, feed.pcm[:-1], feed.past)])


def _external(tensor: TensorProto) -> None:
    tensor.ClearField("raw_data")
    tensor.data_location = TensorProto.EXTERNAL
    entry = tensor.external_data.add()
    entry.key, entry.value = "location", "../../etc/hostname"


def _external_initializer(model: onnx.ModelProto) -> None:
    _external(model.graph.initializer[0])


def _external_named_only(model: onnx.ModelProto) -> None:
    entry = model.graph.initializer[0].external_data.add()
    entry.key, entry.value = "location", "weights.bin"


def _external_constant_node(model: onnx.ModelProto) -> None:
    tensor = numpy_helper.from_array(np.zeros(4, np.float32), "hidden")
    node = helper.make_node("Constant", [], ["hidden"], value=tensor)
    _external(node.attribute[0].t)
    model.graph.node.insert(0, node)


def _external_in_a_branch(model: onnx.ModelProto) -> None:
    tensor = numpy_helper.from_array(np.zeros(4, np.float32), "deep")
    _external(tensor)
    result = helper.make_tensor_value_info("deep", TensorProto.FLOAT, [4])
    branch = helper.make_graph([], "branch", [], [result], initializer=[tensor])
    condition = numpy_helper.from_array(np.array(True), "condition")
    model.graph.initializer.append(condition)
    node = helper.make_node("If", ["condition"], ["chosen"], then_branch=branch, else_branch=branch)
    model.graph.node.append(node)


def _external_in_a_function(model: onnx.ModelProto) -> None:
    tensor = numpy_helper.from_array(np.zeros(4, np.float32), "hidden")
    node = helper.make_node("Constant", [], ["y"], value=tensor)
    _external(node.attribute[0].t)
    model.functions.append(helper.make_function("local", "F", [], ["y"], [node], [helper.make_opsetid("", 17)]))


@pytest.mark.parametrize(
    "edit",
    [
        _external_initializer,
        _external_named_only,
        _external_constant_node,
        _external_in_a_branch,
        _external_in_a_function,
    ],
)
def test_weights_in_another_file_are_refused_wherever_they_hide(tmp_path: Path, edit: Edit) -> None:
    with pytest.raises(ModelError, match=r"edited\.onnx: the model keeps weights in another file"):
        Embedder(edited(tmp_path, edit))


def _contract_edit(**changes: object) -> Edit:
    def edit(model: onnx.ModelProto) -> None:
        for entry in model.metadata_props:
            if entry.key == METADATA_KEY:
                entry.value = json.dumps(json.loads(entry.value) | changes)

    return edit


def _drop_metadata(model: onnx.ModelProto) -> None:
    del model.metadata_props[:]


def _rename_input(model: onnx.ModelProto) -> None:
    model.graph.input[0].name = "audio"
    for node in model.graph.node:
        node.input[:] = ["audio" if name == "pcm" else name for name in node.input]


def _drop_pitch(model: onnx.ModelProto) -> None:
    del model.graph.output[1]


def _nan_output(model: onnx.ModelProto) -> None:
    for tensor in model.graph.initializer:
        if tensor.name == "fourier":
            tensor.CopyFrom(numpy_helper.from_array(np.full(tuple(tensor.dims), np.nan, np.float32), "fourier"))


@pytest.mark.parametrize(
    ("edit", "message"),
    [
        (_drop_metadata, "metadata has no 'recognizer.contract'"),
        (_contract_edit(version=99), "version 99"),
        (_contract_edit(dimension=17), "expected float of rank 2 and last dimension 17"),
        (_contract_edit(feature_dim=24), "last dimension 24"),
        (_contract_edit(pitch_bins=13), "multiple of 12"),
        (_contract_edit(frames_per_step=7), "the model failed on its input"),
        (_contract_edit(pitch_frames_per_step=4), "its contract says"),
        (_contract_edit(step_samples=16000 * 3600), "beyond what this program serves"),
        (_contract_edit(window_steps=10**6), "beyond what this program serves"),
        (_contract_edit(unheard_of=1), "missing or unknown fields"),
        (_contract_edit(recent_steps=5), r"expected \['embedding', 'features', 'pitch', 'recent'\]"),
        (_contract_edit(recent_steps=11), "exceeds window_steps"),
        (_contract_edit(recent_steps=-1), "recent_steps is -1"),
        (_rename_input, r"inputs are \['audio', 'past'\]"),
        (_drop_pitch, r"outputs are \['embedding', 'features'\]"),
        (_nan_output, "not finite"),
    ],
)
def test_a_model_that_breaks_its_contract_is_refused(tmp_path: Path, edit: Edit, message: str) -> None:
    with pytest.raises(ModelError, match=message):
        Embedder(edited(tmp_path, edit))


@pytest.mark.parametrize(
    "junk",
    [b"", b"RIFF....WAVEfmt ", b"\x00" * 64, b"\xff" * 64, b"{}", b"\x3a\xff\xff\xff\xff\x0f", b"\x3a\x00"],
)
def test_junk_is_refused(tmp_path: Path, junk: bytes) -> None:
    path = tmp_path / "junk.onnx"
    path.write_bytes(junk)
    with pytest.raises(ModelError, match="junk.onnx: "):
        Embedder(path)


@pytest.mark.parametrize("kept", [0.001, 0.3, 0.9, 0.9999])
def test_a_truncated_model_is_refused(tmp_path: Path, kept: float) -> None:
    blob = baseline_model_path().read_bytes()
    path = tmp_path / "cut.onnx"
    path.write_bytes(blob[: int(len(blob) * kept)])
    with pytest.raises(ModelError, match="cut.onnx: "):
        Embedder(path)


def test_a_graph_nested_without_end_is_refused() -> None:
    message = b""
    for _ in range(200):  # Graph.node -> Node.attribute -> Attribute.g -> Graph …
        for tag in (0x32, 0x2A, 0x0A):
            size, length = len(message), b""
            while size > 0x7F:
                length += bytes([size & 0x7F | 0x80])
                size >>= 7
            message = bytes([tag]) + length + bytes([size]) + message
    size, length = len(message), b""
    while size > 0x7F:
        length += bytes([size & 0x7F | 0x80])
        size >>= 7
    with pytest.raises(ModelError, match="nests its graphs deeper"):
        refuse_external_data(b"\x3a" + length + bytes([size]) + message)


def test_a_file_too_large_is_refused_before_it_is_parsed(tmp_path: Path) -> None:
    path = tmp_path / "large.onnx"
    with path.open("wb") as file:
        file.truncate(MAX_MODEL_BYTES + 1)
    with pytest.raises(ModelError, match="larger than 64 MiB"):
        Embedder(path)


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(ModelError, match="cannot read the model .*nothing.onnx"):
        Embedder(tmp_path / "nothing.onnx")


@pytest.mark.parametrize("name", ["", "absent.onnx", "../__init__.py"])
def test_a_default_that_names_no_file_beside_it_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    (tmp_path / "released").mkdir()
    (tmp_path / "__init__.py").touch()
    (tmp_path / "released" / "default.txt").write_text(name)
    monkeypatch.setattr("recognizer.released.files", lambda package: tmp_path)
    with pytest.raises(ModelError, match="names no|is no file beside it"):
        default_model_path()


def test_an_installation_without_models_says_so(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr("recognizer.released.files", lambda package: tmp_path)
    with pytest.raises(ModelError, match="no released model in this installation"):
        default_model_path()


@pytest.mark.parametrize(
    ("blob", "message"),
    [
        (b"\x3b", "wire type 3"),  # a group, which ONNX never uses
        (b"\x0d\x00\x00", "cut short"),  # a 32-bit number of two bytes
        (b"\x09\x00\x00", "cut short"),  # a 64-bit number of two bytes
        (b"\x3a\x05ab", "cut short"),
        (b"\x08" + b"\x80" * 10, "has no end"),
        (b"\x08\x80", "in the middle of a number"),
        (b"\x0d\x00\x00\x00\x00", "holds no graph"),
    ],
)
def test_broken_protobuf_is_named(blob: bytes, message: str) -> None:
    with pytest.raises(ModelError, match=message):
        refuse_external_data(blob)
