"""Cuts contiguous audio into steps with real context on both sides.

::

    audio     ......|--------- step k ---------|--------- step k+1 -------|......
    pcm of k    <ctx>                          <ctx>

A step is ready when the audio of its right-hand context has arrived, so the line runs ``context`` behind the newest
sample. Positions are sample counts; any chunking of the same samples gives the same steps.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

import numpy as np

from recognizer.step import Floats
from recognizer.timeline import Pcm16

_EMPTY: Pcm16 = np.zeros(0, dtype=np.int16)


@dataclass(frozen=True, slots=True)
class Step:
    """One step of audio.

    Attributes
    ----------
    start_sample : int
        Timeline position of the first new sample.
    pcm : float32 array, shape (context + step + context,)
        Audio in [-1, 1); zeros where there is none.
    real_samples : int
        New samples that are real audio rather than padding.
    """

    start_sample: int
    pcm: Floats
    real_samples: int


class Windower:
    """Fed with chunks, asked for steps; reads nothing itself.

    Parameters
    ----------
    step_samples, context_samples : int
        As in the model's contract.
    """

    def __init__(self, step_samples: int, context_samples: int) -> None:
        self._step = step_samples
        self._context = context_samples
        self._parts: list[Pcm16] = []
        self._length = 0
        self.next_start: int | None = None  # first new sample of the next step
        self._emitted = 0

    @property
    def end_sample(self) -> int | None:
        """Position just after the newest sample, ``None`` before the first."""
        if self.next_start is None:
            return None
        return self.next_start - self._context + self._length

    def push(self, pcm: Pcm16, start_sample: int) -> None:
        """Add audio that begins where the last push ended.

        Raises
        ------
        ValueError
            When ``start_sample`` is not ``end_sample``; call `reset` at a gap.
        """
        if self.next_start is None:
            self.next_start = start_sample
            # Before the first sample there is nothing: the left context is silence.
            self._parts = [np.zeros(self._context, dtype=np.int16)]
            self._length = self._context
        elif start_sample != self.end_sample:
            raise ValueError(f"audio starts at sample {start_sample}, expected {self.end_sample}; reset at gaps")
        self._parts.append(pcm)
        self._length += len(pcm)

    def pop(self) -> Step | None:
        """The next complete step, or ``None`` until more audio arrives."""
        need = self._step + 2 * self._context
        if self.next_start is None or self._length < need:
            return None
        return self._emit(self._buffer(), self._step)

    def flush(self) -> Iterator[Step]:
        """The rest of the audio as steps padded with silence, then `reset`.

        A remainder of less than half a step is dropped unless it is all there is.
        """
        while (step := self.pop()) is not None:
            yield step
        # The left context is not new audio; what lies behind it is, however much of it pop() could not use yet.
        remaining = self._length - self._context
        while self.next_start is not None and (remaining >= self._step // 2 or (remaining > 0 and not self._emitted)):
            buffer = self._buffer()
            missing = max(0, self._step + 2 * self._context - len(buffer))
            yield self._emit(np.concatenate([buffer, np.zeros(missing, np.int16)]), min(remaining, self._step))
            remaining -= self._step
        self.reset()

    def reset(self) -> None:
        """Forget the buffered audio; the next push may start anywhere."""
        self._parts, self._length, self.next_start, self._emitted = [], 0, None, 0

    def save(self) -> tuple[Pcm16, int | None, int]:
        """Buffered samples (context included), position of the next step, steps emitted since `reset`."""
        return self._buffer(), self.next_start, self._emitted

    def restore(self, buffer: Pcm16, next_start: int | None, emitted: int) -> None:
        """Inverse of `save`."""
        self._parts, self._length = [buffer], len(buffer)
        self.next_start, self._emitted = next_start, emitted

    def _buffer(self) -> Pcm16:
        if len(self._parts) > 1:
            self._parts = [np.concatenate(self._parts)]
        return self._parts[0] if self._parts else _EMPTY

    def _emit(self, buffer: Pcm16, real_samples: int) -> Step:
        assert self.next_start is not None
        pcm = buffer[: self._step + 2 * self._context].astype(np.float32) / np.float32(32768.0)
        step = Step(self.next_start, pcm, real_samples)
        rest = buffer[self._step :]
        self._parts, self._length = [rest], len(rest)
        self.next_start += self._step
        self._emitted += 1
        return step


def cut(blocks: Iterable[Pcm16], step_samples: int, context_samples: int, *, rest: bool = True) -> Iterator[Step]:
    """The steps of a recording that comes in blocks, each as soon as it is complete.

    Parameters
    ----------
    blocks : iterable of int16 arrays
        Mono audio from its beginning, in any chunking.
    step_samples, context_samples : int
        As in the model's contract.
    rest : bool
        Whether what remains at the end becomes steps, padded with silence (see `Windower.flush`); a live line, which
        does not know that this is the end, would still wait.
    """
    windower, position = Windower(step_samples, context_samples), 0
    for block in blocks:
        windower.push(block, position)
        position += len(block)
        while (step := windower.pop()) is not None:
            yield step
    if rest:
        yield from windower.flush()
