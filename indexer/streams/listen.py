"""One programme through the live line, exactly as ``recognizer identify`` runs it, with what its network heard."""

from __future__ import annotations

import datetime as dt
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from recognizer.catalogue import CatalogueView
from recognizer.contract import ModelContract
from recognizer.decode import decode
from recognizer.embedder import Embedder
from recognizer.evaluation.streams import Heard
from recognizer.events import CLOSED, OPENED, RETRACTED, Event, FeedClock
from recognizer.pipeline import FeedLine
from recognizer.profiles import Profile
from recognizer.replay import events_of, file_items
from recognizer.step import Floats, StepInput, StepOutput
from recognizer.timeline import Pcm16

_TOLD_EVERY_S = 5.0


@dataclass(frozen=True, slots=True)
class Window:
    """The nearest stored window of one embedded window: from ``start_s`` to ``end_s``, cosine ``similarity``."""

    start_s: float
    end_s: float
    work_id: str
    similarity: float


@dataclass(frozen=True, slots=True)
class Listened:
    """What one profile made of one programme.

    Attributes
    ----------
    detections : list of Heard
    windows : list of Window
        One for each step that the gate called music, in order; the same for every profile.
    duration_s : float
        Length of the audio.
    elapsed_s, embedding_s, decision_s : float
        Processing time: all of it, in the network, and in the decision (search, alignment, tracking).
    """

    profile: str
    detections: list[Heard]
    windows: list[Window]
    duration_s: float
    elapsed_s: float
    embedding_s: float
    decision_s: float


class _Remembering:
    """An embedder that answers a programme's steps from memory when they are asked for again."""

    def __init__(self, embedder: Embedder) -> None:
        self._embedder = embedder
        self.contract, self.model_id = embedder.contract, embedder.model_id
        self._answers: dict[int, StepOutput] = {}
        self.spent_s = 0.0

    def run(self, steps: Sequence[StepInput]) -> list[StepOutput]:
        fresh = [step for step in steps if step.start_sample not in self._answers]
        if fresh:
            began = time.perf_counter()
            for step, output in zip(fresh, self._embedder.run(fresh), strict=True):
                self._answers[step.start_sample] = output
            self.spent_s += time.perf_counter() - began
        return [self._answers[step.start_sample] for step in steps]


class _TimedLine(FeedLine):
    """A line that knows how long its decisions took."""

    decision_s = 0.0

    def accept(self, output: StepOutput, view: CatalogueView) -> None:
        began = time.perf_counter()
        super().accept(output, view)
        self.decision_s += time.perf_counter() - began


def listen(
    name: str,
    path: Path,
    embedder: Embedder,
    view: CatalogueView,
    profiles: Sequence[Profile],
    on_progress: Callable[[float], None] = lambda seconds: None,
) -> list[Listened]:
    """Play a recording to a line of each profile; the network hears it once.

    Parameters
    ----------
    on_progress
        Told now and then how many seconds have been heard, for each profile from the beginning.

    Raises
    ------
    DecodeError
        When the recording cannot be read.
    """
    remembering = _Remembering(embedder)
    results: list[Listened] = []
    for profile in profiles:
        result = _once(name, path, remembering, view, profile, on_progress)
        if results:  # as if the network had been asked again
            network_s = results[0].embedding_s
            result = replace(result, elapsed_s=result.elapsed_s + network_s, embedding_s=network_s)
        results.append(result)
    return results


def _once(
    name: str,
    path: Path,
    embedder: _Remembering,
    view: CatalogueView,
    profile: Profile,
    on_progress: Callable[[float], None],
) -> Listened:
    contract = embedder.contract
    line = _TimedLine(FeedClock(name, contract.sample_rate_hz, 0), contract, profile=profile)
    ends_s: list[float] = []
    embeddings: list[Floats] = []

    def on_step(step: StepInput, output: StepOutput) -> None:
        if line.status()["gate"] == "music":
            ends_s.append((step.start_sample + contract.step_samples) / contract.sample_rate_hz)
            embeddings.append(output.embedding)

    spent_before_s, began = embedder.spent_s, time.perf_counter()
    blocks = _told(decode(path, contract.sample_rate_hz), contract.sample_rate_hz, on_progress)
    events = list(events_of(line, file_items(blocks), embedder, view, on_step))
    elapsed_s = time.perf_counter() - began
    return Listened(
        profile.name,
        detections_of(name, events, contract.context_samples / contract.sample_rate_hz),
        nearest(view, ends_s, embeddings, contract),
        line.status()["position_ms"] / 1000,
        elapsed_s,
        embedder.spent_s - spent_before_s,
        line.decision_s,
    )


def _told(blocks: Iterable[Pcm16], rate_hz: int, on_progress: Callable[[float], None]) -> Iterator[Pcm16]:
    heard, said = 0, 0.0
    for block in blocks:
        yield block
        heard += len(block)
        if heard / rate_hz - said >= _TOLD_EVERY_S:
            said = heard / rate_hz
            on_progress(said)
    on_progress(heard / rate_hz)


def detections_of(programme: str, events: Iterable[Event], lookahead_s: float) -> list[Heard]:
    """Detections from the events of a feed whose timeline began at 1970-01-01.

    Parameters
    ----------
    lookahead_s
        Audio after a step that must be there before the step can be embedded; it delays an opening.
    """
    opened: dict[str, float] = {}
    found: list[Heard] = []
    for event in events:
        data = event["data"]
        if event["type"] == OPENED:
            opened[data["detection_id"]] = dt.datetime.fromisoformat(event["time"]).timestamp() + lookahead_s
        elif event["type"] in (CLOSED, RETRACTED):
            start_s = data["start_ms"] / 1000
            end_s = start_s if data["end_ms"] is None else max(start_s, data["end_ms"] / 1000)
            at_s = opened[data["detection_id"]]
            retracted = event["type"] == RETRACTED
            found.append(Heard(programme, data["work_id"], start_s, end_s, at_s, data["confidence"], retracted))
    return sorted(found, key=lambda detection: (detection.start_s, detection.work_id))


def nearest(
    view: CatalogueView, ends_s: Sequence[float], embeddings: Sequence[Floats], contract: ModelContract
) -> list[Window]:
    """The nearest stored window of each embedded window."""
    if not embeddings or not len(view.vectors):
        return []
    length_s = contract.window_steps * contract.step_samples / contract.sample_rate_hz
    scores, rows = view.index.search(np.stack(embeddings), 1)
    return [
        Window(max(0.0, end_s - length_s), end_s, view.tracks[int(view.vector_track[row])].work_id, float(score))
        for end_s, score, row in zip(ends_s, scores[:, 0], rows[:, 0], strict=True)
    ]
