"""Ctrl-C while a command is not running: its libraries load, or Python leaves; the process ends without a word."""

from __future__ import annotations

import signal
import sys
from collections.abc import Callable

INTERRUPTED = 130


def run(load: Callable[[], Callable[[], None]]) -> None:
    """Load a command and run it, as all that this process does.

    Libraries take a second to load. Ctrl-C meanwhile would show in which of a hundred modules it was, and so it would
    before the command has begun to wait for it and after it has ended.

    Parameters
    ----------
    load : callable
        Imports the command and returns it.
    """
    # A shell's background job ignores Ctrl-C, and so it stays.
    interruptible = signal.getsignal(signal.SIGINT) is signal.default_int_handler
    if interruptible:
        signal.signal(signal.SIGINT, signal.SIG_DFL)
    command = load()
    try:
        if interruptible:
            signal.signal(signal.SIGINT, signal.default_int_handler)
        command()
    except KeyboardInterrupt:
        sys.exit(INTERRUPTED)
    finally:
        if interruptible:
            signal.signal(signal.SIGINT, signal.SIG_DFL)
