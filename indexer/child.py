"""The child process that touches audio files: hash, tags, decoding, embedding.

A file can crash, hang or blow up its decoder; that costs this process and this file only. It reads jobs from its
standard input and answers on what was its standard output (`indexer.frames`)::

    parent  {"path", "hop_steps", "ask", "alteration"}  ─▶
            ◀─ {"kind": "hash", "sha256"}            when "ask": the parent answers {"go": true | false}
            ◀─ {"kind": "progress", "heard_s"}       about once a second
            ◀─ {"kind": "done", …} + arrays  |  {"kind": "refused", "reason"}
"""

from __future__ import annotations

import hashlib
import os
import resource
import signal
import sys
import time
from collections.abc import Iterator
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np

from indexer.frames import FrameReader, pack
from indexer.tags import read_tags
from recognizer.decode import decode
from recognizer.embedder import Embedder
from recognizer.errors import RecognizerError
from recognizer.evaluation.alteration import Alteration, altered
from recognizer.reference import analyse
from recognizer.timeline import Pcm16

MEMORY_BYTES = 6 * 1024**3  # of address space, most of which the libraries reserve and never touch
CPU_S_PER_FILE = 3600
_PROGRESS_S = 1.0


class Line:
    """The two ends of the conversation with the parent."""

    def __init__(self, read_from: int, write_to: int) -> None:
        self._reader = FrameReader(read_from)
        self._write_to = write_to

    def send(self, header: dict[str, Any], payload: bytes = b"") -> None:
        """Send a message."""
        view = memoryview(pack(header, payload))
        while view:
            view = view[os.write(self._write_to, view) :]

    def receive(self) -> dict[str, Any]:
        """The next message; `EOFError` when the parent is gone."""
        return self._reader.read(None)[0]


def main() -> None:
    """Serve jobs until the parent closes the line."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is the parent's business
    line = Line(0, os.dup(1))
    os.dup2(os.open(os.devnull, os.O_WRONLY), 1)  # libraries that print must not disturb the line
    limit_resources()
    try:
        embedder = Embedder(Path(sys.argv[1]))
    except RecognizerError as error:
        line.send({"kind": "unfit", "reason": str(error)})
        return
    line.send({"kind": "ready", "model_id": embedder.model_id})
    while True:
        try:
            job = line.receive()
        except EOFError:
            return
        serve(line, embedder, job)


def limit_resources() -> None:
    """Give this process only what reading audio needs."""
    for kind, limit in (
        (resource.RLIMIT_AS, MEMORY_BYTES),
        (resource.RLIMIT_CORE, 0),
        (resource.RLIMIT_FSIZE, 0),  # it writes no file
    ):
        resource.setrlimit(kind, (limit, limit))


def serve(line: Line, embedder: Embedder, job: dict[str, Any]) -> None:
    """Do one job and answer it."""
    usage = resource.getrusage(resource.RUSAGE_SELF)
    used_s = int(usage.ru_utime + usage.ru_stime)
    resource.setrlimit(resource.RLIMIT_CPU, (used_s + CPU_S_PER_FILE, resource.RLIM_INFINITY))
    path = Path(job["path"])
    try:
        sha256 = hash_file(path)
        if job["ask"]:
            line.send({"kind": "hash", "sha256": sha256})
            if not line.receive()["go"]:
                return
        send_analysis(line, embedder, path, sha256, job)
    except RecognizerError as error:
        line.send({"kind": "refused", "reason": str(error)})
    except MemoryError:
        line.send({"kind": "refused", "reason": f"{path.name} needs more memory than a file may have"})
    except OSError as error:
        line.send({"kind": "refused", "reason": f"{path} cannot be read: {error.strerror or error}"})


def hash_file(path: Path) -> str:
    """SHA-256 of a file's content."""
    digest = hashlib.sha256()
    # Not to hang on a pipe that nobody writes to; what is not a regular file is refused by the decoder.
    descriptor = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
    with os.fdopen(descriptor, "rb", buffering=0) as file:
        while block := file.read(1 << 20):
            digest.update(block)
    return digest.hexdigest()


def send_analysis(line: Line, embedder: Embedder, path: Path, sha256: str, job: dict[str, Any]) -> None:
    """Decode, alter, embed and answer; chance depends on the content of the file only."""
    how, seed = Alteration.from_json(job["alteration"]), int(sha256[:15], 16)
    blocks = altered(reporting(line, path, embedder), embedder.contract.sample_rate_hz, how, seed)
    result = analyse(blocks, embedder, hop_steps=job["hop_steps"])
    arrays = (result.embeddings, result.starts_s, result.pitch, result.pieces)
    header = {
        "kind": "done",
        "sha256": sha256,
        "duration_s": result.duration_s,
        "windows": len(result.embeddings),
        "frames": len(result.pitch),
        "pieces": len(result.pieces),
        "tags": asdict(read_tags(path)),
    }
    line.send(header, b"".join(np.ascontiguousarray(array, "<f4").tobytes() for array in arrays))


def reporting(line: Line, path: Path, embedder: Embedder) -> Iterator[Pcm16]:
    """The decoded blocks of a file, with a sign of life about once a second."""
    rate_hz = embedder.contract.sample_rate_hz
    samples, reported_at_s = 0, time.monotonic()
    for block in decode(path, rate_hz):
        yield block
        samples += len(block)
        if time.monotonic() - reported_at_s >= _PROGRESS_S:
            reported_at_s = time.monotonic()
            line.send({"kind": "progress", "heard_s": samples / rate_hz})


if __name__ == "__main__":
    main()
