"""Runs child processes over many files; a child that dies or hangs costs one file and is replaced."""

from __future__ import annotations

import contextlib
import math
import os
import queue
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Generator, Iterable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from indexer.frames import BadFrame, FrameReader, pack
from indexer.tags import Tags
from recognizer.catalogue.track import clean_text, is_sha256
from recognizer.contract import ModelContract
from recognizer.errors import ModelError
from recognizer.evaluation.alteration import Alteration
from recognizer.reference import Analysis

# -P: the folder the user stands in, full of strangers' files, is no place to import from.
CHILD_COMMAND: tuple[str, ...] = (sys.executable, "-P", "-m", "indexer.child")
START_S = 60.0  # for a child to load the model
STALL_S = 60.0
MIN_SPEED = 0.5  # seconds of audio per second, beyond which a file is given up


@dataclass(frozen=True, slots=True)
class Job:
    """A file to analyse; ``about`` is the caller's own and comes back with the outcome."""

    path: Path
    about: Any = None


@dataclass(frozen=True, slots=True)
class Analysed:
    """A file that was read."""

    job: Job
    sha256: str
    tags: Tags
    analysis: Analysis


@dataclass(frozen=True, slots=True)
class Skipped:
    """A file whose content was not wanted."""

    job: Job
    sha256: str


@dataclass(frozen=True, slots=True)
class Refused:
    """A file that could not be read, and why, in one sentence."""

    job: Job
    reason: str


Outcome = Analysed | Skipped | Refused


@dataclass(frozen=True, slots=True)
class PoolSettings:
    """How the pool works.

    Attributes
    ----------
    model : Path
    contract : ModelContract
        Of that model.
    jobs : int
        Children at once.
    hop_steps : int or None
        Steps between windows; ``None`` for the model's index hop.
    wanted : callable or None
        Asked with the SHA-256 of each file's content before it is decoded.
    stall_s : float
        Longest time without progress.
    alteration : Alteration
        What is done to each file before it is analysed; nothing by default.
    command : tuple of str
        Starts a child; the model's path is appended.
    """

    model: Path
    contract: ModelContract
    jobs: int = 1
    hop_steps: int | None = None
    wanted: Callable[[str], bool] | None = None
    stall_s: float = STALL_S
    alteration: Alteration = field(default_factory=Alteration)
    command: tuple[str, ...] = field(default_factory=lambda: CHILD_COMMAND)


def run(settings: PoolSettings, jobs: Iterable[Job]) -> Generator[Outcome, None, None]:
    """Analyse files; outcomes come as they are ready, one for each job.

    Closing the iterator ends the children.

    Raises
    ------
    ModelError
        When the children cannot start.
    """
    todo: queue.SimpleQueue[Job] = queue.SimpleQueue()
    count = 0
    for job in jobs:
        todo.put(job)
        count += 1
    done: queue.Queue[Outcome | BaseException] = queue.Queue(maxsize=2 * settings.jobs)
    asking = threading.Lock()
    children = [_Child(settings, asking) for _ in range(min(settings.jobs, count))]
    threads = [threading.Thread(target=_drive, args=(child, todo, done), daemon=True) for child in children]
    for thread in threads:
        thread.start()
    try:
        for _ in range(count):
            outcome = done.get()
            if isinstance(outcome, BaseException):
                raise outcome
            yield outcome
    finally:
        for child in children:
            child.close()
        for thread in threads:
            while thread.is_alive():  # it may be waiting for room to deliver what nobody wants any more
                with contextlib.suppress(queue.Empty):
                    done.get(timeout=0.05)


def _drive(child: _Child, todo: queue.SimpleQueue[Job], done: queue.Queue[Outcome | BaseException]) -> None:
    try:
        while not child.closed:
            done.put(child.run(todo.get_nowait()))
    except queue.Empty:
        pass
    except BaseException as error:  # handed to whoever reads the outcomes
        done.put(error)
    finally:
        child.dispose()


class _Child:
    """One child process at a time, driven by one thread."""

    def __init__(self, settings: PoolSettings, asking: threading.Lock) -> None:
        self._settings = settings
        self._asking = asking
        self._guard = threading.Lock()
        self._process: subprocess.Popen[bytes] | None = None
        self._reader: FrameReader | None = None
        self.closed = False

    def close(self) -> None:
        """End the process, from any thread; the driving thread notices and disposes of it."""
        with self._guard:
            self.closed = True
            if self._process is not None:
                self._process.kill()

    def dispose(self) -> None:
        """End the process and close its pipes; only for the driving thread."""
        with self._guard:
            process, self._process, self._reader = self._process, None, None
        if process is None:
            return
        process.kill()
        process.wait()
        for pipe in (process.stdin, process.stdout):
            with contextlib.suppress(OSError):
                if pipe is not None:
                    pipe.close()

    def run(self, job: Job) -> Outcome:
        """Analyse one file, starting a child if there is none."""
        try:
            self._start()
            return self._converse(job)
        except TimeoutError:
            self.dispose()
            return Refused(job, f"{job.path.name} was given up: reading it made no progress; re-encode the file")
        except (EOFError, OSError, BadFrame, KeyError, TypeError, ValueError) as error:
            return Refused(job, self._death(job, error))

    def _start(self) -> None:
        with self._guard:
            if self._process is not None or self.closed:
                return
            self._process = subprocess.Popen(
                [*self._settings.command, str(self._settings.model)],
                stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, start_new_session=True,
                env={**os.environ, "OPENBLAS_NUM_THREADS": "1", "OMP_NUM_THREADS": "1"},
            )  # fmt: skip
            assert self._process.stdout is not None
            self._reader = FrameReader(self._process.stdout.fileno())
        try:
            hello, _ = self._receive(START_S)
        except (TimeoutError, EOFError, BadFrame) as error:
            if self.closed:
                raise
            raise ModelError(
                "a process for reading audio could not start; check the memory that is left, or use fewer --jobs"
            ) from error
        if hello["kind"] != "ready":
            raise ModelError(str(hello.get("reason")))

    def _converse(self, job: Job) -> Outcome:
        settings = self._settings
        ask = settings.wanted is not None
        how = settings.alteration.to_json()
        self._send({"path": str(job.path), "hop_steps": settings.hop_steps, "ask": ask, "alteration": how})
        begun_s = time.monotonic()
        while True:
            message, payload = self._receive(settings.stall_s)
            kind = message["kind"]
            if kind == "hash":
                with self._asking:
                    go = settings.wanted is None or settings.wanted(message["sha256"])
                self._send({"go": go})
                if not go:
                    return Skipped(job, message["sha256"])
            elif kind == "refused":
                return Refused(job, clean_text(message["reason"]) or "it cannot be read")
            elif kind == "done":
                return _analysed(job, message, payload, settings.contract)
            elif time.monotonic() - begun_s > settings.stall_s + float(message["heard_s"]) / MIN_SPEED:
                raise TimeoutError

    def _send(self, message: dict[str, Any]) -> None:
        if self._process is None or self._process.stdin is None:
            raise EOFError
        self._process.stdin.write(pack(message))
        self._process.stdin.flush()

    def _receive(self, timeout_s: float) -> tuple[dict[str, Any], bytes]:
        if self._reader is None:
            raise EOFError
        return self._reader.read(timeout_s)

    def _death(self, job: Job, error: Exception) -> str:
        process = self._process
        code = None
        if process is not None and isinstance(error, EOFError | OSError):
            with contextlib.suppress(subprocess.TimeoutExpired):
                code = process.wait(5)
        self.dispose()
        if code is not None and code < 0:
            how = f"ended by {signal.Signals(-code).name}" if -code in set(signal.Signals) else "killed"
        else:
            how = "ended" if code is not None else "answered nonsense"
        return f"{job.path.name} made the decoder fail (its process {how}); the file is damaged, re-encode it"


def _analysed(job: Job, message: dict[str, Any], payload: bytes, contract: ModelContract) -> Analysed:
    """Check and unpack a child's result; raises `BadFrame`, `KeyError`, `TypeError` or `ValueError`."""
    windows, frames, pieces = (int(message[name]) for name in ("windows", "frames", "pieces"))
    shapes = (
        (windows, contract.dimension), (windows,), (frames, contract.pitch_bins), (pieces, contract.dimension)
    )  # fmt: skip
    sizes = [math.prod(shape) for shape in shapes]
    duration_s = float(message["duration_s"])
    if min(windows, frames) < 1 or pieces < 0 or 4 * sum(sizes) != len(payload) or not is_sha256(message["sha256"]):
        raise BadFrame("a result whose sizes do not fit")
    numbers = np.frombuffer(payload, "<f4")
    if not np.isfinite(numbers).all() or not 0 < duration_s < math.inf:
        raise BadFrame("a result that is not finite")
    parts = np.split(numbers, np.cumsum(sizes)[:-1])
    arrays = [part.reshape(shape) for part, shape in zip(parts, shapes, strict=True)]
    tags = Tags(**{name: clean_text(value) for name, value in message["tags"].items() if value is not None})
    return Analysed(job, message["sha256"], tags, Analysis(arrays[0], arrays[1], arrays[2], duration_s, arrays[3]))
