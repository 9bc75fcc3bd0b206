"""An int8 copy of a released model: ``python -m models.quantise MODEL.onnx --audio FOLDER --out DIR``.

The convolutions of the embedding, most of the work, are done on 8-bit integers; the front end stays as it is. Ranges
of what flows between them are those seen on recordings in FOLDER: any music, a minute of each file. Weights use seven
bits, because processors without VNNI add up products of eight bits in too small a register. A copy has an identity of
its own, so that catalogues are built with the one or the other; a calibration is taken over.
"""

from __future__ import annotations

import argparse
import json
import logging
import sys
import tempfile
from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np
import onnx
from onnxruntime.quantization import CalibrationDataReader, QuantFormat, QuantType, quantize_static

from indexer.find import AUDIO_ENDINGS
from models.audio_files import audio_files
from models.halves import halved, unhalved
from models.release import file_name
from recognizer import calibration
from recognizer.contract import METADATA_KEY
from recognizer.decode import decode
from recognizer.embedder import Embedder
from recognizer.errors import DecodeError, RecognizerError, UsageError
from recognizer.reference import embedded_steps
from recognizer.step import StepInput
from recognizer.timeline import opening

log = logging.getLogger("models.quantise")
SUFFIX = "-int8"
_FILES, _SECONDS_EACH, _STEPS = 20, 60.0, 200
_PART = "embedding."


class _Heard(CalibrationDataReader):  # type: ignore[misc]  # onnxruntime has no types
    """Steps of real music, as the network gets them."""

    def __init__(self, steps: Sequence[StepInput]) -> None:
        self._left = iter(steps)

    def get_next(self) -> dict[str, object] | None:
        """One step, then ``None``."""
        step = next(self._left, None)
        return None if step is None else {"pcm": step.pcm[None], "past": step.past[None]}


def quantised(model: Path, steps: Sequence[StepInput]) -> bytes:
    """The int8 copy of a model file, its calibration included.

    Parameters
    ----------
    model : Path
        As `models.export` writes it.
    steps : sequence of StepInput
        Of the music that ranges are taken from.
    """
    network, numbers = calibration.split(model.read_bytes())
    graph = onnx.load_model_from_string(network)
    unhalved(graph.graph)
    nodes = [n.name for n in graph.graph.node if n.op_type == "Conv" and any(i.startswith(_PART) for i in n.input)]
    if not nodes:
        raise UsageError(f"{model} has no convolution of the embedding by name; expected a file of models.export")
    with tempfile.TemporaryDirectory() as folder:
        plain, made = Path(folder) / "plain.onnx", Path(folder) / "int8.onnx"
        onnx.save(graph, plain)
        quantize_static(
            plain, made, _Heard(steps), quant_format=QuantFormat.QDQ, op_types_to_quantize=["Conv"],
            nodes_to_quantize=nodes, per_channel=True, reduce_range=True, activation_type=QuantType.QUInt8,
            weight_type=QuantType.QInt8,
        )  # fmt: skip
        result = onnx.load(made)
    halved(result.graph)
    _renamed(result)
    onnx.checker.check_model(result)
    blob = result.SerializeToString(deterministic=True)
    return blob if numbers is None else calibration.appended(blob, calibration.parsed(numbers))


def _renamed(model: onnx.ModelProto) -> None:
    """Give the contract the copy's name; the quantiser's remarks about itself go."""
    entry = next(e for e in model.metadata_props if e.key == METADATA_KEY)
    promise = json.loads(entry.value)
    text = json.dumps(promise | {"name": promise["name"] + SUFFIX}, sort_keys=True)
    del model.metadata_props[:]
    model.metadata_props.add(key=METADATA_KEY, value=text)


def heard(embedder: Embedder, folder: Path) -> list[StepInput]:
    """Steps of recordings in a folder, drawn evenly, as the network gets them.

    Raises
    ------
    UsageError
        When none can be read.
    """
    paths = audio_files(folder)
    steps: list[StepInput] = []
    for path in paths[:: max(1, len(paths) // _FILES)][:_FILES]:
        try:
            steps += _steps(embedder, path)
        except DecodeError as error:
            log.info("left out: %s", error)
    if not steps:
        raise UsageError(f"no recording in {folder} could be read, expected some of {', '.join(sorted(AUDIO_ENDINGS))}")
    chosen = np.linspace(0, len(steps) - 1, min(_STEPS, len(steps)), dtype=np.int64)
    return [steps[number] for number in chosen.tolist()]


def _steps(embedder: Embedder, path: Path) -> Iterator[StepInput]:
    rate_hz = embedder.contract.sample_rate_hz
    blocks = opening(decode(path, rate_hz), round(_SECONDS_EACH * rate_hz))
    return (step.given for step in embedded_steps(blocks, embedder, rest=False))


def main(arguments: list[str] | None = None) -> int:
    """Command line of the quantiser."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("model", type=Path, help="ONNX file of models.export, calibrated or not")
    parser.add_argument("--audio", type=Path, required=True, help="folder of music")
    parser.add_argument("--out", type=Path, required=True, help="folder; the file is <name>-int8-<sha8>.onnx")
    options = parser.parse_args(arguments)
    logging.basicConfig(level=logging.INFO, format="%(message)s", stream=sys.stderr)
    try:
        blob = quantised(options.model, heard(Embedder(options.model), options.audio))
    except RecognizerError as error:
        print(f"models.quantise: {error}", file=sys.stderr)
        return 2
    options.out.mkdir(parents=True, exist_ok=True)
    draft = options.out / "quantised.part"
    draft.write_bytes(blob)
    made = Embedder(draft)
    path = options.out / file_name(made)
    draft.rename(path)
    print(path)
    return 0


if __name__ == "__main__":
    sys.exit(main())
