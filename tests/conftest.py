"""What every test may rely on."""

from __future__ import annotations

import signal

# A job that a shell starts in the background ignores Ctrl-C, and so would every program that it starts; the tests of
# Ctrl-C must not depend on how they were started.
if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
    signal.signal(signal.SIGINT, signal.default_int_handler)
