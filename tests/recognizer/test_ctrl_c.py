"""Ctrl-C at every moment in the life of a process ends it without a word."""

from __future__ import annotations

import signal
import subprocess
import sys

import pytest

PROGRAM = """
import atexit, os, signal, sys, time
from recognizer import ctrl_c

def at(moment):
    if moment == sys.argv[1]:
        os.kill(os.getpid(), signal.SIGINT)
        time.sleep(0.2)  # longer than Python needs to notice
        print("went on", flush=True)

def load():
    at("loading")
    return command

def command():
    at("running")
    atexit.register(at, "leaving")
    sys.exit(3)

ctrl_c.run(load)
"""


def run(moment: str, before: str = "") -> tuple[int, str, str]:
    done = subprocess.run([sys.executable, "-c", before + PROGRAM, moment], capture_output=True, text=True, timeout=60)
    return done.returncode, done.stdout, done.stderr


@pytest.mark.parametrize(
    ("moment", "status"),
    [("loading", -signal.SIGINT), ("running", 130), ("leaving", -signal.SIGINT), ("never", 3)],
)
def test_ctrl_c_is_quiet_at_any_moment(moment: str, status: int) -> None:
    assert run(moment) == (status, "", "")


@pytest.mark.parametrize("moment", ["loading", "running", "leaving"])
def test_a_job_in_the_background_of_a_shell_goes_on(moment: str) -> None:
    ignored = "import signal; signal.signal(signal.SIGINT, signal.SIG_IGN)\n"
    assert run(moment, ignored) == (3, "went on\n", "")
