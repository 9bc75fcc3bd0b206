"""Ctrl-C while FFmpeg reads: it is never lost and never shown as an error of the library."""

from __future__ import annotations

import io
import signal
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from recognizer.decode import decode
from recognizer.held import Held
from tests.audio_samples import write_tune

RATE_HZ = 16_000


class Bell(BaseException):
    """What the handler of these tests raises."""


@contextmanager
def handler(handle: Callable[..., object], number: int = signal.SIGINT) -> Iterator[None]:
    before = signal.signal(number, handle)
    try:
        yield
    finally:
        assert signal.getsignal(number) is handle, "the handler was not put back"
        signal.signal(number, before)


def ring(*_: object) -> None:
    raise Bell


class Interrupted:
    """A body in the middle of which the signal arrives, in Python code or while it waits."""

    def __init__(self, path: Path, at_read: int, seekable: bool) -> None:
        self._file, self._left, self._seekable = io.BytesIO(path.read_bytes()), at_read, seekable

    def read(self, size: int) -> bytes:
        self._left -= 1
        if self._left == 0:
            signal.raise_signal(signal.SIGINT)
        return self._file.read(min(size, 5000))

    def seekable(self) -> bool:
        return self._seekable

    def seek(self, offset: int, whence: int) -> int:
        return self._file.seek(offset, whence)

    def tell(self) -> int:
        return self._file.tell()


@pytest.mark.parametrize("ending", [".wav", ".mp3", ".ogg"])
@pytest.mark.parametrize("seekable", [False, True])
@pytest.mark.parametrize("at_read", [1, 2, 3, 9])
def test_a_signal_while_the_source_is_read_reaches_whoever_decodes(tmp_path, capfd, ending, seekable, at_read):
    path = write_tune(tmp_path / f"tune{ending}", seconds=20.0, rate_hz=44_100)
    with handler(ring), pytest.raises(Bell):
        for _ in decode(Interrupted(path, at_read, seekable), RATE_HZ):  # type: ignore[arg-type]
            pass
    assert capfd.readouterr().err == ""


def test_a_signal_at_any_bytecode_of_a_callback_is_kept(tmp_path, capfd):
    """A profiler's hook runs where a signal's handler would: on the first line of a callback, before any ``try``."""
    path = write_tune(tmp_path / "tune.wav", seconds=20.0, rate_hz=44_100)
    raised = []

    def at_entry(frame, event, arg):
        if event == "call" and frame.f_code.co_name == "read" and frame.f_code.co_filename.endswith("decode.py"):
            raised.append(1)
            signal.raise_signal(signal.SIGINT)

    with handler(ring), pytest.raises(Bell):
        sys.setprofile(at_entry)
        try:
            for _ in decode(path, RATE_HZ):
                pass
        finally:
            sys.setprofile(None)
    assert raised
    assert capfd.readouterr().err == ""


def test_a_handler_that_only_notes_the_signal_breaks_nothing_off(tmp_path):
    path = write_tune(tmp_path / "tune.wav", seconds=20.0, rate_hz=44_100)
    noted = []
    whole = sum(len(block) for block in decode(path, RATE_HZ))
    with handler(lambda *_: noted.append(1)):
        heard = sum(len(block) for block in decode(Interrupted(path, 3, True), RATE_HZ))  # type: ignore[arg-type]
    assert (noted, heard) == ([1], whole)


def test_two_kinds_of_signals_each_reach_their_own_handler():
    got = []
    with handler(lambda *_: got.append("int")), handler(lambda *_: got.append("term"), signal.SIGTERM):
        with Held():
            signal.raise_signal(signal.SIGTERM)
            signal.raise_signal(signal.SIGINT)
            assert got == []
        assert got == ["term", "int"]


def test_in_a_thread_nothing_is_held(tmp_path):
    path = write_tune(tmp_path / "tune.wav", seconds=2.0, rate_hz=44_100)
    handlers, lengths = [], []

    def body() -> None:
        for block in decode(path, RATE_HZ):
            handlers.append(signal.getsignal(signal.SIGINT))
            lengths.append(len(block))

    with handler(ring):
        thread = threading.Thread(target=body)
        thread.start()
        thread.join()
    assert sum(lengths) == pytest.approx(2 * RATE_HZ, abs=10)
    assert set(handlers) == {ring}


def test_blocks_may_be_asked_for_by_one_thread_after_another(tmp_path):
    path = write_tune(tmp_path / "tune.wav", seconds=2.0, rate_hz=44_100)
    with handler(ring):
        blocks = decode(path, RATE_HZ)
        lengths = [len(next(blocks))]
        thread = threading.Thread(target=lambda: lengths.append(len(next(blocks))))
        thread.start()
        thread.join()
        lengths += [len(block) for block in blocks]
    assert sum(lengths) == pytest.approx(2 * RATE_HZ, abs=10)


def test_a_process_that_a_signal_ends_still_ends_at_once():
    script = "import signal; signal.signal(signal.SIGINT, signal.SIG_DFL)\nfrom recognizer.held import Held\n"
    script += "with Held():\n    signal.raise_signal(signal.SIGINT)\n    print('went on')"
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, timeout=60)
    assert (done.returncode, done.stdout) == (-signal.SIGINT, b"")
