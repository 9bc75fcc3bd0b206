"""The command ``recognizer``."""

from __future__ import annotations

import os
from collections.abc import Callable
from functools import partial

from recognizer import ctrl_c

# One thread per process for matrix products: the parts run side by side, and idle BLAS threads would spin.
for _variable in ("OPENBLAS_NUM_THREADS", "OMP_NUM_THREADS", "MKL_NUM_THREADS"):
    os.environ.setdefault(_variable, "1")


def main() -> None:
    """Entry point."""
    ctrl_c.run(load)


def load() -> Callable[[], None]:
    """Import the command, which takes a while, and return it."""
    from recognizer.cli import common
    from recognizer.cli.app import app

    return partial(common.run_app, "recognizer", app)


if __name__ == "__main__":
    main()
