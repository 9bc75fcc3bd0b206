"""`recognizer up` as a child of a test, seen from outside: its processes, its API, its live channel."""

from __future__ import annotations

import contextlib
import json
import os
import re
import signal
import subprocess
import threading
import urllib.error
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from websockets.exceptions import ConnectionClosed

from tests.end_to_end.installed import spawn
from tests.services import end, wait_until
from tests.web.talk import Talk


class System:
    """A running `recognizer up`.

    Parameters
    ----------
    process : subprocess.Popen
    url : str
        Of the dashboard, without the last slash.
    said : list of str
        Lines it printed until then.
    """

    def __init__(self, process: subprocess.Popen[str], url: str, said: list[str]) -> None:
        self.process, self.url, self.said = process, url, said
        self._seen: dict[int, str] = {}

    def get(self, path: str) -> Any:
        """An answer of the API, whatever its status; None while nobody answers."""
        try:
            with urllib.request.urlopen(f"{self.url}/api/v1/{path}", timeout=5) as answer:
                return json.load(answer)
        except urllib.error.HTTPError as error:
            with error:
                return json.load(error)
        except OSError:
            return None

    def pids(self, named: str = "") -> list[int]:
        """Processes below it, at any depth, whose command line has ``named``."""
        parents = {pid: parent_of(pid) for pid in running_pids()}
        below, found = {self.process.pid}, set()
        while below:
            below = {pid for pid, parent in parents.items() if parent in below} - found
            found |= below
        self._seen |= {pid: command_line(pid) for pid in found}
        return sorted(pid for pid in found if named in self._seen[pid])

    def kill_all(self) -> None:
        """Nothing that was ever seen below it survives; a failed test must not leave it to others."""
        self.pids()
        end(self.process, signal.SIGKILL)
        for pid, was in self._seen.items():
            with contextlib.suppress(ProcessLookupError):
                if command_line(pid) == was:
                    os.kill(pid, signal.SIGKILL)


def running_pids() -> list[int]:
    """All processes that are not zombies."""
    found = [int(path.name) for path in Path("/proc").iterdir() if path.name.isdigit()]
    return [pid for pid in found if parent_of(pid) is not None]


def parent_of(pid: int) -> int | None:
    """Its parent, or None when it is gone or a zombie."""
    try:
        state, parent = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[:2]
    except OSError:
        return None
    return None if state in "ZX" else int(parent)


def command_line(pid: int) -> str:
    """Its command line, arguments separated by blanks; empty when it is gone."""
    try:
        return Path(f"/proc/{pid}/cmdline").read_bytes().replace(b"\0", b" ").decode()
    except OSError:
        return ""


@contextlib.contextmanager
def up(log: Path, *arguments: object) -> Iterator[System]:
    """Start `recognizer up` and wait for its dashboard; it is killed at the end when the test has not ended it."""
    process = spawn("recognizer", "up", *arguments, log=log)
    system = System(process, "", [])
    try:
        assert process.stdout is not None
        for line in process.stdout:
            system.said.append(line.rstrip("\n"))
            if address := re.match(r"Dashboard: (http://\S+)/ ", line):
                system.url = address[1]
                break
        assert system.url, f"{system.said}\n{log.read_text()}"
        yield system
    finally:
        system.kill_all()


class Listener:
    """Keeps the events of the live channel, from the first on, in a thread."""

    def __init__(self, system: System) -> None:
        self.events: list[dict[str, Any]] = []
        self._talk = Talk(system.url.replace("http", "ws", 1) + "/api/v1/events?since=0")
        self._thread = threading.Thread(target=self._run)

    def __enter__(self) -> Listener:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._talk.leave()
        self._thread.join(10)

    def _run(self) -> None:
        with contextlib.suppress(ConnectionClosed):
            while True:
                with contextlib.suppress(TimeoutError):
                    message = self._talk.next(0.5)
                    if "specversion" in message:
                        self.events.append(message)

    def of(self, *kinds: str) -> list[dict[str, Any]]:
        """The ``data`` of the events of these types, so far."""
        return [event["data"] for event in list(self.events) if event["type"] in kinds]

    def wait_for(self, kind: str, timeout_s: float) -> dict[str, Any]:
        """The ``data`` of the first event of this type."""
        return wait_until(lambda: self.of(kind), timeout_s, kind)[0]
