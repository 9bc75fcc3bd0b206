"""What stays ahead in one key earns; what is ahead once does not."""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from recognizer.matcher import Candidate
from recognizer.steady import Steadiness

LOOK = st.tuples(
    st.floats(0, 60),
    st.lists(st.tuples(st.sampled_from("abcd"), st.floats(-5, 20), st.integers(-6, 6)), max_size=6),
)


def candidate(work: str, strength: float, key: int = 0) -> Candidate:
    return Candidate(
        work_id=work,
        reference_id=f"{work}-{strength}",
        title=None,
        artist=None,
        isrc=None,
        iswc=None,
        strength=strength,
        confidence=0.0,
        transpose_semitones=key,
        tempo_ratio=None,
        heard_from=0,
        heard_to=1,
        ref_start_ms=0,
    )


def after(*looks: list[Candidate], every_s: float = 2.0) -> dict[str, float]:
    steady = Steadiness()
    for look in looks:
        steady.update(every_s, look)
    return steady.earned


def test_what_stays_ahead_earns_more_than_what_is_once_far_ahead() -> None:
    steadily = after(*[[candidate("a", 4.0), candidate("b", 3.0)]] * 10)
    once = after([candidate("a", 50.0), candidate("b", 1.0)], *[[]] * 9)
    assert steadily["a"] > 0.6 > 0.1 > once["a"] > 0
    assert "b" not in steadily


def test_a_second_reference_of_the_work_is_no_rival() -> None:
    alone = after([candidate("a", 3.0), candidate("b", 2.5)])
    twice = after([candidate("a", 3.0), candidate("a", 2.9), candidate("b", 2.5)])
    assert twice == alone


def test_a_jump_of_the_key_loses_what_was_earned() -> None:
    same = after(*[[candidate("a", 4.0, 3)]] * 8)["a"]
    jumped = after(*[[candidate("a", 4.0, 3)]] * 7, [candidate("a", 4.0, -2)])["a"]
    assert jumped == pytest.approx(after([candidate("a", 4.0)])["a"]) and same > 4 * jumped


def test_a_long_pause_earns_no_more_than_a_short_one_and_forgets() -> None:
    first = [candidate("a", 4.0)]
    assert after(first, every_s=1000.0) == after(first, every_s=4.0)
    steady = Steadiness()
    for _ in range(10):
        steady.update(2.0, first)
    assert not steady.update(300.0, [])


@given(st.lists(LOOK, max_size=20))
def test_it_stays_within_bounds_and_a_restored_one_goes_on_the_same(
    looks: list[tuple[float, list[tuple[str, float, int]]]],
) -> None:
    steady, twin = Steadiness(), Steadiness()
    for seconds, some in looks:
        steady.update(seconds, [candidate(*one) for one in some])
        state = json.loads(json.dumps(twin.save()))
        twin = Steadiness()
        twin.restore(state)
        twin.update(seconds, [candidate(*one) for one in reversed(some)])
        assert twin.save() == steady.save()
        assert all(0 <= value <= 1 for value in steady.earned.values()) and sum(steady.earned.values()) <= 1 + 1e-9
