"""Profiles by name, and the confidence that a user may choose for them."""

from __future__ import annotations

from dataclasses import replace

import pytest

from recognizer.errors import UsageError
from recognizer.profiles import PROFILES, profile


@pytest.mark.parametrize("name", list(PROFILES))
@pytest.mark.parametrize("confidence", ["0.75", ".5", "0.999999"])
def test_a_profile_opens_where_its_user_says_and_is_otherwise_the_same(name: str, confidence: str) -> None:
    chosen, known = profile(f"{name}@{confidence}"), PROFILES[name]
    assert chosen.tracker.open_confidence == float(confidence)
    assert chosen.name == f"{name}@{confidence}"
    own = known.tracker.open_confidence
    assert replace(chosen, name=name, tracker=replace(chosen.tracker, open_confidence=own)) == known == profile(name)


@pytest.mark.parametrize("name", ["", "loud", "loud@0.5", "@0.5", "Kiosk"])
def test_another_name_is_refused(name: str) -> None:
    with pytest.raises(UsageError, match="expected one of: monitoring, kiosk"):
        profile(name)


@pytest.mark.parametrize(
    "confidence", ["", "0", "0.0", "1", "1.0", "75", "-0.5", "nan", "inf", "0.5@0.6", "1e-1", "0.٥"]
)
def test_a_confidence_that_is_none_is_refused(confidence: str) -> None:
    with pytest.raises(UsageError, match="expected one between 0 and 1, as in kiosk@0.8"):
        profile(f"kiosk@{confidence}")
