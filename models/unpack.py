"""Take the front end out of a released model: ``python -m models.unpack MODEL.onnx --out RUNS/front/last.pt``.

A stage can start from it without training the front end anew. The exporter folds the last batch norm into its
convolution; in its place comes one that changes nothing.
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

import onnx
import torch
from onnx import numpy_helper
from torch import Tensor

from models.halves import HALF
from models.nets.salience import SalienceConfig, SalienceNet

_PREFIX = "front."


def front_of(path: Path) -> tuple[int, dict[str, Tensor]]:
    """Width and weights of the front end in a model file.

    Raises
    ------
    ValueError
        When the file holds no such front end.
    """
    graph = onnx.load(path).graph
    held = {i.name.removesuffix(HALF): torch.from_numpy(numpy_helper.to_array(i).copy()) for i in graph.initializer}
    first = held.get(f"{_PREFIX}first.weight")
    if first is None:
        raise ValueError(f"{path} has no tensor {_PREFIX}first.weight: it is not a model of models.export")
    net = SalienceNet(SalienceConfig(width=len(first)))
    state = net.state_dict()
    for name, weight in state.items():
        found = held.get(_PREFIX + name)
        if found is not None:
            state[name] = found.float().reshape(weight.shape)
        elif name.startswith("halve_norm."):
            state[name] = _nothing(name, weight, net.halve_norm.eps)
        elif not name.endswith("num_batches_tracked"):
            raise ValueError(f"{path} has no tensor {_PREFIX}{name}: its front end is of another shape")
    return len(first), state


def _nothing(name: str, weight: Tensor, eps: float) -> Tensor:
    """Tensor of a batch norm that passes on what it gets."""
    if name.endswith("running_var"):
        return torch.ones_like(weight) - eps
    return torch.ones_like(weight) if name.endswith(".weight") else torch.zeros_like(weight)


def main(arguments: list[str] | None = None) -> int:
    """Command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("model", type=Path)
    parser.add_argument("--out", type=Path, required=True, help="checkpoint to write")
    options = parser.parse_args(arguments)
    try:
        width, weights = front_of(options.model)
    except (ValueError, OSError) as error:
        parser.error(str(error))
    options.out.parent.mkdir(parents=True, exist_ok=True)
    part = options.out.with_suffix(".part")
    torch.save({"average": weights, "width": width, "step": 0}, part)
    part.replace(options.out)
    return 0


if __name__ == "__main__":
    sys.exit(main())
