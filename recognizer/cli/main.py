"""The command ``recognizer``."""

from __future__ import annotations

import os
import signal

# One thread per process for matrix products: the parts run side by side, and idle BLAS threads would spin.
for _variable in ("OPENBLAS_NUM_THREADS", "OMP_NUM_THREADS", "MKL_NUM_THREADS"):
    os.environ.setdefault(_variable, "1")


def main() -> None:
    """Entry point."""
    # The libraries take a second to load. Until then Ctrl-C ends the process without a word; Python would show in
    # which of a hundred modules it was.
    interruptible = signal.getsignal(signal.SIGINT) is signal.default_int_handler
    if interruptible:
        signal.signal(signal.SIGINT, signal.SIG_DFL)
    from recognizer.cli import common
    from recognizer.cli.app import app

    if interruptible:
        signal.signal(signal.SIGINT, signal.default_int_handler)
    common.run_app("recognizer", app)


if __name__ == "__main__":
    main()
