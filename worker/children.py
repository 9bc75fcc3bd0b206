"""Starting a child again when it ends, but not too often."""

from __future__ import annotations

import logging
import os
import signal
import subprocess
import sys
import time
from collections import deque
from collections.abc import Sequence

from worker import lifeline

log = logging.getLogger(__name__)

RESTARTS_PER_MINUTE = 5
COOL_DOWN_S = 300.0
STOP_S = 10.0


class Child:
    """A Python module run as a child process and kept alive; it ends when this process does.

    Parameters
    ----------
    name : str
    module : str
        Run with ``python -m``.
    arguments : str or sequence of str
    environment : dict, optional
        This process's own when omitted.
    expected : sequence of int
        Exit statuses beside 0 that are no news.

    Attributes
    ----------
    name : str
        For logs.
    failed : bool
        True while it is not restarted because it ended ``RESTARTS_PER_MINUTE`` times within a minute; it gets
        another chance after ``COOL_DOWN_S``.
    status : int or None
        Exit status of the last run.
    """

    def __init__(
        self,
        name: str,
        module: str,
        arguments: str | Sequence[str],
        environment: dict[str, str] | None = None,
        expected: Sequence[int] = (),
    ) -> None:
        self.name = name
        self._expected = (0, *expected)
        words = [arguments] if isinstance(arguments, str) else arguments
        self._command = [sys.executable, "-m", module, *words]
        self._environment = environment
        self._process: subprocess.Popen[bytes] | None = None
        self._ends_s: deque[float] = deque(maxlen=RESTARTS_PER_MINUTE)
        self._start_at_s = 0.0
        self.started_s = 0.0
        self.failed = False
        self.status: int | None = None

    @property
    def pid(self) -> int | None:
        """Process id while it runs."""
        return self._process.pid if self._process is not None else None

    def tend(self) -> bool:
        """Notice an end, start when it is time; returns True when it ended since the last call."""
        now_s = time.monotonic()
        if self._process is not None:
            if self._process.poll() is None:
                return False
            self._note_end(self._process.returncode, now_s)
            return True
        if now_s >= self._start_at_s:
            self._start(now_s)
        return False

    def _start(self, now_s: float) -> None:
        if self.failed:
            self._ends_s.clear()
        self.failed = False
        self.started_s = now_s
        # A session of its own: Ctrl-C in the terminal reaches the supervisor, which ends its children in order.
        parent = os.getpid()
        self._process = subprocess.Popen(
            self._command,
            env=self._environment,
            stdin=subprocess.DEVNULL,
            start_new_session=True,
            preexec_fn=lambda: lifeline.die_with_parent(parent),
        )

    def _note_end(self, status: int, now_s: float) -> None:
        self._process = None
        self.status = status
        self._ends_s.append(now_s)
        often = len(self._ends_s) == RESTARTS_PER_MINUTE and now_s - self._ends_s[0] < 60.0
        self.failed = often
        recent = sum(now_s - end_s < 60.0 for end_s in self._ends_s)
        self._start_at_s = now_s + (COOL_DOWN_S if often else min(30.0, 0.5 * 2.0 ** (recent - 1)))
        if status not in self._expected:
            log.warning("%s ended with status %d; next start in %.1f s", self.name, status, self._start_at_s - now_s)

    def kill(self) -> None:
        """SIGKILL, for one that hangs; `tend` starts it again."""
        if self._process is not None:
            self._process.kill()

    def terminate(self) -> None:
        """Ask it to end."""
        if self._process is not None and self._process.poll() is None:
            os.kill(self._process.pid, signal.SIGTERM)

    def wait(self, timeout_s: float = STOP_S) -> None:
        """After `terminate`: wait, and use force when it takes too long."""
        if self._process is None:
            return
        try:
            self._process.wait(max(0.1, timeout_s))
        except subprocess.TimeoutExpired:
            log.warning("%s does not end; killing it", self.name)
            self._process.kill()
            self._process.wait()
        self._process = None


def end_all(children: list[Child], timeout_s: float = STOP_S) -> None:
    """End children side by side."""
    for child in children:
        child.terminate()
    deadline = time.monotonic() + timeout_s
    for child in children:
        child.wait(deadline - time.monotonic())
