"""Average two checkpoints of one line of training: ``python -m models.average A.pt B.pt --share 0.7 --out C.pt``.

A stage that starts from another's weights and learns a new kind of view forgets some of what the other knew. Weights
between the two keep most of both (Wortsman et al. 2022, "Robust fine-tuning of zero-shot models").
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path
from typing import Any

import torch
from torch import Tensor


def averaged(first: dict[str, Tensor], second: dict[str, Tensor], share: float) -> dict[str, Tensor]:
    """``share`` of the second's weights and the rest of the first's; whole numbers (counters) are the second's.

    Raises
    ------
    ValueError
        When the two are not of one network.
    """
    if {n: w.shape for n, w in first.items()} != {n: w.shape for n, w in second.items()}:
        raise ValueError("the checkpoints are of different networks; expected two stages of one")
    return {
        name: torch.lerp(first[name], weight, share) if weight.is_floating_point() else weight
        for name, weight in second.items()
    }


def main(arguments: list[str] | None = None) -> int:
    """Command line of the averaging."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("first", type=Path, help="the earlier stage")
    parser.add_argument("second", type=Path, help="the stage that started from it")
    parser.add_argument("--share", type=float, default=0.5, help="of the second, from 0 to 1: %(default)s")
    parser.add_argument("--out", type=Path, required=True)
    options = parser.parse_args(arguments)
    if not 0 <= options.share <= 1:
        parser.error(f"--share is {options.share:g}, expected a number from 0 to 1")
    states: list[dict[str, Any]] = [
        torch.load(path, weights_only=True, map_location="cpu") for path in (options.first, options.second)
    ]
    try:
        weights = averaged(states[0]["average"], states[1]["average"], options.share)
    except ValueError as error:
        parser.error(str(error))
    part = options.out.with_suffix(".part")
    # What exporting and validating read of a checkpoint; there is nothing to go on training with.
    torch.save({"average": weights, "config": states[1]["config"], "step": states[1]["step"]}, part)
    part.replace(options.out)
    return 0


if __name__ == "__main__":
    sys.exit(main())
