"""The newest pitch frames of a feed, on its timeline."""

from __future__ import annotations

import numpy as np

from recognizer.contract import ModelContract
from recognizer.step import Floats


class PitchHistory:
    """The newest pitch frames of a feed, on its timeline.

    Attributes
    ----------
    frames : float32 array, shape (up to ``capacity``, bins)
        Zero where there was no music; a zero frame matches nothing.
    end_sample : int
        Position just after the last frame.
    """

    def __init__(self, contract: ModelContract, seconds: float) -> None:
        self._contract = contract
        self._fps = contract.pitch_fps
        self._rate_hz = contract.sample_rate_hz
        self.capacity = round(seconds * contract.pitch_fps)
        self.frames: Floats = np.zeros((0, contract.pitch_bins), dtype=np.float32)
        self.end_sample = 0

    def push(self, pitch: Floats, end_sample: int) -> None:
        """Append the frames that end at ``end_sample``."""
        self.frames = np.concatenate([self.frames, pitch])[-self.capacity :]
        self.end_sample = end_sample

    def skip_to(self, end_sample: int) -> None:
        """Stand for a stretch without audio by empty frames."""
        missing = round((end_sample - self.end_sample) / self._rate_hz * self._fps)
        empty = np.zeros((min(max(missing, 0), self.capacity), self.frames.shape[1]), dtype=np.float32)
        self.push(empty, end_sample)

    def forget(self) -> None:
        """Start again from nothing."""
        self.frames = self.frames[:0]

    def position(self, frame: int) -> int:
        """Timeline position at which a frame begins."""
        return self.end_sample - round((len(self.frames) - frame) / self._fps * self._rate_hz)

    def newest(self, seconds: float) -> PitchHistory:
        """The same timeline with its last ``seconds`` only."""
        short = PitchHistory(self._contract, seconds)
        short.push(self.frames, self.end_sample)
        return short
