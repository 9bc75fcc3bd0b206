"""The straight line of one feed, pure: source items in, steps out to the embedder, events out to whoever listens.

Read top to bottom::

    push(item) ─▶ Windower ─▶ MusicGate ─▶ next_step() ─▶ [embedder, batched by the caller] ─▶ accept(output, view)
                                                                                                   │
                events ◀─ Tracker ◀─ second opinion (align) ◀─ PitchHistory, Shortlist (index) ◀───┘

The line owns no clock, socket or thread. It can be saved whenever it has no step outstanding and continued elsewhere
with the same result; any chunking of the same audio gives the same events.
"""

from __future__ import annotations

from collections import deque
from typing import Any

import numpy as np

from recognizer.catalogue import CatalogueView
from recognizer.contract import ModelContract
from recognizer.decision import Decision
from recognizer.events import Event, FeedClock, gap_event, state_event
from recognizer.gate import GateDecision, MusicGate
from recognizer.line_state import pack, unpack
from recognizer.profiles import Profile, default_profile
from recognizer.reference import PastFeatures
from recognizer.step import StepInput, StepOutput
from recognizer.timeline import AudioChunk, SourceEnd, SourceGap, SourceItem, SourceState, StreamState
from recognizer.windower import Step, Windower

_Work = Step | SourceGap | SourceState | SourceEnd
# What the gate hears, as a state of the feed.
_GATE_STATES = {
    "music": StreamState.RUNNING,
    "speech_or_noise": StreamState.NO_MUSIC,
    "silence": StreamState.SILENT,
}
# Said just before the end of a source that will not be tried again.
_FAILURES = (StreamState.INVALID_SOURCE, StreamState.AUTH_FAILED, StreamState.FAILED)


class FeedLine:
    """The line of one feed.

    Parameters
    ----------
    clock : FeedClock
        Turns positions into time and names the feed.
    contract : ModelContract
        Of the embedder that will answer `next_step`.
    blob : bytes, optional
        A state from `save`; the line continues where it stopped.
    profile : Profile, optional
        Thresholds of the decision (``monitoring`` or ``kiosk``).

    Raises
    ------
    ValueError
        When ``blob`` is not a state of a line with this contract.
    """

    def __init__(
        self,
        clock: FeedClock,
        contract: ModelContract,
        blob: bytes | None = None,
        profile: Profile | None = None,
    ) -> None:
        self._clock = clock
        self._contract = contract
        self._windower = Windower(contract.step_samples, contract.context_samples)
        self._past = PastFeatures(contract)
        self._gate = MusicGate()
        self._decision = Decision(clock, contract, profile or default_profile())
        self._work: deque[_Work] = deque()
        self._outstanding: tuple[Step, GateDecision] | None = None
        self._events: list[Event] = []
        self._state = StreamState.CONNECTING
        self._detail: str | None = None
        self._gate_kind = "starting"
        self._level_dbfs = -120.0
        self._position = 0  # just after the newest audio or gap taken in
        self._decided = 0  # just after the newest step decided on
        self.ended = False
        if blob is not None:
            try:
                self._restore(blob)
            except (KeyError, TypeError) as error:
                raise ValueError(f"the saved state is of another version of this program ({error!r})") from error

    def push(self, item: SourceItem) -> None:
        """Take in what the source delivered next."""
        if isinstance(item, AudioChunk):
            self._push_audio(item)
            return
        if isinstance(item, SourceGap):
            if item.end_sample <= self._position:
                return  # already accounted for
            item = SourceGap(max(item.start_sample, self._position), item.end_sample, item.reason)
            self._position = item.end_sample
        if isinstance(item, SourceGap | SourceEnd):
            self._work.extend(self._windower.flush())
        self._work.append(item)

    def _push_audio(self, chunk: AudioChunk) -> None:
        self.ended = False
        if chunk.start_sample > self._position:
            self.push(SourceGap(self._position, chunk.start_sample, "missing_audio"))
        # A burst on reconnect may repeat what was heard; time never runs backwards.
        pcm = chunk.pcm[max(0, self._position - chunk.start_sample) :]
        if len(pcm) == 0:
            return
        self._windower.push(pcm, self._position)
        self._position += len(pcm)
        while (step := self._windower.pop()) is not None:
            self._work.append(step)

    def next_step(self) -> StepInput | None:
        """The next step to embed; `accept` must be called before the next one. ``None``: push more."""
        if self._outstanding is not None:
            raise RuntimeError("next_step() called twice; accept() the outstanding step first")
        while self._work:
            work = self._work.popleft()
            if isinstance(work, Step):
                gated = self._gate.step(work.pcm)
                self._outstanding = (work, gated)
                return StepInput(work.start_sample, work.pcm, self._past.frames)
            self._mark(work)
        return None

    def accept(self, output: StepOutput, view: CatalogueView) -> None:
        """Take in what the network said about the outstanding step, and decide."""
        if self._outstanding is None:
            raise RuntimeError("accept() called without a step outstanding")
        step, gated = self._outstanding
        self._outstanding = None
        self._past.push(output.features)
        self._level_dbfs, self._gate_kind = gated.level_dbfs, gated.kind
        self._decided = step.start_sample + self._contract.step_samples
        self._enter(_GATE_STATES[gated.kind], self._decided, None)
        self._events += self._decision.step(step, gated.kind == "music", output, view)

    def _mark(self, work: SourceGap | SourceState | SourceEnd) -> None:
        """Handle what is not audio, in its place on the timeline."""
        if isinstance(work, SourceGap):
            self._events.append(gap_event(self._clock, work.start_sample, work.end_sample, work.reason))
            self._past.reset()
            self._events += self._decision.gap(work.start_sample, work.end_sample)
            self._decided = work.end_sample
        elif isinstance(work, SourceState):
            # "running" means that audio flows; what it holds is for the gate to say.
            if work.state != StreamState.RUNNING or self._gate_kind == "starting":
                self._enter(work.state, max(work.at_sample, self._decided), work.detail)
        else:
            self.ended = True
            self._events += self._decision.end(self._decided, "source_ended")
            if self._state not in _FAILURES:  # why there is no more of it matters more than that it is over
                self._enter(StreamState.PAUSED, self._position, work.reason)

    def _enter(self, state: StreamState, at_sample: int, detail: str | None) -> None:
        if state == self._state:
            return
        self._events.append(state_event(self._clock, at_sample, state.value, self._state.value, detail))
        self._state, self._detail = state, detail

    def take_events(self) -> list[Event]:
        """Events since the last call, oldest first; ``seq`` is still to be filled in."""
        events, self._events = self._events, []
        return events

    def status(self) -> dict[str, Any]:
        """The newest picture of the feed, JSON-able."""
        return {
            "feed": self._clock.feed,
            "state": self._state.value,
            "detail": self._detail,
            "gate": self._gate_kind,
            "level_dbfs": round(self._level_dbfs, 1),
            "position_ms": self._clock.ms(self._position),
            "started_at": self._clock.utc(0),
            "maybe": self._decision.gathering,
            "hearing": "work" if self._decision.recognized else "unknown" if self._gate_kind == "music" else "nothing",
            "index_version": self._decision.index_version,
        }

    def save(self) -> bytes:
        """The whole state as bytes (JSON and plain arrays, no pickle).

        Raises
        ------
        RuntimeError
            While a step is outstanding or events have not been taken: they would be lost.
        """
        if self._outstanding is not None or self._work or self._events:
            raise RuntimeError("save() needs an idle line: accept every step and take the events first")
        tail, next_start, emitted = self._windower.save()
        header = {
            "model": self._contract.name,
            "next_start": next_start,
            "emitted": emitted,
            "state": self._state.value,
            "detail": self._detail,
            "gate_kind": self._gate_kind,
            "level_dbfs": self._level_dbfs,
            "position": self._position,
            "decided": self._decided,
            "ended": self.ended,
            "gate": self._gate.state(),
            "decision": self._decision.save(),
        }
        return pack(header, {"tail": tail, "past": self._past.frames, "pitch": self._decision.history.frames})

    def _restore(self, blob: bytes) -> None:
        header, arrays = unpack(blob)
        past, tail = arrays["past"].astype(np.float32), arrays["tail"].astype(np.int16)
        if header.get("model") != self._contract.name or past.shape != self._past.frames.shape:
            raise ValueError(f"the saved state belongs to model {header.get('model')!r}, not {self._contract.name!r}")
        self._windower.restore(tail, header["next_start"], header["emitted"])
        self._past.frames = past
        self._state, self._detail = StreamState(header["state"]), header["detail"]
        self._gate_kind, self._level_dbfs = header["gate_kind"], header["level_dbfs"]
        self._position, self._decided, self.ended = header["position"], header["decided"], header["ended"]
        self._gate.restore(header["gate"])
        self._decision.restore(header["decision"], arrays["pitch"].astype(np.float32))
