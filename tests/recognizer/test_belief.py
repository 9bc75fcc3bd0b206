"""Probabilities that add up to one, whatever is said."""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from recognizer.belief import Belief, BeliefSettings

LOOK = st.tuples(
    st.floats(0, 40), st.booleans(), st.dictionaries(st.sampled_from("abcdefgh"), st.floats(0, 1), max_size=8)
)


@given(st.lists(LOOK, max_size=30))
def test_they_add_up_to_one_and_a_restored_one_goes_on_the_same(
    looks: list[tuple[float, bool, dict[str, float]]],
) -> None:
    belief, twin = Belief(), Belief()
    for seconds, music, said in looks:
        belief.update(seconds, music, said)
        state = json.loads(json.dumps(twin.save()))
        twin = Belief()
        twin.restore(state)
        twin.update(seconds, music, dict(reversed(said.items())))
        assert all(0 <= value <= 1 for value in belief.works.values())
        # What was forgotten is all that may be missing.
        missing = 1 - belief.nothing - belief.unknown - sum(belief.works.values())
        assert -1e-9 < missing < len("abcdefgh") * 1e-4
        assert belief.nothing == 0 if music else belief.unknown == 0
        assert twin.works == pytest.approx(belief.works, rel=1e-9)


def test_evidence_adds_up_and_fades() -> None:
    belief = Belief()
    rising = []
    for _ in range(4):
        belief.update(4, True, {"a": 0.9})
        rising.append(belief.works["a"])
    assert rising == sorted(rising) and rising[0] < 0.5 < 0.9 < rising[-1]
    for _ in range(4):
        belief.update(4, True, {})
    assert belief.works.get("a", 0.0) < 0.05 and belief.unknown > 0.9


def test_rivals_share() -> None:
    belief = Belief()
    for _ in range(20):
        belief.update(4, True, {"a": 0.95, "b": 0.95})
    assert belief.works["a"] == belief.works["b"] <= 0.5


def test_often_or_seldom_asked_it_comes_to_much_the_same() -> None:
    seldom, often = Belief(), Belief()
    for _ in range(4):
        seldom.update(4, True, {"a": 0.8})
    for _ in range(8):
        often.update(2, True, {"a": 0.8})
    assert often.works["a"] == pytest.approx(seldom.works["a"], abs=0.1)


def test_sound_that_is_not_music_takes_belief_away_slowly() -> None:
    belief = Belief(BeliefSettings())
    for _ in range(5):
        belief.update(4, True, {"a": 0.95})
    belief.update(4, False, {})
    assert belief.works["a"] > 0.8
    for _ in range(30):
        belief.update(4, False, {})
    assert belief.nothing > 0.9
