"""What a source delivers: audio, gaps and states on one sample-counted timeline.

Time is an integer count of samples at the model's rate, from the start of the source. The count includes gaps:
after an outage of 3 s the next chunk starts 3 s later, so positions never run backwards and never repeat.

::

    position   0 ........ 48000 ......... 96000 ............ 128000
               AudioChunk | AudioChunk    | SourceGap        | AudioChunk (epoch + 1)
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from enum import StrEnum

import numpy as np
import numpy.typing as npt

Pcm16 = npt.NDArray[np.int16]


class StreamState(StrEnum):
    """The states of a feed, as shown and stored."""

    CONNECTING = "connecting"
    RUNNING = "running"
    SILENT = "silent"
    NO_MUSIC = "no_music"
    RECONNECTING = "reconnecting"
    STALLED = "stalled"
    INVALID_SOURCE = "invalid_source"
    AUTH_FAILED = "auth_failed"
    PAUSED = "paused"
    FAILED = "failed"


@dataclass(frozen=True, slots=True)
class AudioChunk:
    """Consecutive audio.

    Attributes
    ----------
    epoch : int
        Connection number; a reconnect starts a new one.
    start_sample : int
        Position of ``pcm[0]`` on the source's timeline, at the model's sample rate.
    pcm : int16 array, shape (samples,)
        Mono audio at the model's sample rate.
    """

    epoch: int
    start_sample: int
    pcm: Pcm16

    @property
    def end_sample(self) -> int:
        """Position just after the last sample."""
        return self.start_sample + len(self.pcm)


@dataclass(frozen=True, slots=True)
class SourceGap:
    """A stretch of the timeline for which there is no audio, and why."""

    start_sample: int
    end_sample: int
    reason: str


@dataclass(frozen=True, slots=True)
class SourceState:
    """The capture side changed state (``connecting``, ``running``, ``reconnecting`` …) at a position."""

    state: StreamState
    at_sample: int
    detail: str | None = None


@dataclass(frozen=True, slots=True)
class SourceEnd:
    """The source is over (end of file, feed removed); nothing follows."""

    at_sample: int
    reason: str


SourceItem = AudioChunk | SourceGap | SourceState | SourceEnd


def opening(blocks: Iterable[Pcm16], samples: int) -> Iterator[Pcm16]:
    """The first blocks of a recording, until they hold ``samples`` or more."""
    for block in blocks:
        yield block
        samples -= len(block)
        if samples <= 0:
            return
