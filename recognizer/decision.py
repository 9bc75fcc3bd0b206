"""Evidence of one feed, step by step, into changes of its detections.

Keeps the newest part of the pitch sequence (`PitchHistory`) and the accumulated shortlist; every few steps asks for
the second opinion on all of it and on its last seconds, weighs what they say, and lets the tracker decide.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from recognizer.catalogue import CatalogueView
from recognizer.contract import ModelContract
from recognizer.events import Event, FeedClock
from recognizer.fusion import Evidence, gather, promise, weighed
from recognizer.history import PitchHistory
from recognizer.matcher import Candidate
from recognizer.profiles import Profile
from recognizer.second_opinion import second_opinion
from recognizer.shortlist import Shortlist
from recognizer.standing import standings
from recognizer.step import Floats, StepOutput
from recognizer.tracker import Change, Tracker
from recognizer.windower import Step


class Decision:
    """What one feed's evidence amounts to.

    Parameters
    ----------
    clock : FeedClock
    contract : ModelContract
    profile : Profile

    Attributes
    ----------
    evidence : list of Evidence
        Of the newest decision; empty when nothing was to be decided.
    """

    def __init__(self, clock: FeedClock, contract: ModelContract, profile: Profile) -> None:
        self._clock = clock
        self._contract = contract
        self._profile = profile
        self.history = PitchHistory(contract, profile.history_s)
        self._shortlist = Shortlist(profile.matcher)
        kind = "calibrated" if contract.calibration else "uncalibrated"
        self._tracker = Tracker(f"{clock.feed}@{clock.started_at_ms}", clock.rate_hz, kind, profile.tracker)
        self._steps = 0
        self._music_steps = 0  # steps of music still in the history
        self.index_version = 0
        self._model_id = ""
        self.evidence: list[Evidence] = []

    @property
    def gathering(self) -> bool:
        """Whether a work is close to being named."""
        return self._tracker.gathering

    @property
    def recognized(self) -> bool:
        """Whether a detection is open."""
        return bool(self._tracker.open_works)

    def step(self, step: Step, music: bool, output: StepOutput, view: CatalogueView) -> list[Event]:
        """Take in one embedded step; returns the events it led to."""
        self.index_version, self._model_id = view.generation, view.model_id
        now = step.start_sample + self._contract.step_samples
        self.history.push(output.pitch if music else np.zeros_like(output.pitch), now)
        if music:
            self._shortlist.update(view, output.embedding, output.recent)
            self._music_steps += 1
        else:
            self._shortlist.pause()
            self._music_steps = max(0, self._music_steps - 1)
        self._steps += 1
        self.evidence = []
        settled = music and self.recognized
        every = self._profile.settled_every_steps if settled else self._profile.decide_every_steps
        if self._steps % every and not self.gathering:
            return []
        enough = self._music_steps * self._contract.step_s >= self._profile.least_music_s
        if music and enough:
            self.evidence = self._look(view)
        candidates = [weighed(evidence, self._contract.calibration) for evidence in self.evidence]
        return self._events(self._tracker.update(now, candidates, music), now)

    def _look(self, view: CatalogueView) -> list[Evidence]:
        """Ask for the second opinion on the whole history and on its last seconds."""
        settings, open_works = self._profile.matcher, self._tracker.open_works
        standing = standings(view, self._shortlist, self._shortlist.listed(view, open_works))
        promises = {n: promise(stands, view.works, self._contract.calibration) for n, stands in standing.items()}
        best = sorted((n for n in promises if promises[n] >= settings.promise), key=lambda n: -promises[n])
        numbers = list(
            dict.fromkeys([*best[: settings.look], *(n for w in open_works for n in view.tracks_of_work(w))])
        )
        nearest = list(dict.fromkeys(view.tracks[n].work_id for n in best))[: settings.nearest]
        works = list(dict.fromkeys([*open_works, *nearest]))
        short = self._ask(self.history.newest(self._profile.recent_s), numbers, works, view)
        long = self._ask(self.history, numbers, works, view)
        self._shortlist.note([*long, *short])
        stands = {view.tracks[number].reference_id: found for number, found in standing.items()}
        return gather(long, short, view.works, stands)

    def _ask(
        self, history: PitchHistory, numbers: Sequence[int], works: Sequence[str], view: CatalogueView
    ) -> list[Candidate]:
        """The second opinion of one history on some tracks, those of ``works`` in any case."""
        return second_opinion(view, history, numbers, works, self._profile.matcher)

    def gap(self, start_sample: int, end_sample: int) -> list[Event]:
        """A stretch without audio: short ones are bridged, long ones end what was open."""
        if (end_sample - start_sample) / self._clock.rate_hz <= self._profile.bridge_gap_s:
            self.history.skip_to(end_sample)
            return []
        return self.end(start_sample, "gap")

    def end(self, at_sample: int, reason: str) -> list[Event]:
        """Close everything and forget the evidence."""
        self.history.forget()
        self._shortlist.forget()
        self._music_steps = 0
        return self._events(self._tracker.close_all(at_sample, reason), at_sample)

    def _events(self, changes: list[Change], now: int) -> list[Event]:
        return [
            detection.event(kind, self._clock, now, self.index_version, self._model_id) for kind, detection in changes
        ]

    def save(self) -> dict[str, Any]:
        """The state as a JSON object; the history's frames are saved beside it."""
        return {
            "tracker": self._tracker.save(),
            "shortlist": self._shortlist.save(),
            "history_end": self.history.end_sample,
            "steps": self._steps,
            "music_steps": self._music_steps,
            "index_version": self.index_version,
            "model_id": self._model_id,
        }

    def restore(self, state: dict[str, Any], frames: Floats) -> None:
        """Inverse of `save`."""
        self._tracker.restore(state["tracker"])
        self._shortlist.restore(state["shortlist"])
        self.history.frames, self.history.end_sample = frames, state["history_end"]
        self._steps, self._music_steps = state["steps"], state["music_steps"]
        self.index_version, self._model_id = state["index_version"], state["model_id"]
