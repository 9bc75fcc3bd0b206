"""The life of detections: a state machine over arbitrary evidence, and the cases users complain about."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import Any

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule

from recognizer.events import CLOSED, OPENED, RETRACTED, UPDATED, Detection
from recognizer.matcher import Candidate
from recognizer.tracker import Tracker, TrackerSettings

RATE = 100
WORKS = ["a", "b", "c"]


def candidate(work: str, now: int, confidence: float = 0.95, heard_s: float = 20.0, **changes: Any) -> Candidate:
    made = Candidate(
        work_id=work,
        reference_id=f"{work}-1",
        title=work.upper(),
        artist=None,
        isrc=None,
        iswc=None,
        strength=confidence * 4,
        path=confidence * 8,
        confidence=confidence,
        transpose_semitones=2,
        tempo_ratio=1.1,
        heard_from=max(0, now - round(heard_s * RATE)),
        heard_to=now,
        ref_start_ms=1000,
    )
    return replace(made, **changes)


def make() -> Tracker:
    return Tracker("feed", RATE, "uncalibrated", TrackerSettings())


def kinds(changes: list[tuple[str, Detection]]) -> list[str]:
    return [kind for kind, _ in changes]


def play(tracker: Tracker, work: str | None, start_s: float, end_s: float, **changes: Any) -> list[Any]:
    out = []
    second = start_s + 4
    while second <= end_s:
        now = round(second * RATE)
        heard = candidate(work, now, heard_s=min(40.0, second - start_s), **changes) if work else None
        out += tracker.update(now, [heard] if heard else [])
        second += 4
    return out


def test_opens_after_confirmations_updates_and_closes_with_a_reason() -> None:
    tracker = make()
    changes = play(tracker, "a", 0, 60)
    assert kinds(changes)[0] == OPENED and set(kinds(changes)[1:]) == {UPDATED}
    changes += play(tracker, None, 60, 110)
    kind, last = changes[-1]
    assert kind == CLOSED and last.close_reason == "no_longer_heard"
    assert last.start_sample == 0 and last.end_sample == 60 * RATE
    assert [d.revision for _, d in changes] == list(range(1, len(changes) + 1))
    assert len({d.detection_id for _, d in changes}) == 1


def test_one_look_is_not_enough_and_weak_evidence_says_nothing() -> None:
    tracker = make()
    assert tracker.update(400, [candidate("a", 400)]) == [] and tracker.gathering
    assert tracker.update(800, []) == [] and tracker.update(1200, []) == [] and not tracker.gathering
    assert play(tracker, "a", 10, 100, confidence=0.6) == []


def test_two_works_that_explain_it_equally_are_not_named() -> None:
    tracker = make()
    for now in range(400, 8000, 400):
        assert tracker.update(now, [candidate("a", now), candidate("b", now)]) == []


def test_a_stale_path_does_not_count_as_heard() -> None:
    tracker = make()
    for now in range(2000, 8000, 400):
        assert tracker.update(now, [candidate("a", now, heard_to=now - 10 * RATE)]) == []


def test_a_work_begins_where_it_was_first_suspected() -> None:
    for pause_s, begins_s in ((4, 2), (30, 46)):
        tracker = make()
        for second in range(8, 24, 4):
            weak = candidate("a", second * RATE, confidence=0.3, heard_from=2 * RATE)
            assert tracker.update(second * RATE, [weak]) == []
        first = 20 + pause_s + 4  # with a long pause, what was suspected has been given up
        changes = []
        for second in range(first, first + 20, 4):
            sure = candidate("a", second * RATE, heard_from=min(second, first - 8 if pause_s > 4 else 12) * RATE)
            changes += tracker.update(second * RATE, [sure])
        assert kinds(changes)[0] == OPENED and changes[0][1].start_sample == begins_s * RATE


def test_a_short_talk_over_does_not_split_a_detection() -> None:
    tracker = make()
    changes = play(tracker, "a", 0, 40) + play(tracker, None, 40, 48) + play(tracker, "a", 20, 60)[6:]
    assert kinds(changes).count(OPENED) == 1 and CLOSED not in kinds(changes)


def test_the_next_song_closes_the_last() -> None:
    tracker = make()
    changes = play(tracker, "a", 0, 40)
    now = 40 * RATE
    for _ in range(5):
        now += 4 * RATE
        old = candidate("a", now, heard_to=40 * RATE)
        changes += tracker.update(now, [old, candidate("b", now, heard_from=40 * RATE)])
    closed = [d for kind, d in changes if kind == CLOSED]
    assert [d.work_id for d in closed] == ["a"] and closed[0].end_sample == 40 * RATE
    assert tracker.open_works == ["b"]


def test_a_mistake_overtaken_soon_is_retracted() -> None:
    tracker = make()
    changes = play(tracker, "a", 0, 12)
    assert kinds(changes)[0] == OPENED
    for now in (1600, 2000, 2400):
        changes += tracker.update(now, [candidate("b", now, heard_from=0, confidence=0.99)])
    retracted = [d for kind, d in changes if kind == RETRACTED]
    assert [d.work_id for d in retracted] == ["a"] and retracted[0].close_reason == "overtaken"
    assert tracker.open_works == ["b"]


def test_a_song_that_stops_and_resumes_is_heard_twice_without_overlap() -> None:
    tracker = make()
    changes = play(tracker, "a", 0, 40) + play(tracker, None, 44, 90)
    # The history still holds the first time: its path reaches back into what is over.
    for now in range(94 * RATE, 120 * RATE, 4 * RATE):
        changes += tracker.update(now, [candidate("a", now, heard_from=30 * RATE)])
    first, second = (d for kind, d in changes if kind == OPENED)
    (closed,) = (d for kind, d in changes if kind == CLOSED)
    assert closed.end_sample == 40 * RATE and first.detection_id != second.detection_id
    assert all(d.start_sample >= 40 * RATE for _, d in changes if d.detection_id == second.detection_id)


def test_a_part_that_the_reference_lacks_does_not_split_a_detection() -> None:
    tracker = make()
    changes = play(tracker, "a", 0, 40) + play(tracker, None, 40, 74) + play(tracker, "a", 76, 110)
    assert kinds(changes).count(OPENED) == 1 and CLOSED not in kinds(changes)


def test_what_was_told_is_not_told_again() -> None:
    tracker = make()
    changes = play(tracker, "a", 0, 40)
    changes += tracker.close_all(40 * RATE, "gap")
    for now in range(41 * RATE, 46 * RATE, RATE):
        changes += tracker.update(now, [candidate("a", now, heard_to=39 * RATE)])
    assert kinds(changes).count(OPENED) == 1


def test_a_medley_is_one_detection_a_song() -> None:
    tracker = make()
    changes = []
    for number, work in enumerate("abcab"):
        for second in range(number * 28 + 8, number * 28 + 29, 4):
            begin = number * 28 * RATE
            changes += tracker.update(second * RATE, [candidate(work, second * RATE, heard_from=begin)])
    changes += tracker.close_all(140 * RATE, "source_ended")
    lives = [d for kind, d in changes if kind == CLOSED]
    assert [d.work_id for d in lives] == list("abcab") and RETRACTED not in kinds(changes)
    assert all(abs(d.start_sample - n * 28 * RATE) <= RATE for n, d in enumerate(lives))


def test_two_references_of_one_work_are_one_detection() -> None:
    tracker = make()
    changes = []
    for now in range(800, 4000, 400):
        pair = [candidate("a", now), candidate("a", now, 0.9, reference_id="a-2")]
        changes += tracker.update(now, pair if now % 800 else pair[::-1])
    assert kinds(changes).count(OPENED) == 1 and tracker.open_works == ["a"]
    assert changes[0][1].alternatives == ()


def test_the_same_chords_are_named_once_one_song_leads_and_the_other_is_listed() -> None:
    tracker = make()
    for now in range(400, 2400, 400):
        assert tracker.update(now, [candidate("a", now), candidate("b", now)]) == []
    changes = []
    for now in range(2400, 6000, 400):
        changes += tracker.update(now, [candidate("a", now, 0.97), candidate("b", now, 0.4)])
    (opened,) = (d for kind, d in changes if kind == OPENED)
    assert opened.work_id == "a" and [other["work_id"] for other in opened.alternatives] == ["b"]


def test_talk_over_music_keeps_it_open_and_long_talk_does_not() -> None:
    tracker = make()
    changes = play(tracker, "a", 0, 40)
    for second in range(44, 54, 4):
        changes += tracker.update(second * RATE, [], music=False)
    assert tracker.open_works == ["a"]
    for second in range(56, 80, 4):
        changes += tracker.update(second * RATE, [], music=False)
    assert tracker.open_works == [] and changes[-1][1].end_sample == 40 * RATE


def test_confidence_is_the_mean_of_what_was_said() -> None:
    tracker = make()
    changes = play(tracker, "a", 0, 20, confidence=0.99) + play(tracker, "a", 24, 90, confidence=0.8)
    said = [d.confidence for _, d in changes]
    assert said[0] == 0.99 and 0.8 < said[-1] < 0.9 and sorted(said, reverse=True) == said


class Life(RuleBasedStateMachine):
    """Whatever the evidence, the books balance; saving and restoring at any moment changes nothing."""

    def __init__(self) -> None:
        super().__init__()
        self.tracker, self.twin = make(), make()
        self.now = 0
        self.seen: dict[str, list[tuple[str, Detection]]] = {}

    @rule(
        confidences=st.dictionaries(st.sampled_from(WORKS), st.floats(0, 1), max_size=3),
        heard_s=st.floats(0, 60),
        late_s=st.floats(0, 15),
        wait_s=st.sampled_from([2, 4, 4, 4, 30]),
        music=st.booleans(),
    )
    def decide(self, confidences: dict[str, float], heard_s: float, late_s: float, wait_s: int, music: bool) -> None:
        self.now += wait_s * RATE
        evidence = [
            candidate(work, max(0, self.now - round(late_s * RATE)), confidence, heard_s)
            for work, confidence in confidences.items()
        ]
        evidence = evidence if music else []
        self._note(self.tracker.update(self.now, evidence, music), self.twin.update(self.now, evidence, music))

    @rule(work=st.sampled_from(WORKS), heard_s=st.floats(0, 60), looks=st.integers(1, 8))
    def play(self, work: str, heard_s: float, looks: int) -> None:
        for _ in range(looks):
            self.now += 4 * RATE
            evidence = [candidate(work, self.now, 0.97, heard_s)]
            self._note(self.tracker.update(self.now, evidence), self.twin.update(self.now, evidence))

    @rule()
    def end(self) -> None:
        self._note(self.tracker.close_all(self.now, "gap"), self.twin.close_all(self.now, "gap"))
        assert self.tracker.open_works == []

    @rule()
    def hand_over(self) -> None:
        state = json.loads(json.dumps(self.twin.save()))
        self.twin = make()
        self.twin.restore(state)

    def _note(self, changes: list[tuple[str, Detection]], twins: list[tuple[str, Detection]]) -> None:
        assert changes == twins
        for kind, detection in changes:
            self.seen.setdefault(detection.detection_id, []).append((kind, detection))

    @invariant()
    def every_life_is_orderly(self) -> None:
        still_open = 0
        for life in self.seen.values():
            order = [kind for kind, _ in life]
            assert order[0] == OPENED and order.count(OPENED) == 1
            assert all(kind == UPDATED for kind in order[1:-1])
            assert [d.revision for _, d in life] == list(range(1, len(life) + 1))
            last = life[-1][1]
            ended = order[-1] in (CLOSED, RETRACTED)
            still_open += not ended
            assert ended == (last.end_sample is not None) == (last.close_reason is not None)
            assert last.end_sample is None or last.start_sample <= last.end_sample <= self.now
        assert still_open == len(self.tracker.open_works)

    @invariant()
    def no_work_overlaps_itself(self) -> None:
        spans: dict[str, list[tuple[int, int]]] = {}
        for life in self.seen.values():
            kind, last = life[-1]
            if kind != RETRACTED:
                end = last.end_sample if last.end_sample is not None else self.now
                spans.setdefault(last.work_id, []).append((last.start_sample, end))
        for work in spans.values():
            work.sort()
            assert all(a[1] <= b[0] for a, b in zip(work, work[1:], strict=False))


TestLife = Life.TestCase
TestLife.settings = settings(max_examples=60, stateful_step_count=40, deadline=None)
