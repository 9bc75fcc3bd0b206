"""Stream figures: cases worked by hand, and what must hold for any truth and any detections."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from recognizer.evaluation.intervals import overlap_s, union_s
from recognizer.evaluation.stream_figures import figures
from recognizer.evaluation.streams import Heard, Outcome, Played, judge


def cover(start_s: float, end_s: float, work: str = "a", programme: str = "p") -> Played:
    return Played(programme, start_s, end_s, "cover", work)


def heard(start_s: float, end_s: float, work: str = "a", opened_at_s: float | None = None, **more: bool) -> Heard:
    return Heard("p", work, start_s, end_s, opened_at_s if opened_at_s is not None else start_s + 10, 0.9, **more)


def only(truth: list[Played], detections: list[Heard], duration_s: float = 1000.0) -> Outcome:
    (outcome,) = judge(truth, detections, {"p": duration_s})
    return outcome


def test_a_programme_worked_by_hand() -> None:
    """Two covers and an hour in all: one found 4 s late and split in two, one missed, two false detections."""
    truth = [cover(100, 200), Played("p", 200, 300, "foreign"), cover(300, 400, "b")]
    detections = [
        heard(104, 170, opened_at_s=118),  # finds the first: 66 of 100 s
        heard(180, 220, opened_at_s=195),  # the same song again: 20 s right, 20 s after its end
        heard(350, 390, "c"),  # over a cover of another work
        heard(500, 530, "b", opened_at_s=520),  # right work, long after it was played
    ]
    outcome = only(truth, detections, 3600)
    assert (outcome.hits, outcome.false, outcome.false_over_covers, outcome.detections) == (1, 2, 1, 4)
    assert outcome.foreign_s == 3400
    got = figures([outcome], elapsed_s=36)
    assert got.precision.value == pytest.approx(1 / 4)
    assert got.recall.value == pytest.approx(1 / 2)
    assert got.f1.value == pytest.approx(1 / 3)
    assert got.dap.value == pytest.approx(1 / 2)
    assert got.dlp.value == pytest.approx((66 + 20) / 200)
    assert got.purity.value == pytest.approx((66 + 20) / (66 + 40 + 40 + 30))
    assert got.false_per_hour.value == pytest.approx(2 / (3400 / 3600))
    assert got.opened_median_s.value == pytest.approx(18)
    assert got.start_error_s.value == pytest.approx(4)
    assert got.end_error_s.value == pytest.approx(30)
    assert got.opens_per_found.value == pytest.approx(2)
    assert got.times_real_time == pytest.approx(100)


def test_half_of_the_cover_must_be_overlapped_and_less_still_counts_for_dap() -> None:
    just, less = only([cover(0, 100)], [heard(50, 120)]), only([cover(0, 100)], [heard(51, 120)])
    assert (just.hits, less.hits) == (1, 0)
    assert less.covers[0].touched and less.false == 0


def test_one_detection_finds_one_cover_and_the_greater_overlap_wins() -> None:
    truth = [cover(0, 100), cover(110, 200)]
    outcome = only(truth, [heard(0, 200)])
    assert outcome.hits == 1
    assert [c.found for c in outcome.covers] == [True, False]
    assert [c.touched for c in outcome.covers] == [True, True]
    twice = only(truth, [heard(0, 200), heard(105, 195)])
    assert [c.found for c in twice.covers] == [True, True]
    assert twice.covers[1].start_error_s == pytest.approx(-5)


def test_a_retracted_detection_finds_nothing_but_was_shown() -> None:
    outcome = only([cover(0, 100)], [heard(0, 100, retracted=True), heard(300, 310, retracted=True)])
    assert (outcome.hits, outcome.false, outcome.retracted, outcome.detected_s) == (0, 1, 2, 0)
    assert not outcome.covers[0].touched
    assert outcome.covers[0].opens == 1
    assert outcome.covers[0].opened_after_s is None


def test_overlapping_covers_are_not_counted_twice_as_time_without_foreign_music() -> None:
    outcome = only([cover(0, 60), cover(50, 100, "b"), Played("p", 40, 70, "speech")], [], 150)
    assert outcome.foreign_s == 50


def test_no_detection_among_ten_hours_still_bounds_the_rate() -> None:
    rate = figures(judge([], [], {"p": 36_000.0})).false_per_hour
    assert rate.value == 0 and rate.low == 0
    assert rate.high == pytest.approx(0.3689, abs=1e-3)  # -ln(0.025) / 10
    three = figures(judge([], [heard(s, s + 5) for s in (1, 20, 40)], {"p": 3600.0})).false_per_hour
    assert (three.low, three.high) == (pytest.approx(0.6187, abs=1e-3), pytest.approx(8.7673, abs=1e-3))


def test_nothing_to_measure_is_none_and_not_zero() -> None:
    got = figures(judge([], [], {"p": 100.0}))
    assert got.f1.value is got.recall.value is got.precision.value is got.opened_median_s.value is None
    assert figures(judge([cover(0, 50)], [], {"p": 100.0})).f1.value == 0


def test_a_row_of_an_unknown_programme_is_refused() -> None:
    with pytest.raises(ValueError, match="'q'"):
        judge([cover(0, 1, programme="q")], [], {"p": 10.0})
    with pytest.raises(ValueError, match="'q'"):
        judge([], [replace(heard(0, 1), programme="q")], {"p": 10.0})


_TIMES = st.tuples(st.integers(0, 400), st.integers(1, 200)).map(lambda t: (float(t[0]), float(t[0] + t[1])))
_WORKS = st.sampled_from("abc")
_COVERS = st.lists(st.builds(lambda t, w: cover(*t, w), _TIMES, _WORKS), max_size=6)
_HEARD = st.lists(
    st.builds(lambda t, w, r: heard(*t, w, retracted=r), _TIMES, _WORKS, st.booleans()), max_size=8
)  # fmt: skip


@settings(max_examples=150, deadline=None)
@given(truth=_COVERS, detections=_HEARD)
def test_figures_of_anything_are_consistent(truth: list[Played], detections: list[Heard]) -> None:
    outcome = only(truth, detections)
    assert outcome.hits <= min(len(truth), len(detections) - outcome.retracted)
    assert outcome.false_over_covers <= outcome.false <= outcome.detections == len(detections)
    assert outcome.pure_s <= outcome.detected_s + 1e-6
    for row in outcome.covers:
        assert row.matched_s <= row.played.end_s - row.played.start_s + 1e-6
        assert row.touched or not row.found
        assert row.opens >= row.touched
    got = figures([outcome], draws=25)
    shares = (got.f1, got.precision, got.recall, got.dap, got.dlp, got.purity)
    assert all(f.value is None or 0 <= f.value <= 1 + 1e-9 for f in shares)
    if truth:
        assert got.dap.value is not None and got.recall.value is not None
        assert got.recall.value <= got.dap.value
        assert got.dap.low is None or (got.dap.high is not None and got.dap.low <= got.dap.value <= got.dap.high)


@settings(max_examples=100, deadline=None)
@given(truth=_COVERS, detections=_HEARD, data=st.data())
def test_order_does_not_matter(truth: list[Played], detections: list[Heard], data: st.DataObject) -> None:
    other = only(data.draw(st.permutations(truth)), data.draw(st.permutations(detections)))
    first = only(truth, detections)
    assert (first.hits, first.false, first.pure_s) == (other.hits, other.false, pytest.approx(other.pure_s))


@settings(max_examples=100, deadline=None)
@given(spans=st.lists(_TIMES, max_size=8), cut=st.integers(0, 600))
def test_a_union_is_the_sum_of_its_parts(spans: list[tuple[float, float]], cut: int) -> None:
    left = union_s((s, min(e, cut)) for s, e in spans)
    right = union_s((max(s, cut), e) for s, e in spans)
    assert union_s(spans) == pytest.approx(left + right)
    assert union_s(spans) <= sum(e - s for s, e in spans)
    assert all(overlap_s(a, b) == overlap_s(b, a) <= union_s([a, b]) for a in spans for b in spans)


def test_a_perfect_monitor_is_perfect() -> None:
    truth = [cover(0, 60), cover(100, 160, "b")]
    got = figures([only(truth, [heard(0, 60, opened_at_s=12), heard(100, 160, "b", opened_at_s=110)])])
    assert [f.value for f in (got.f1, got.dap, got.dlp, got.purity, got.opens_per_found)] == [1] * 5
    assert got.false_per_hour.value == 0 and got.opened_median_s.value == pytest.approx(11)
