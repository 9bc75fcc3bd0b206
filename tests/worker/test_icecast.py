"""A real Icecast, fed by ffmpeg, through capture: bursts, a source that dies and returns, a server that goes away."""

from __future__ import annotations

import contextlib
import signal
import threading
import time

import numpy as np
import pytest

from recognizer.timeline import AudioChunk, SourceGap, SourceState, StreamState
from tests.services import end, icecast, wait_until, write_wav
from worker.capture import BURST_S, Backoff, Surroundings, capture
from worker.sources import SourceOptions

RATE_HZ = 16_000
OPTIONS = SourceOptions(allow_private=True, read_timeout_s=3.0)


@pytest.fixture(scope="module")
def staircase(tmp_path_factory):
    """A tone that rises by 20 Hz every second for two minutes: its pitch tells when it was broadcast."""
    hz = 300 + 20 * (np.arange(120 * RATE_HZ) // RATE_HZ)
    phase = 2 * np.pi * np.cumsum(hz) / RATE_HZ
    return write_wav(tmp_path_factory.mktemp("tone") / "a.wav", (9000 * np.sin(phase)).astype(np.int16), RATE_HZ)


def broadcast_s(pcm):
    """When a second of audio was broadcast, from its pitch."""
    spectrum = np.abs(np.fft.rfft(pcm * np.hanning(len(pcm)), 8 * RATE_HZ))
    return (np.argmax(spectrum) / 8 - 300) / 20


class Stopped(Exception):
    """The test is over."""


class Listening:
    """A capture in a thread."""

    def __init__(self, url, options=OPTIONS):
        self.items = []
        self.began_s = time.monotonic()
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run, args=(url, options))

    def _run(self, url, options):
        backoff = Backoff(first_s=0.3, cap_s=0.6, slow_s=0.5, slow_cap_s=0.5)
        world = Surroundings(backoff=backoff, sleep=self._sleep)
        with contextlib.suppress(Stopped):
            for item in capture(url, RATE_HZ, options, surroundings=world):
                self.items.append((time.monotonic() - self.began_s, item))
                if self._stop.is_set():
                    return

    def _sleep(self, seconds):
        """A capture that tries again and again says nothing new: it is stopped here."""
        if self._stop.wait(seconds):
            raise Stopped

    def __enter__(self):
        self._thread.start()
        return self

    def __exit__(self, *_):
        self._stop.set()
        self._thread.join(20)
        assert not self._thread.is_alive()

    def chunks(self):
        return [item for _, item in list(self.items) if isinstance(item, AudioChunk)]

    def gaps(self):
        return [item for _, item in list(self.items) if isinstance(item, SourceGap)]

    def states(self):
        return [item.state for _, item in list(self.items) if isinstance(item, SourceState)]


def assert_timeline(listening):
    position = 0
    for at_s, item in listening.items:
        if isinstance(item, AudioChunk | SourceGap):
            assert item.start_sample == position
            position = item.end_sample
            assert position / RATE_HZ < at_s + BURST_S + 1, "never far ahead of real time"


@pytest.mark.slow
@pytest.mark.parametrize("codec", ["libmp3lame", "libvorbis"])
def test_a_source_that_dies_and_returns(tmp_path, staircase, codec):
    with icecast(tmp_path) as server:
        source = server.play(staircase, codec=codec)
        time.sleep(3)
        with Listening(server.url()) as listening:
            wait_until(lambda: len(listening.chunks()) >= 5, 20)
            end(source, signal.SIGKILL)
            wait_until(lambda: StreamState.INVALID_SOURCE in listening.states(), 20, "no such mount")
            time.sleep(4)
            again = server.play(staircase, codec=codec)
            epochs = len({chunk.epoch for chunk in listening.chunks()})
            wait_until(lambda: len({chunk.epoch for chunk in listening.chunks()}) > epochs, 20)
            wait_until(lambda: len([c for c in listening.chunks() if c.epoch == epochs]) >= 3, 20)
        end(again, signal.SIGKILL)
    assert StreamState.RECONNECTING in listening.states()
    assert listening.states()[-1] == StreamState.RUNNING
    assert [gap.reason for gap in listening.gaps()] == ["disconnected"]
    assert_timeline(listening)


@pytest.mark.slow
def test_the_burst_after_a_reconnect_is_not_new_time(tmp_path, staircase):
    """The listener's connection is cut, Icecast and its source go on: the programme continues without a seam."""
    from worker.net import connection

    opened = []
    with icecast(tmp_path) as server:
        source = server.play(staircase)
        time.sleep(6)  # until Icecast's burst buffer (64 KiB, 4 s) is full

        with pytest.MonkeyPatch.context() as patch:
            real = connection.Connection.connect

            def remember(self):
                real(self)
                opened.append(self.sock)

            patch.setattr(connection.Connection, "connect", remember)
            with Listening(server.url()) as listening:
                wait_until(lambda: len(listening.chunks()) >= 8, 20)
                opened[-1].shutdown(2)
                wait_until(lambda: len([c for c in listening.chunks() if c.epoch == 1]) >= 5, 20)
        end(source, signal.SIGKILL)
    assert len(opened) == 2
    assert_timeline(listening)
    offsets = [
        chunk.start_sample / RATE_HZ - broadcast_s(chunk.pcm)
        for chunk in listening.chunks()
        if len(chunk.pcm) == RATE_HZ
    ]
    before, after = offsets[2:7], offsets[-3:]
    assert np.ptp(before) < 0.5
    # Position and programme keep their relation over the reconnect: nothing was replayed as new.
    assert np.median(after) == pytest.approx(np.median(before), abs=0.8)
    assert sum(gap.end_sample - gap.start_sample for gap in listening.gaps()) < 0.5 * RATE_HZ


@pytest.mark.slow
def test_the_server_goes_away_and_returns(tmp_path, staircase):
    with icecast(tmp_path) as server:
        server.play(staircase)
        time.sleep(2)
        with Listening(server.url()) as listening:
            wait_until(lambda: len(listening.chunks()) >= 3, 20)
            server.stop()
            wait_until(lambda: StreamState.RECONNECTING in listening.states(), 20)
            server.start()
            server.play(staircase)
            wait_until(lambda: len({chunk.epoch for chunk in listening.chunks()}) == 2, 60)
    assert_timeline(listening)


def test_icecast_on_this_machine_needs_permission(tmp_path, staircase):
    from recognizer.errors import SourceError

    with icecast(tmp_path) as server, pytest.raises(SourceError, match="loopback"):
        list(capture(server.url(), RATE_HZ, SourceOptions()))
