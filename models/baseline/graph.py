"""A small builder over `onnx.helper`: nodes are named after their outputs, constants are float32 or int64."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt
from onnx import ModelProto, NodeProto, TensorProto, helper, numpy_helper
from onnx.checker import check_model

OPSET = 17
IR_VERSION = 8


class GraphBuilder:
    """Collects nodes and constants in order; every method returns the name of the tensor it made."""

    def __init__(self) -> None:
        self._nodes: list[NodeProto] = []
        self._constants: dict[str, TensorProto] = {}
        self._count = 0

    def constant(self, value: npt.ArrayLike, name: str | None = None) -> str:
        """Add a constant; Python and NumPy integers become int64, everything else float32."""
        array = np.asarray(value)
        array = array.astype(np.int64 if array.dtype.kind in "iu" else np.float32)
        name = name or f"c_{array.dtype}_{array.tobytes().hex()}_{'x'.join(map(str, array.shape))}"
        if name not in self._constants:
            self._constants[name] = numpy_helper.from_array(array, name)
        return name

    def op(self, kind: str, *inputs: str, name: str | None = None, **attributes: Any) -> str:
        """Add one node with one output."""
        self._count += 1
        output = name or f"{kind.lower()}_{self._count}"
        self._nodes.append(helper.make_node(kind, list(inputs), [output], name=output, **attributes))
        return output

    def slice(self, tensor: str, axis: int, start: int, end: int) -> str:
        """``tensor[start:end]`` along one axis; an ``end`` of 0 means to the end."""
        stop = end if end else np.iinfo(np.int64).max
        return self.op("Slice", tensor, self.constant([start]), self.constant([stop]), self.constant([axis]))

    def model(
        self,
        name: str,
        inputs: dict[str, list[int | str]],
        outputs: dict[str, list[int | str]],
        metadata: dict[str, str],
    ) -> ModelProto:
        """The finished, checked model; all inputs and outputs are float32 of the given (symbolic) shapes."""

        def values(shapes: dict[str, list[int | str]]) -> list[Any]:
            return [helper.make_tensor_value_info(n, TensorProto.FLOAT, s) for n, s in shapes.items()]

        graph = helper.make_graph(
            self._nodes, name, values(inputs), values(outputs), initializer=list(self._constants.values())
        )
        model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", OPSET)], ir_version=IR_VERSION)
        model.producer_name = "models.baseline"
        helper.set_model_props(model, metadata)
        check_model(model, full_check=True)
        return model
