"""From evidence to detections: opens, updates, closes and retracts, and prefers to say nothing.

The tracker sees, at each decision, the works that may be sounding and how sure the matcher is of each. A hidden-state
decoder (`recognizer.belief`) adds that up over time, beside *nothing* and *unknown music*. A detection is opened when
one work is believed, kept while it is still being heard, closed with a reason, and retracted when a better
explanation of the same seconds takes over soon after opening. Positions are samples; the state is a JSON object.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import asdict, dataclass
from typing import Any

from recognizer.belief import Belief, BeliefSettings
from recognizer.events import CLOSED, OPENED, RETRACTED, UPDATED, Detection, stable_id
from recognizer.matcher import Candidate, best_per_work

Change = tuple[str, Detection]
_LONGEST_S = 30.0  # a longer pause between two decisions says no more than this
_WORTH_A_WORD = 0.01  # confidence from which another work is listed as an alternative
_REMEMBERED = 16  # works that ended last: more than fit into any history
_PATIENCE = 2.0  # a work that is still believed may be unheard for so many times longer


@dataclass(frozen=True, slots=True)
class TrackerSettings:
    """Thresholds of the decision, in probability and seconds.

    Attributes
    ----------
    open_belief : float
        A work opens when it is believed this much.
    open_confidence, keep_confidence : float
        The evidence of the opening decision itself must reach the first; a work is heard while it reaches the second.
    maybe_belief : float
        From here on a work counts as being gathered evidence for.
    recent_s : float
        A work counts as heard now when its path ends no longer ago than this.
    close_after_s, quiet_after_s : float
        Unheard for so long, a detection closes: while music plays (it may be a part that the reference lacks), and
        while none does.
    retract_within_s : float
        A detection overtaken within this time of its opening was a mistake.
    update_every_s : float
        Least time between two ``updated`` revisions.
    belief : BeliefSettings
        Of the decoder.
    """

    open_belief: float = 0.7
    open_confidence: float = 0.8
    keep_confidence: float = 0.05
    maybe_belief: float = 0.2
    recent_s: float = 7.0
    close_after_s: float = 40.0  # as long as the history: what is heard again by then was never gone
    quiet_after_s: float = 15.0
    retract_within_s: float = 20.0
    update_every_s: float = 6.0
    belief: BeliefSettings = BeliefSettings()


@dataclass(slots=True)
class _Open:
    detection: Detection
    opened_at: int
    last_heard: int
    last_event: int


class Tracker:
    """The detections of one feed.

    Parameters
    ----------
    feed : str
        Goes into the ids of detections.
    rate_hz : int
        Samples per second of the timeline.
    confidence_kind : str
        ``calibrated`` or ``uncalibrated``; stored with each detection.
    settings : TrackerSettings, optional
    """

    def __init__(self, feed: str, rate_hz: int, confidence_kind: str, settings: TrackerSettings | None = None) -> None:
        self._feed = feed
        self._rate_hz = rate_hz
        self._kind = confidence_kind
        self._settings = settings or TrackerSettings()
        self._open: dict[str, _Open] = {}  # by work
        self._belief = Belief(self._settings.belief)
        self._decided = 0
        self._ended: dict[str, int] = {}  # when works that may sound again ended, so that no work overlaps itself
        self._suspected: dict[str, tuple[int, int]] = {}  # works not open: the stretch that speaks for them so far

    @property
    def gathering(self) -> bool:
        """Whether some work is nearly believed but not yet named."""
        return any(
            believed >= self._settings.maybe_belief and work not in self._open
            for work, believed in self._belief.works.items()
        )

    @property
    def open_works(self) -> list[str]:
        """Works with an open detection."""
        return list(self._open)

    def update(self, now: int, candidates: Iterable[Candidate], music: bool = True) -> list[Change]:
        """One decision.

        Parameters
        ----------
        now : int
            Position of the newest audio decided on.
        candidates : iterable of Candidate
            Any order; several references of one work may appear.
        music : bool
            Whether the newest audio is music; without music there are no candidates.

        Returns
        -------
        list of (event type, Detection)
        """
        heard_since = now - self._samples(self._settings.recent_s)
        best = best_per_work((c for c in candidates if c.heard_to >= heard_since), lambda c: c.confidence)
        seconds = max(0, now - self._decided) / self._rate_hz
        self._decided = now
        self._belief.update(min(seconds, _LONGEST_S), music, {work: c.confidence for work, c in best.items()})
        self._suspect(now, best)
        changes: list[Change] = []
        for work in list(self._open):
            changes += self._refresh(now, work, best.get(work), music)
        changes += self._consider(now, best)
        return changes

    def close_all(self, now: int, reason: str) -> list[Change]:
        """Close everything: the source ended or a long gap began."""
        self._belief, self._decided, self._suspected = Belief(self._settings.belief), now, {}
        return [self._close(work, min(now, held.last_heard), reason) for work, held in list(self._open.items())]

    def _suspect(self, now: int, best: dict[str, Candidate]) -> None:
        """Join the stretches that speak for each work, though not enough to name it: it began with the first of them.

        The alignment of one decision often reaches back less far than those of the decisions before it.
        """
        kept_since = now - self._samples(self._settings.close_after_s)
        held = {work: stretch for work, stretch in self._suspected.items() if stretch[1] >= kept_since}
        for work, candidate in best.items():
            if candidate.confidence >= self._settings.keep_confidence:
                start, end = held.get(work, (candidate.heard_from, candidate.heard_to))
                start = min(start, candidate.heard_from) if candidate.heard_from <= end else candidate.heard_from
                held[work] = start, max(end, candidate.heard_to)
        self._suspected = {work: stretch for work, stretch in held.items() if work not in self._open}

    def _refresh(self, now: int, work: str, candidate: Candidate | None, music: bool) -> list[Change]:
        held, settings = self._open[work], self._settings
        if candidate is None or candidate.confidence < settings.keep_confidence:
            unheard = now - held.last_heard
            believed = self._belief.works.get(work, 0.0) >= settings.keep_confidence
            wait_s = settings.close_after_s if music else settings.quiet_after_s
            if unheard > self._samples(wait_s * (_PATIENCE if believed else 1)):
                return [self._close(work, held.last_heard, "no_longer_heard")]
            return []
        held.last_heard = max(held.last_heard, candidate.heard_to)
        old = held.detection
        better = candidate.confidence >= old.confidence
        due = now - held.last_event >= self._samples(settings.update_every_s)
        if not due:
            return []
        held.last_event = now
        held.detection = old.revised(
            start_sample=min(old.start_sample, self._begin(candidate)) if better else old.start_sample,
            # The mean of what each decision said: the highest would promise too much.
            confidence=old.confidence + (candidate.confidence - old.confidence) / (old.evidence_windows + 1),
            evidence_windows=old.evidence_windows + 1,
            **(_measured(candidate) if better else {}),
        )
        return [(UPDATED, held.detection)]

    def _consider(self, now: int, best: dict[str, Candidate]) -> list[Change]:
        """Open the work that is believed most, when that is enough."""
        settings = self._settings
        ranked = sorted(best.values(), key=lambda c: (-self._believed(c), -c.confidence, c.work_id))
        leader = ranked[0] if ranked else None
        if leader is None or leader.work_id in self._open or leader.confidence < settings.open_confidence:
            return []
        if self._believed(leader) < settings.open_belief:
            return []
        if leader.heard_to <= self._begin(leader):
            return []  # what was told already, and nothing since
        return [*self._overtake(now, leader), self._opened(now, leader, ranked[1:4])]

    def _believed(self, candidate: Candidate) -> float:
        return self._belief.works.get(candidate.work_id, 0.0)

    def _overtake(self, now: int, leader: Candidate) -> list[Change]:
        """End what the new work replaces: retracted when it explained the same seconds and was new itself."""
        changes = []
        for work, held in list(self._open.items()):
            young = now - held.opened_at <= self._samples(self._settings.retract_within_s)
            if young and leader.heard_from <= held.detection.start_sample + self._samples(4.0):
                del self._open[work]
                gone = held.detection.revised(state="retracted", end_sample=held.last_heard, close_reason="overtaken")
                changes.append((RETRACTED, gone))
            else:
                changes.append(self._close(work, min(held.last_heard, leader.heard_from), "next_work"))
        return changes

    def _opened(self, now: int, leader: Candidate, others: list[Candidate]) -> Change:
        detection = Detection(
            detection_id=stable_id(self._feed, leader.work_id, now),
            revision=1,
            state="open",
            start_sample=self._begin(leader),
            end_sample=None,
            work_id=leader.work_id,
            title=leader.title,
            artist=leader.artist,
            isrc=leader.isrc,
            iswc=leader.iswc,
            confidence=leader.confidence,
            confidence_kind=self._kind,
            evidence_windows=1,
            alternatives=tuple(
                {"work_id": c.work_id, "title": c.title, "confidence": round(c.confidence, 4)}
                for c in others
                if c.confidence >= _WORTH_A_WORD
            ),
            **_measured(leader),
        )
        self._open[leader.work_id] = _Open(detection, now, leader.heard_to, now)
        return OPENED, detection

    def _begin(self, candidate: Candidate) -> int:
        since = min(candidate.heard_from, self._suspected.get(candidate.work_id, (candidate.heard_from, 0))[0])
        return max(0, since, self._ended.get(candidate.work_id, 0))

    def _close(self, work: str, end: int, reason: str) -> Change:
        held = self._open.pop(work)
        end = max(end, held.detection.start_sample)
        others = [entry for entry in self._ended.items() if entry[0] != work]
        self._ended = dict([*others, (work, end)][-_REMEMBERED:])
        return CLOSED, held.detection.revised(state="closed", end_sample=end, close_reason=reason)

    def _samples(self, seconds: float) -> int:
        return round(seconds * self._rate_hz)

    def save(self) -> dict[str, Any]:
        """The state as a JSON object."""
        return {
            "decided": self._decided,
            "belief": self._belief.save(),
            "ended": self._ended,
            "suspected": self._suspected,
            "open": [{**asdict(held), "detection": asdict(held.detection)} for held in self._open.values()],
        }

    def restore(self, state: dict[str, Any]) -> None:
        """Inverse of `save`."""
        self._decided = state["decided"]
        self._belief.restore(state["belief"])
        self._ended = dict(state["ended"])
        self._suspected = {work: (start, end) for work, (start, end) in state["suspected"].items()}
        self._open = {}
        for raw in state["open"]:
            fields = {**raw["detection"], "alternatives": tuple(raw["detection"]["alternatives"])}
            detection = Detection(**fields)
            self._open[detection.work_id] = _Open(detection, raw["opened_at"], raw["last_heard"], raw["last_event"])


def _measured(candidate: Candidate) -> dict[str, Any]:
    return {
        "reference_id": candidate.reference_id,
        "ref_start_ms": candidate.ref_start_ms,
        "transpose_semitones": candidate.transpose_semitones,
        "tempo_ratio": candidate.tempo_ratio,
    }
