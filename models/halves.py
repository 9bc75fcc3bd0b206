"""Large tensors of a model file in half precision: a file of half the size; runtimes cast them back once."""

from __future__ import annotations

import numpy as np
import onnx
from onnx import helper, numpy_helper

HALF = ".half"
"""Ends the names of tensors that are stored in half precision."""

_LARGE = 4096  # weights; what is smaller is not worth a cast


def halved(graph: onnx.GraphProto) -> None:
    """Store large tensors in half precision, and cast them back."""
    for tensor in graph.initializer:
        weights = numpy_helper.to_array(tensor)
        if weights.dtype == np.float32 and weights.size >= _LARGE:
            name = tensor.name
            tensor.CopyFrom(numpy_helper.from_array(weights.astype(np.float16), name + HALF))
            cast = helper.make_node("Cast", [name + HALF], [name], name=name + "_cast", to=onnx.TensorProto.FLOAT)
            graph.node.insert(0, cast)


def unhalved(graph: onnx.GraphProto) -> None:
    """Undo `halved`: a quantiser looks for weights, not for casts of them."""
    stored = {tensor.name: tensor for tensor in graph.initializer if tensor.name.endswith(HALF)}
    for node in [n for n in graph.node if n.op_type == "Cast" and n.input[0] in stored]:
        weights = numpy_helper.to_array(stored[node.input[0]]).astype(np.float32)
        stored[node.input[0]].CopyFrom(numpy_helper.from_array(weights, node.output[0]))
        graph.node.remove(node)
