"""Take the weights out of a released model: ``python -m models.unpack MODEL.onnx --out RUNS/released/last.pt``.

A checkpoint of the kind that `heard` stages write: such a stage can go on from it (``start``) or take its front end
(``heard.front``), and `models.export` makes a model file of it again, pitch sequence included. The exporter folds some
batch norms into their convolutions; in their places come some that change nothing.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any

import onnx
import torch
from onnx import numpy_helper
from torch import Tensor, nn

from models.halves import HALF
from models.nets.embedding import EmbeddingConfig, EmbeddingNet
from models.nets.salience import SalienceConfig, SalienceNet
from models.nets.sequence import SequenceConfig, SequenceNet

_FRONT, _EMBEDDING, _SEQUENCE = "front.", "embedding.", "sequence."
_ROUNDED = 1e-5


def checkpoint_of(path: Path) -> dict[str, Any]:
    """Weights in a model file, as `models.export.load` reads them.

    Raises
    ------
    ValueError
        When the file holds no such network.
    """
    graph = onnx.load(path).graph
    held = {i.name.removesuffix(HALF): torch.from_numpy(numpy_helper.to_array(i).copy()) for i in graph.initializer}
    if f"{_FRONT}first.weight" not in held or f"{_EMBEDDING}out.weight" not in held:
        raise ValueError(f"{path} has no tensors of a front end and an embedding: it is not a model of models.export")
    front = SalienceNet(SalienceConfig(width=len(held[f"{_FRONT}first.weight"])))
    config = _embedding_config(held, path)
    embedding = EmbeddingNet(config)
    weights = _found(front.state_dict(), held, _FRONT, _folded(front, held, _FRONT), path)
    known = {"power": _power(graph, held), **_folded(embedding, held, _EMBEDDING)}
    weights |= _found(embedding.state_dict(), held, _EMBEDDING, known, path)
    found = {"average": weights, "width": front.config.width, "config": asdict(config), "step": 0}
    if f"{_SEQUENCE}counts" in held:  # no part of what a heard stage trains
        sequence = SequenceNet(SequenceConfig(width=len(held[f"{_SEQUENCE}first.weight"])))
        found["sequence"] = _found(sequence.state_dict(), held, _SEQUENCE, {}, path)
    return found


def _folded(net: nn.Module, held: Mapping[str, Tensor], prefix: str) -> dict[str, Tensor]:
    """State of the batch norms that went into their convolutions: nothing, but for a bias that these have no place for.

    Where a convolution had no bias, the exporter made one, called after its weight.
    """
    known = {}
    for name, norm in net.named_modules():
        if not isinstance(norm, nn.BatchNorm2d) or not name.endswith("_norm"):
            continue
        before = prefix + name.removesuffix("_norm")
        bias = held.get(f"{before}.conv.weight_bias")
        if bias is not None or f"{before}.bias" in held:
            known[f"{name}.weight"] = torch.ones_like(norm.weight)
            known[f"{name}.bias"] = torch.zeros_like(norm.weight) if bias is None else bias
            known[f"{name}.running_mean"] = torch.zeros_like(norm.weight)
            known[f"{name}.running_var"] = torch.ones_like(norm.weight) - norm.eps
    return known


def _found(
    state: Mapping[str, Tensor], held: Mapping[str, Tensor], prefix: str, known: Mapping[str, Tensor], path: Path
) -> dict[str, Tensor]:
    """A network's state, each tensor as it is ``held``, or else ``known``."""
    found = {}
    for name, weight in state.items():
        stored = held.get(prefix + name, known.get(name))
        if stored is None and not name.endswith("num_batches_tracked"):
            raise ValueError(f"{path} has no tensor {prefix}{name}: its network is of another shape")
        found[prefix + name] = weight if stored is None else stored.to(weight.dtype).reshape(weight.shape)
    return found


def _embedding_config(held: Mapping[str, Tensor], path: Path) -> EmbeddingConfig:
    """The shape of an embedding network, told from its tensors."""
    if f"{_EMBEDDING}stem.conv.weight" not in held:
        raise ValueError(f"{path} holds rounded weights (int8); unpack the model that it was made from")
    widths = [len(held[f"{_EMBEDDING}stem.conv.weight"])]
    while (stage := held.get(f"{_EMBEDDING}stages.{len(widths) - 1}.down.conv.weight")) is not None:
        widths.append(len(stage))
    hidden = len(held[f"{_EMBEDDING}rotations.conv.weight"])
    return EmbeddingConfig(tuple(widths), len(held[f"{_EMBEDDING}out.weight"]), hidden)


def _power(graph: onnx.GraphProto, held: Mapping[str, Tensor]) -> Tensor:
    """Exponent of the mean over time: the exporter keeps it as a constant without a name of its own."""
    scalars = [held.get(node.input[1]) for node in graph.node if node.op_type == "Pow"]
    exponents = [float(s) for s in scalars if s is not None and s.numel() == 1]
    # Its root is taken afterwards; both are there twice, for the window and for its newest part.
    found = {e for e in exponents if e >= 1 and any(abs(e * other - 1) < _ROUNDED for other in exponents)}
    if len(found) != 1:
        raise ValueError("the exponent of the mean over time was not found: the network is of another shape")
    return torch.tensor(found.pop())


def main(arguments: list[str] | None = None) -> int:
    """Command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("model", type=Path)
    parser.add_argument("--out", type=Path, required=True, help="checkpoint to write")
    options = parser.parse_args(arguments)
    try:
        checkpoint = checkpoint_of(options.model)
    except (ValueError, OSError) as error:
        parser.error(str(error))
    options.out.parent.mkdir(parents=True, exist_ok=True)
    part = options.out.with_suffix(".part")
    torch.save(checkpoint, part)
    part.replace(options.out)
    return 0


if __name__ == "__main__":
    sys.exit(main())
