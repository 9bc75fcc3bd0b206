"""One source to items on one timeline: 1 s chunks, gaps, states, reconnection. No Redis, no process.

Where a live connection's first sample lies on the timeline
-----------------------------------------------------------
At the moment of its arrival: ``elapsed`` seconds after the first audio of the feed. Streaming servers send a burst of
already broadcast audio on connect, so positions run ahead of real time by the length of that burst, by the same
amount after each connect::

    first connection   0 ──burst──┐............ last_end = elapsed + burst
    outage             ....................................x
    second connection                          arrival ──burst──┐.......
                                               └ dropped ┘ up to last_end: heard before

After a short outage the new burst overlaps what was heard and exactly the overlap is dropped: nothing is replayed as
new and nothing is lost. After a longer one the timeline has a gap from ``last_end`` to the arrival. At most
``BURST_S`` are ever dropped, so a clock that was set back cannot mute a feed.

A source that delivers faster than real time is not read further than ``BURST_S`` ahead (TCP makes the server wait).
One that falls behind for good, because it lost audio without saying so, is put right by a gap.
A finite source starts at position 0 whenever it is opened; what was delivered before is dropped, so it resumes.
"""

from __future__ import annotations

import random
import time
from collections import deque
from collections.abc import Callable, Generator, Iterator
from contextlib import AbstractContextManager
from dataclasses import dataclass, field

import numpy as np

from recognizer.errors import DecodeError, SourceError
from recognizer.timeline import AudioChunk, Pcm16, SourceEnd, SourceGap, SourceItem, SourceState, StreamState
from worker.sources import SourceOptions, SourceStream, open_source

CHUNK_S = 1.0
END_OF_SOURCE = "end of the source"
BURST_S = 15.0
OUTAGE_S = 10.0  # an outage this long is put on the timeline before it is over
BEHIND_S = 2.0  # lag behind real time that becomes a gap when it lasts for BEHIND_CHUNKS
BEHIND_CHUNKS = 20
STEADY_S = 30.0  # a connection that lasted this long resets the back-off
SLOW_STATES = (StreamState.AUTH_FAILED, StreamState.INVALID_SOURCE)

Opener = Callable[..., AbstractContextManager[SourceStream]]


@dataclass(frozen=True, slots=True)
class Backoff:
    """Waits between connections: doubling, capped, and shortened at random so that feeds do not return in step.

    A refusal that will hardly change (wrong address, wrong credentials) starts at ``slow_s``.
    """

    first_s: float = 1.0
    cap_s: float = 60.0
    slow_s: float = 30.0
    slow_cap_s: float = 600.0

    def wait_s(self, failures: int, slow: bool, uniform: Callable[[], float]) -> float:
        """Seconds to wait after so many failures in a row; ``uniform`` returns a number in [0, 1)."""
        first, cap = (self.slow_s, self.slow_cap_s) if slow else (self.first_s, self.cap_s)
        wait: float = min(cap, first * 2.0 ** min(failures - 1, 30))
        return wait * (0.5 + 0.5 * uniform())


@dataclass(frozen=True, slots=True)
class Resume:
    """Where an earlier capture of the same feed stopped.

    Attributes
    ----------
    end_sample : int
        Position just after the last sample or gap delivered.
    epoch : int
        Number of its last connection.
    elapsed_s : float
        Real time since position 0.
    """

    end_sample: int
    epoch: int
    elapsed_s: float


@dataclass(slots=True)
class Surroundings:
    """The outside world of a capture; tests bring their own."""

    opener: Opener = open_source
    monotonic: Callable[[], float] = time.monotonic
    sleep: Callable[[float], None] = time.sleep
    uniform: Callable[[], float] = random.random
    backoff: Backoff = field(default_factory=Backoff)


def capture(
    spec: str,
    rate_hz: int,
    options: SourceOptions | None = None,
    *,
    resume: Resume | None = None,
    surroundings: Surroundings | None = None,
) -> Iterator[SourceItem]:
    """Deliver a source until it ends; a live source never ends by itself.

    Yields
    ------
    SourceItem
        Positions never run backwards and never repeat.

    Raises
    ------
    SourceError
        After a state and an end were delivered, when trying again cannot help.
    """
    return _Capture(spec, rate_hz, options or SourceOptions(), resume, surroundings or Surroundings()).items()


class _Capture:
    """State of one `capture`: the timeline's end, the clock that it is held against, and the failures so far."""

    def __init__(
        self, spec: str, rate_hz: int, options: SourceOptions, resume: Resume | None, world: Surroundings
    ) -> None:
        self._spec, self._rate_hz, self._options, self._world = spec, rate_hz, options, world
        self._end = resume.end_sample if resume else 0
        self._epoch = resume.epoch if resume else -1
        # The moment of position 0; unknown until there is audio or a failure.
        self._origin_s = world.monotonic() - resume.elapsed_s if resume else None
        self._failures = 0
        self._live = self._outage_said = False
        self._state: tuple[StreamState, str | None] | None = None

    def items(self) -> Iterator[SourceItem]:
        yield from self._enter(StreamState.CONNECTING, None)
        while True:
            began_s = self._world.monotonic()
            try:
                finite = yield from self._connection()
                if finite:
                    yield SourceEnd(self._end, END_OF_SOURCE)
                    return
                failure = SourceError("the stream ended; connecting again")
            except SourceError as error:
                failure = error
            except DecodeError as error:
                failure = SourceError(str(error), state="invalid_source", retryable=self._options.live is True)
            if self._world.monotonic() - began_s > STEADY_S:
                self._failures = 0
            self._failures += 1
            state = StreamState(failure.state if failure.retryable else _final_state(failure))
            yield from self._enter(state, str(failure))
            if not failure.retryable:
                yield SourceEnd(self._end, str(failure))
                raise failure
            slow = state in SLOW_STATES
            self._world.sleep(self._world.backoff.wait_s(self._failures, slow, self._world.uniform))
            yield from self._outage()

    def _outage(self) -> Iterator[SourceItem]:
        """Say once that an outage has become long: what was being heard has ended, though nothing follows yet."""
        missing = self._elapsed_samples() - self._end if self._live and not self._outage_said else 0
        if missing > OUTAGE_S * self._rate_hz:
            self._outage_said = True
            yield from self._gap(self._end + missing, "disconnected")

    def _connection(self) -> Generator[SourceItem, None, bool]:
        """Deliver one connection; the generator's value says whether that was the end of the source."""
        with self._world.opener(self._spec, rate_hz=self._rate_hz, options=self._options) as stream:
            live = stream.live if self._options.live is None else self._options.live
            cutter = _Cutter(round(CHUNK_S * self._rate_hz))
            behind: deque[int] = deque(maxlen=BEHIND_CHUNKS)
            first = True
            for block in stream:
                if first:
                    yield from self._place(cutter, live)
                    first, self._live, self._outage_said = False, live, False
                lost = stream.take_lost()
                if lost:
                    yield from self._chunks(cutter.flush(), live)
                    yield from self._gap(self._end + lost, "overflow")
                for pcm in cutter.push(block):
                    yield from self._chunks([pcm], live)
                    if live:
                        yield from self._catch_up(behind)
            yield from self._chunks(cutter.flush(), live)
        return not live

    def _place(self, cutter: _Cutter, live: bool) -> Iterator[SourceItem]:
        """Find the position of a connection's first sample, from what has just arrived."""
        self._epoch += 1
        if self._origin_s is None:
            self._origin_s = self._world.monotonic()
        arrival = self._elapsed_samples() if live else 0
        if arrival > self._end:
            yield from self._gap(arrival, "disconnected")
        elif not live:
            cutter.drop(self._end)
            if self._end:  # pace a resumed file from where it resumes
                self._origin_s = self._world.monotonic() - self._end / self._rate_hz
        elif self._end - arrival <= BURST_S * self._rate_hz:
            cutter.drop(self._end - arrival)
        yield from self._enter(StreamState.RUNNING, None)

    def _chunks(self, pcms: list[Pcm16], live: bool) -> Iterator[SourceItem]:
        for pcm in pcms:
            chunk = AudioChunk(self._epoch, self._end, pcm)
            if live or self._options.realtime:
                lead = BURST_S if live else 0.0
                ahead_s = (chunk.end_sample - self._elapsed_samples()) / self._rate_hz - lead
                if ahead_s > 0:
                    self._world.sleep(ahead_s)
            self._end = chunk.end_sample
            yield chunk

    def _catch_up(self, behind: deque[int]) -> Iterator[SourceItem]:
        """Insert a gap when the source has been behind real time for long: audio was lost without a word."""
        behind.append(self._elapsed_samples() - self._end)
        if len(behind) == behind.maxlen and min(behind) > BEHIND_S * self._rate_hz:
            yield from self._gap(self._end + min(behind), "audio_lost_at_source")
            behind.clear()

    def _gap(self, end_sample: int, reason: str) -> Iterator[SourceItem]:
        if end_sample > self._end:
            gap = SourceGap(self._end, end_sample, reason)
            self._end = end_sample
            yield gap

    def _enter(self, state: StreamState, detail: str | None) -> Iterator[SourceItem]:
        """Deliver a state when it is news; before the first audio a failure starts the clock."""
        if state not in (StreamState.CONNECTING, StreamState.RUNNING) and self._origin_s is None:
            self._origin_s = self._world.monotonic()
        if (state, detail) != self._state:
            self._state = (state, detail)
            yield SourceState(state, self._end, detail)

    def _elapsed_samples(self) -> int:
        assert self._origin_s is not None
        return round((self._world.monotonic() - self._origin_s) * self._rate_hz)


def _final_state(failure: SourceError) -> str:
    return failure.state if failure.state in SLOW_STATES else StreamState.FAILED


class _Cutter:
    """Blocks of any length in, chunks of one length out; can swallow a number of samples first."""

    def __init__(self, chunk_samples: int) -> None:
        self._chunk_samples = chunk_samples
        self._parts: list[Pcm16] = []
        self._held = 0
        self._to_drop = 0

    def drop(self, samples: int) -> None:
        """Swallow the next ``samples``."""
        self._to_drop += samples

    def push(self, block: Pcm16) -> list[Pcm16]:
        """Complete chunks that end in ``block``."""
        swallowed = min(self._to_drop, len(block))
        self._to_drop -= swallowed
        block = block[swallowed:]
        self._parts.append(block)
        self._held += len(block)
        if self._held < self._chunk_samples:
            return []
        whole = np.concatenate(self._parts)
        count = len(whole) // self._chunk_samples
        cut = count * self._chunk_samples
        self._parts, self._held = [whole[cut:]], len(whole) - cut
        return np.split(whole[:cut], count)

    def flush(self) -> list[Pcm16]:
        """What is held, as a short chunk."""
        whole = np.concatenate([np.zeros(0, dtype=np.int16), *self._parts])
        self._parts, self._held = [], 0
        return [whole] if len(whole) else []
