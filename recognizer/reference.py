"""A whole recording through the line: the same windower and embedder that serve live audio.

Used for references at the index hop and for query files at the live hop, so that a file indexed and the same file
broadcast give equal vectors.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from typing import NamedTuple, Protocol

import numpy as np

from recognizer.contract import ModelContract
from recognizer.errors import DecodeError
from recognizer.step import Floats, StepInput, StepOutput
from recognizer.timeline import Pcm16
from recognizer.windower import Step, cut


class StepEmbedder(Protocol):
    """What the line needs of an embedder (`recognizer.embedder.Embedder` is the real one)."""

    contract: ModelContract
    model_id: str

    def run(self, steps: list[StepInput]) -> list[StepOutput]:
        """Embed independent steps in one call."""
        ...


@dataclass(frozen=True, slots=True)
class Analysis:
    """What is kept of a recording.

    Attributes
    ----------
    embeddings : float32 array, shape (windows, dimension)
    starts_s : float32 array, shape (windows,)
        Start of each window in the recording; negative when the recording is shorter than a window, whose silence
        is put in front.
    pitch : float32 array, shape (frames, pitch_bins)
        At ``contract.pitch_fps``.
    duration_s : float
    pieces : float32 array, shape (pieces, dimension)
        Of pieces as long as the model's ``recent_steps``, one for each step from the first that is whole; none where
        the model has no such output.
    """

    embeddings: Floats
    starts_s: Floats
    pitch: Floats
    duration_s: float
    pieces: Floats = field(default_factory=lambda: np.zeros((0, 0), dtype=np.float32))


class PastFeatures:
    """The rolling ``past`` input of one timeline: zeros, then the features of the newest steps."""

    def __init__(self, contract: ModelContract) -> None:
        self._shape = (contract.past_frames, contract.feature_dim)
        self.frames: Floats = np.zeros(self._shape, dtype=np.float32)

    def push(self, features: Floats) -> None:
        """Append the features of a step, dropping the oldest."""
        self.frames = np.concatenate([self.frames, features])[len(features) :]

    def reset(self) -> None:
        """Start again from nothing."""
        self.frames = np.zeros(self._shape, dtype=np.float32)


class EmbeddedStep(NamedTuple):
    """A step with what the network was given of it and what it made of that."""

    step: Step
    given: StepInput
    output: StepOutput


def embedded_steps(blocks: Iterable[Pcm16], embedder: StepEmbedder, *, rest: bool = True) -> Iterator[EmbeddedStep]:
    """Embed a recording step by step; see `recognizer.windower.cut`."""
    contract = embedder.contract
    past = PastFeatures(contract)
    for step in cut(blocks, contract.step_samples, contract.context_samples, rest=rest):
        given = StepInput(step.start_sample, step.pcm, past.frames)
        output = embedder.run([given])[0]
        past.push(output.features)
        yield EmbeddedStep(step, given, output)


class _Kept:
    """Gathers the `Analysis` of one recording from its steps.

    Parameters
    ----------
    contract : ModelContract
    hop_steps : int or None
        Steps between kept windows; ``None`` for the contract's index hop.
    """

    def __init__(self, contract: ModelContract, hop_steps: int | None) -> None:
        self._contract = contract
        self._hop = hop_steps or contract.index_hop_steps
        self._steps = 0
        self._last: StepOutput | None = None
        self._kept: list[Floats] = []
        self._pieces: list[Floats] = []
        self._starts_s: list[float] = []
        self._pitch: list[Floats] = []

    def add(self, output: StepOutput) -> None:
        """Take in the next step."""
        self._pitch.append(output.pitch)
        self._last = output
        missing = self._contract.window_steps - 1 - self._steps
        if missing <= 0 and -missing % self._hop == 0:
            self._keep(output.embedding)
        if output.recent is not None and self._steps + 1 >= self._contract.recent_steps:
            self._pieces.append(output.recent)
        self._steps += 1

    def _keep(self, embedding: Floats) -> None:
        first_step = self._steps + 1 - self._contract.window_steps
        self._kept.append(embedding)
        self._starts_s.append(first_step * self._contract.step_s)

    def finish(self, samples: int) -> Analysis:
        """The analysis of everything added; ``samples`` is the recording's true length."""
        if self._last is None:
            raise DecodeError("the recording holds no audio; expected at least a fraction of a second")
        if not self._kept:  # shorter than a window
            self._steps -= 1
            self._keep(self._last.embedding)
        if not self._pieces and self._last.recent is not None:
            self._pieces.append(self._last.recent)
        return Analysis(
            embeddings=np.stack(self._kept),
            starts_s=np.array(self._starts_s, dtype=np.float32),
            pitch=np.concatenate(self._pitch),
            duration_s=samples / self._contract.sample_rate_hz,
            pieces=np.stack(self._pieces) if self._pieces else np.zeros((0, self._contract.dimension), np.float32),
        )


def analyse(
    blocks: Iterable[Pcm16],
    embedder: StepEmbedder,
    *,
    hop_steps: int | None = None,
    on_progress: Callable[[float], None] | None = None,
) -> Analysis:
    """Analyse a whole recording.

    Parameters
    ----------
    blocks : iterable of int16 arrays
        Mono audio at the model's rate, in any chunking.
    embedder : StepEmbedder
    hop_steps : int, optional
        Steps between kept windows; the contract's index hop when omitted, 1 for a query.
    on_progress : callable, optional
        Called with the seconds of audio read so far.

    Raises
    ------
    DecodeError
        When there is no audio, or ``blocks`` raises it.
    """
    kept = _Kept(embedder.contract, hop_steps)
    samples = 0

    def counted() -> Iterator[Pcm16]:
        nonlocal samples
        for block in blocks:
            samples += len(block)
            yield block
            if on_progress is not None:
                on_progress(samples / embedder.contract.sample_rate_hz)

    for step in embedded_steps(counted(), embedder):
        kept.add(step.output)
    return kept.finish(samples)
