"""From evidence to detections: opens, updates, closes and retracts, and prefers to say nothing.

The tracker sees, at each decision, the works that may be sounding and how sure the matcher is of each. It opens a
detection only when the same work leads in several decisions in a row, keeps it while it is still being heard, closes
it with a reason, and retracts it when a better explanation of the same seconds takes over soon after opening.
Positions are samples; the state is a plain JSON object.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import asdict, dataclass
from typing import Any

from recognizer.events import CLOSED, OPENED, RETRACTED, UPDATED, Detection, stable_id
from recognizer.matcher import Candidate

Change = tuple[str, Detection]


@dataclass(frozen=True, slots=True)
class TrackerSettings:
    """Thresholds of the decision, in confidence and seconds.

    Attributes
    ----------
    open_confidence, keep_confidence : float
        A work opens at the first and stays open above the second.
    confirmations : int
        Decisions in a row that must name the same leading work before it opens.
    margin : float
        Lead in confidence over the best work that is not it.
    recent_s : float
        A work counts as heard now when its path ends no longer ago than this.
    close_after_s : float
        Unheard for so long, a detection closes.
    retract_within_s : float
        A detection overtaken within this time of its opening was a mistake.
    update_every_s : float
        Least time between two ``updated`` revisions.
    """

    open_confidence: float = 0.8
    keep_confidence: float = 0.3
    confirmations: int = 2
    margin: float = 0.1
    recent_s: float = 7.0
    close_after_s: float = 10.0
    retract_within_s: float = 20.0
    update_every_s: float = 6.0


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
        self._leading: str | None = None
        self._lead_count = 0

    @property
    def gathering(self) -> bool:
        """Whether some work leads but is not yet certain enough to be named."""
        return self._leading is not None and self._leading not in self._open

    @property
    def open_works(self) -> list[str]:
        """Works with an open detection."""
        return list(self._open)

    def update(self, now: int, candidates: Iterable[Candidate]) -> list[Change]:
        """One decision.

        Parameters
        ----------
        now : int
            Position of the newest audio decided on.
        candidates : iterable of Candidate
            Any order; several references of one work may appear.

        Returns
        -------
        list of (event type, Detection)
        """
        best = _best_per_work(candidates, now - self._samples(self._settings.recent_s))
        changes: list[Change] = []
        for work in list(self._open):
            changes += self._refresh(now, work, best.get(work))
        changes += self._consider(now, best)
        return changes

    def close_all(self, now: int, reason: str) -> list[Change]:
        """Close everything: the source ended or a long gap began."""
        self._leading, self._lead_count = None, 0
        return [self._close(work, min(now, held.last_heard), reason) for work, held in list(self._open.items())]

    def _refresh(self, now: int, work: str, candidate: Candidate | None) -> list[Change]:
        held, settings = self._open[work], self._settings
        if candidate is None or candidate.confidence < settings.keep_confidence:
            if now - held.last_heard > self._samples(settings.close_after_s):
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
            start_sample=min(old.start_sample, candidate.heard_from) if better else old.start_sample,
            confidence=max(old.confidence, candidate.confidence),
            evidence_windows=old.evidence_windows + 1,
            **(_measured(candidate) if better else {}),
        )
        return [(UPDATED, held.detection)]

    def _consider(self, now: int, best: dict[str, Candidate]) -> list[Change]:
        """Let the leading work gather confirmations, and open it when it has enough."""
        settings = self._settings
        ranked = sorted(best.values(), key=lambda c: (-c.confidence, -c.strength, c.work_id))
        leader = ranked[0] if ranked else None
        if leader is None or leader.confidence < settings.open_confidence or leader.work_id in self._open:
            self._leading, self._lead_count = None, 0
            return []
        rival = max((c.confidence for c in ranked[1:]), default=0.0)
        if leader.confidence - rival < settings.margin and leader.strength < 1.25 * ranked[1].strength:
            return []
        self._lead_count = self._lead_count + 1 if self._leading == leader.work_id else 1
        self._leading = leader.work_id
        if self._lead_count < settings.confirmations:
            return []
        self._leading, self._lead_count = None, 0
        return [*self._overtake(now, leader), self._opened(now, leader, ranked[1:4])]

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
                end = max(held.detection.start_sample, min(held.last_heard, leader.heard_from))
                changes.append(self._close(work, end, "next_work"))
        return changes

    def _opened(self, now: int, leader: Candidate, others: list[Candidate]) -> Change:
        detection = Detection(
            detection_id=stable_id(self._feed, leader.work_id, now),
            revision=1,
            state="open",
            start_sample=max(0, leader.heard_from),
            end_sample=None,
            work_id=leader.work_id,
            title=leader.title,
            artist=leader.artist,
            isrc=leader.isrc,
            iswc=leader.iswc,
            confidence=leader.confidence,
            confidence_kind=self._kind,
            evidence_windows=self._settings.confirmations,
            alternatives=tuple({"work_id": c.work_id, "confidence": round(c.confidence, 4)} for c in others),
            **_measured(leader),
        )
        self._open[leader.work_id] = _Open(detection, now, leader.heard_to, now)
        return OPENED, detection

    def _close(self, work: str, end: int, reason: str) -> Change:
        held = self._open.pop(work)
        return CLOSED, held.detection.revised(state="closed", end_sample=end, close_reason=reason)

    def _samples(self, seconds: float) -> int:
        return round(seconds * self._rate_hz)

    def save(self) -> dict[str, Any]:
        """The state as a JSON object."""
        return {
            "leading": self._leading,
            "lead_count": self._lead_count,
            "open": [{**asdict(held), "detection": asdict(held.detection)} for held in self._open.values()],
        }

    def restore(self, state: dict[str, Any]) -> None:
        """Inverse of `save`."""
        self._leading, self._lead_count = state["leading"], state["lead_count"]
        self._open = {}
        for raw in state["open"]:
            fields = {**raw["detection"], "alternatives": tuple(raw["detection"]["alternatives"])}
            detection = Detection(**fields)
            self._open[detection.work_id] = _Open(detection, raw["opened_at"], raw["last_heard"], raw["last_event"])


def _best_per_work(candidates: Iterable[Candidate], heard_since: int) -> dict[str, Candidate]:
    """The strongest candidate of each work among those still sounding."""
    best: dict[str, Candidate] = {}
    for candidate in candidates:
        held = best.get(candidate.work_id)
        if candidate.heard_to >= heard_since and (held is None or candidate.strength > held.strength):
            best[candidate.work_id] = candidate
    return best


def _measured(candidate: Candidate) -> dict[str, Any]:
    return {
        "reference_id": candidate.reference_id,
        "ref_start_ms": candidate.ref_start_ms,
        "transpose_semitones": candidate.transpose_semitones,
        "tempo_ratio": candidate.tempo_ratio,
    }
