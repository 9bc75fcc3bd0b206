"""The installed commands, run as a user runs them."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

BIN = Path(sys.executable).parent
DETECTIONS = ("detection.opened", "detection.updated", "detection.closed", "detection.retracted")


def command(name: str, *arguments: object) -> list[str]:
    """The entry point that pip installed beside this Python."""
    return [str(BIN / name), *map(str, arguments)]


def run(
    name: str, *arguments: object, stdin: bytes = b"", timeout_s: float = 60.0, env: dict[str, str] | None = None
) -> subprocess.CompletedProcess[str]:
    """Run to the end; output as text."""
    done = subprocess.run(
        command(name, *arguments), input=stdin, capture_output=True, timeout=timeout_s, check=False, env=env
    )
    out, err = done.stdout.decode(), done.stderr.decode()
    assert "Traceback" not in err, err
    return subprocess.CompletedProcess(done.args, done.returncode, out, err)


def spawn(
    name: str, *arguments: object, log: Path, env: dict[str, str] | None = None, pipe: bool = False
) -> subprocess.Popen[str]:
    """Start and go on; what it says on standard error goes to ``log``. ``pipe``: standard input is the test's."""
    with log.open("w") as err:
        return subprocess.Popen(
            command(name, *arguments), stdin=subprocess.PIPE if pipe else subprocess.DEVNULL, stdout=subprocess.PIPE,
            stderr=err, env=env, text=True,
        )  # fmt: skip


def events(lines: str | Sequence[str]) -> list[dict[str, Any]]:
    """JSON Lines."""
    return [json.loads(line) for line in (lines.splitlines() if isinstance(lines, str) else lines)]


def detections(found: Sequence[dict[str, Any]]) -> list[dict[str, Any]]:
    """What is said of detections, without what depends on the time of the run."""
    dated = ("detection_id", "start_time", "end_time", "seq")
    return [
        {"type": event["type"], **{k: v for k, v in event["data"].items() if k not in dated}}
        for event in found
        if event["type"] in DETECTIONS
    ]
