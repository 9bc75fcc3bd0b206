"""Refuses ONNX files that point outside themselves, by walking their protobuf before anything loads them.

An ONNX tensor may say that its data lies in another file, by any path (``external_data``). A model file that came
from elsewhere could so read the disk of whoever loads it. Only the messages that can lead to a tensor are walked;
field numbers are those of ``onnx.proto``.
"""

from __future__ import annotations

from collections.abc import Iterator

from recognizer.errors import ModelError

MAX_DEPTH = 64
_VARINT, _FIXED64, BYTES, _FIXED32 = 0, 1, 2, 5

# message -> {field number: message inside}
_CHILDREN: dict[str, dict[int, str]] = {
    "Model": {7: "Graph", 20: "Training", 25: "Function"},
    "Training": {1: "Graph", 2: "Graph"},
    "Graph": {1: "Node", 5: "Tensor", 15: "SparseTensor"},
    "Function": {7: "Node", 11: "Attribute"},
    "Node": {5: "Attribute"},
    "Attribute": {
        5: "Tensor",
        6: "Graph",
        10: "Tensor",
        11: "Graph",
        22: "SparseTensor",
        23: "SparseTensor",
    },
    "SparseTensor": {1: "Tensor", 2: "Tensor"},
    "Tensor": {},
}
_GRAPH_FIELD = 7
_TENSOR_EXTERNAL_DATA, _TENSOR_DATA_LOCATION = 13, 14


def refuse_external_data(model: bytes) -> None:
    """Check that every tensor of a serialized ``ModelProto`` carries its own data.

    Raises
    ------
    ModelError
        When a tensor has external data, or the bytes are not an ONNX model.
    """
    view = memoryview(model)
    if not any(field == _GRAPH_FIELD and kind == BYTES for field, kind, _ in fields_of(view)):
        raise ModelError("the file is not an ONNX model: it holds no graph; use a released .onnx file")
    _walk(view, "Model", 0)


def _walk(message: memoryview, name: str, depth: int) -> None:
    if depth > MAX_DEPTH:
        raise ModelError(f"the model nests its graphs deeper than {MAX_DEPTH} messages; it is refused")
    children = _CHILDREN[name]
    for field, kind, value in fields_of(message):
        if name == "Tensor" and (field == _TENSOR_EXTERNAL_DATA or (field == _TENSOR_DATA_LOCATION and value != 0)):
            raise ModelError(
                "the model keeps weights in another file (external_data), expected a single file; "
                "export it with its weights inside"
            )
        if kind == BYTES and field in children and isinstance(value, memoryview):
            _walk(value, children[field], depth + 1)


def fields_of(message: memoryview) -> Iterator[tuple[int, int, int | memoryview]]:
    """Yield (field number, wire type, value) of one protobuf message.

    Raises
    ------
    ModelError
        When the bytes are not a protobuf message.
    """
    at, end = 0, len(message)
    while at < end:
        tag, at = _varint(message, at)
        field, kind = tag >> 3, tag & 7
        if kind == _VARINT:
            number, at = _varint(message, at)
            yield field, kind, number
            continue
        if kind == BYTES:
            size, at = _varint(message, at)
        elif kind in (_FIXED64, _FIXED32):
            size = 8 if kind == _FIXED64 else 4
        else:
            raise ModelError(f"the file is not an ONNX model: wire type {kind} at byte {at}; use a released .onnx file")
        if size > end - at:
            raise ModelError(
                f"the model file is cut short: a field wants {size} bytes, {end - at} are left; copy it again"
            )
        yield field, kind, message[at : at + size]
        at += size


def _varint(message: memoryview, at: int) -> tuple[int, int]:
    value = 0
    for shift in range(0, 70, 7):
        if at >= len(message):
            raise ModelError("the model file is cut short in the middle of a number; copy it again")
        byte = message[at]
        at += 1
        value |= (byte & 0x7F) << shift
        if byte < 0x80:
            return value, at
    raise ModelError(f"the file is not an ONNX model: a number at byte {at} has no end; use a released .onnx file")
