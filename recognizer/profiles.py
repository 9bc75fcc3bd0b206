"""Named sets of decision numbers: what a feed is used for decides how sure is sure enough."""

from __future__ import annotations

import re
from dataclasses import dataclass, replace

from recognizer.belief import BeliefSettings
from recognizer.errors import UsageError
from recognizer.matcher import MatcherSettings
from recognizer.tracker import TrackerSettings


@dataclass(frozen=True, slots=True)
class Profile:
    """Numbers of one feed's decision.

    Attributes
    ----------
    history_s : float
        How much of the pitch sequence the second opinion sees.
    recent_s : float
        How much of it the second opinion sees once more by itself, without what came before.
    least_music_s : float
        Music heard before anything may be named.
    decide_every_steps : int
        Steps between decisions; while a work is close to being named, every step is one.
    settled_every_steps : int
        The same while a detection is open and music goes on.
    bridge_gap_s : float
        A gap up to this long does not end a detection.
    """

    name: str
    tracker: TrackerSettings
    matcher: MatcherSettings = MatcherSettings()
    history_s: float = 40.0
    recent_s: float = 14.0
    least_music_s: float = 8.0
    decide_every_steps: int = 1
    settled_every_steps: int = 4
    bridge_gap_s: float = 8.0


_SHARE = re.compile(r"[0-9]?\.[0-9]{1,6}", re.ASCII)
# What is calibrated as well as the confidence needs hardly any waiting for more of the same.
_PROMPT = BeliefSettings(stay_s=30.0, chance=0.1)
PROFILES = {
    # In twenty-four hours of foreign music 0.85 names two pieces wrongly, 0.8 four, 0.75 seven, the kiosk twelve.
    "monitoring": Profile("monitoring", TrackerSettings(open_belief=0.5, open_confidence=0.85, belief=_PROMPT)),
    "kiosk": Profile("kiosk", TrackerSettings(open_belief=0.3, open_confidence=0.5, belief=_PROMPT), least_music_s=6.0),
}


def profile(name: str) -> Profile:
    """A profile by name; with ``@0.8`` after it, it opens at that confidence in place of its own.

    Raises
    ------
    UsageError
        When there is none of that name, or the confidence is not between 0 and 1.
    """
    kind, at, confidence = name.partition("@")
    if kind not in PROFILES:
        raise UsageError(f"profile {kind!r} is not known, expected one of: {', '.join(PROFILES)}")
    return _opening_at(PROFILES[kind], name, confidence) if at else PROFILES[kind]


def _opening_at(known: Profile, name: str, confidence: str) -> Profile:
    value = float(confidence) if _SHARE.fullmatch(confidence) else 0.0
    if not 0.0 < value < 1.0:
        raise UsageError(
            f"profile {name!r} opens at confidence {confidence!r}, expected one between 0 and 1, as in {known.name}@0.8"
        )
    return replace(known, name=name, tracker=replace(known.tracker, open_confidence=value))


def default_profile() -> Profile:
    """The profile of a feed that names none."""
    return PROFILES["monitoring"]
