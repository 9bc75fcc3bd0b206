"""The published post-processing, step by step on cases worked by hand."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from indexer.streams.listen import Window
from indexer.streams.published import segments, train
from recognizer.errors import UsageError
from recognizer.evaluation.streams import Heard, Played


def windows(*found: tuple[float, str, float]) -> list[Window]:
    """Windows of 20 s by their end, work and similarity."""
    return [Window(max(0.0, end - 20), end, work, similarity) for end, work, similarity in found]


def spans(found: list[Heard]) -> list[tuple[float, float, str, float]]:
    return [(s.start_s, s.end_s, s.work_id, s.confidence) for s in found]


def test_consecutive_windows_of_one_work_become_one_with_the_highest_confidence() -> None:
    found = segments("p", windows((20, "a", 0.5), (22, "a", 0.9), (24, "a", 0.4)))
    assert spans(found) == [(0, 24, "a", 0.9)]
    assert found[0].opened_at_s is None


def test_windows_that_do_not_overlap_stay_apart() -> None:
    assert spans(segments("p", windows((20, "a", 0.5), (60, "a", 0.6)))) == [(0, 20, "a", 0.5), (40, 60, "a", 0.6)]


def test_where_works_overlap_the_more_confident_keeps_the_time() -> None:
    found = segments("p", windows((20, "a", 0.5), (30, "b", 0.9)))
    assert spans(found) == [(0, 10, "a", 0.5), (10, 30, "b", 0.9)]


def test_an_outlier_inside_is_swallowed_and_its_neighbours_are_merged_again() -> None:
    found = segments("p", windows((20, "a", 0.8), (22, "b", 0.3), (24, "a", 0.7)))
    assert spans(found) == [(0, 24, "a", 0.8)]


def test_a_confident_piece_inside_splits_the_other_in_two() -> None:
    found = segments("p", windows(*((end, "a", 0.5) for end in range(20, 62, 2)), (40, "b", 0.9)))
    assert spans(found) == [(0, 20, "a", 0.5), (20, 40, "b", 0.9), (40, 60, "a", 0.5)]


_WINDOWS = st.lists(
    st.tuples(st.integers(10, 60).map(lambda n: 2.0 * n), st.sampled_from("abc"), st.floats(0, 1)),
    max_size=25,
    unique_by=lambda w: w[0],
)


@settings(max_examples=200, deadline=None)
@given(raw=_WINDOWS)
def test_segments_never_overlap_and_cover_what_the_windows_covered(raw: list[tuple[float, str, float]]) -> None:
    seen = windows(*sorted(raw))
    found = segments("p", seen)
    assert all(a.end_s <= b.start_s + 1e-6 for a, b in zip(found, found[1:], strict=False))
    for window in seen:
        middle = (window.start_s + window.end_s) / 2
        assert any(s.start_s - 1e-6 <= middle <= s.end_s + 1e-6 for s in found)
    assert {s.confidence for s in found} <= {w.similarity for w in seen}


def test_the_machine_learns_to_reject_short_and_unsure_segments() -> None:
    truth = [Played("p", 100 * n, 100 * n + 60, "cover", "a") for n in range(12)]
    right = [Heard("p", "a", 100 * n, 100 * n + 50 + n, None, 0.8 + 0.01 * n) for n in range(12)]
    wrong = [Heard("p", "b", 70 + 100 * n, 80 + 100 * n + n / 2, None, 0.4 + 0.01 * n) for n in range(12)]
    accept = train([*right, *wrong], truth)
    assert accept(Heard("q", "z", 0, 55, None, 0.85))
    assert not accept(Heard("q", "z", 0, 11, None, 0.45))


def test_without_both_kinds_it_cannot_learn() -> None:
    with pytest.raises(UsageError, match="0 right of 1"):
        train([Heard("p", "a", 0, 20, None, 0.5)], [])
