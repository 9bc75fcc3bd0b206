"""Write a trained network as one ONNX file.

``python -m models.export --front F.pt --embedding E.pt --sequence S.pt --name NAME --out DIR``; one checkpoint may be
given several times, when it holds several parts.
"""

from __future__ import annotations

import argparse
import hashlib
import sys
from pathlib import Path

import numpy as np
import onnx
import onnxruntime
import torch
from torch import nn

from models.halves import halved
from models.nets.ears import part_of, read_front
from models.nets.embedding import EmbeddingConfig, EmbeddingNet
from models.nets.recognizer import STEP_SAMPLES, RecognizerNet, contract
from models.nets.salience import SalienceConfig
from models.nets.sequence import SequenceConfig, SequenceNet
from recognizer.contract import METADATA_KEY, ModelContract

OPSET = 18
OUTPUTS = ("features", "pitch", "embedding", "recent")
MAX_BYTES = 12 * 2**20
_TOLERANCE = 5e-3


def load(
    front: Path, embedding: Path, sequence: Path | None = None
) -> tuple[RecognizerNet, SalienceConfig, EmbeddingConfig]:
    """The network of some checkpoints, with averaged weights, ready for inference.

    One that holds several parts may be given for each. Without one for the pitch sequence, that counts octaves alone.
    """
    embedding_state = torch.load(embedding, weights_only=True, map_location="cpu")
    embedding_config = EmbeddingConfig(**embedding_state["config"])
    front_net, embedding_net = read_front(front), EmbeddingNet(embedding_config)
    embedding_net.load_state_dict(part_of(embedding_state["average"], "embedding."))
    return RecognizerNet(front_net, embedding_net, _sequence(sequence)).eval(), front_net.config, embedding_config


def _sequence(checkpoint: Path | None) -> SequenceNet | None:
    if checkpoint is None:
        return None
    state = torch.load(checkpoint, weights_only=True, map_location="cpu")
    weights = part_of(state.get("sequence", state["average"]), "sequence.")
    if "counts" not in weights:
        raise ValueError(f"{checkpoint} holds no pitch sequence; give the checkpoint of a stage of that kind")
    net = SequenceNet(SequenceConfig(width=len(weights["first.weight"])))
    net.load_state_dict(weights)
    return net


def export(net: RecognizerNet, promise: ModelContract, target: Path) -> str:
    """Write and check the ONNX file.

    Returns
    -------
    str
        Its SHA-256.

    Raises
    ------
    ValueError
        When the file is too big or ONNX Runtime and torch differ.
    """
    model = _traced(_undifferentiated(net), promise)
    _forget_sources(model.graph)
    halved(model.graph)
    entry = model.metadata_props.add()
    entry.key, entry.value = METADATA_KEY, promise.to_json()
    onnx.checker.check_model(model)
    blob = model.SerializeToString(deterministic=True)
    if len(blob) > MAX_BYTES:
        raise ValueError(f"the model has {len(blob)} bytes, expected at most {MAX_BYTES}")
    target.write_bytes(blob)
    worst = largest_difference(net, promise, blob)
    if worst > _TOLERANCE:
        raise ValueError(f"ONNX Runtime and torch differ by {worst}, expected at most {_TOLERANCE}")
    return hashlib.sha256(blob).hexdigest()


def _traced(net: RecognizerNet, promise: ModelContract) -> onnx.ModelProto:
    """The ONNX graph with free batch and lengths."""
    # The two lengths add up to a window, which the exporter has no words for: it takes them as independent.
    batch, steps = torch.export.Dim("batch"), torch.export.Dim("steps", min=1, max=promise.window_steps)
    past_steps = torch.export.Dim("past_steps", max=promise.window_steps)
    pcm, past = _example(promise, 2, 3)
    program = torch.onnx.export(
        net,
        (torch.from_numpy(pcm), torch.from_numpy(past)),
        input_names=["pcm", "past"],
        output_names=list(OUTPUTS),
        dynamic_shapes=(
            {0: batch, 1: steps * STEP_SAMPLES + 2 * promise.context_samples},
            {0: batch, 1: past_steps * promise.frames_per_step},
        ),
        opset_version=OPSET,
        dynamo=True,
        external_data=False,
    )
    if program is None:
        raise ValueError("the exporter returned nothing")
    return program.model_proto


def _forget_sources(graph: onnx.GraphProto) -> None:
    """Take out where in whose source tree every node was traced: it differs by machine and says nothing."""
    graph.ClearField("doc_string")
    graph.ClearField("metadata_props")
    for part in (*graph.node, *graph.value_info, *graph.input, *graph.output, *graph.initializer):
        part.ClearField("doc_string")
        part.ClearField("metadata_props")


def _undifferentiated(net: RecognizerNet) -> RecognizerNet:
    for parameter in net.parameters():
        parameter.requires_grad_(False)
    return net


def _example(
    promise: ModelContract, batch: int, steps: int
) -> tuple[np.ndarray[tuple[int, int], np.dtype[np.float32]], np.ndarray[tuple[int, int, int], np.dtype[np.float32]]]:
    rng = np.random.default_rng(0)
    samples = 2 * promise.context_samples + steps * promise.step_samples
    tone = np.sin(np.cumsum(rng.choice((0.1, 0.17, 0.2), (batch, samples)), 1)) * 0.3
    past = rng.random((batch, promise.window_frames - steps * promise.frames_per_step, promise.feature_dim)) ** 4
    return (tone + rng.normal(0, 0.01, tone.shape)).astype(np.float32), past.astype(np.float32)


def largest_difference(net: nn.Module, promise: ModelContract, blob: bytes) -> float:
    """Largest difference of any output between torch and ONNX Runtime: one step, some steps, a whole window."""
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1
    session = onnxruntime.InferenceSession(blob, options, providers=["CPUExecutionProvider"])
    worst = 0.0
    for batch, steps in ((1, 1), (3, 1), (2, 4), (1, promise.window_steps)):
        pcm, past = _example(promise, batch, steps)
        with torch.no_grad():
            expected = net(torch.from_numpy(pcm), torch.from_numpy(past))
        got = session.run(OUTPUTS, {"pcm": pcm, "past": past})
        worst = max(worst, *(float(np.abs(g - e.numpy()).max()) for g, e in zip(got, expected, strict=True)))
    return worst


def main(arguments: list[str] | None = None) -> int:
    """Command line of the export."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--front", type=Path, required=True, help="checkpoint of a stage of kind front")
    parser.add_argument("--embedding", type=Path, required=True, help="checkpoint of models.train")
    parser.add_argument(
        "--sequence", type=Path, help="checkpoint of a stage of kind sequence; else octaves alone count"
    )
    parser.add_argument("--name", required=True, help="name in the contract")
    parser.add_argument("--out", type=Path, required=True, help="folder; the file is <name>-<sha8>.onnx")
    options = parser.parse_args(arguments)
    net, front, embedding = load(options.front, options.embedding, options.sequence)
    options.out.mkdir(parents=True, exist_ok=True)
    draft = options.out / f"{options.name}.part"
    sha256 = export(net, contract(options.name, front, embedding), draft)
    path = options.out / f"{options.name}-{sha256[:8]}.onnx"
    draft.rename(path)
    print(path)
    return 0


if __name__ == "__main__":
    sys.exit(main())
