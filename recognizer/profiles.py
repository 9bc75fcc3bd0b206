"""Named sets of decision numbers: what a feed is used for decides how sure is sure enough."""

from __future__ import annotations

from dataclasses import dataclass

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


# What is calibrated as well as the confidence needs hardly any waiting for more of the same.
_PROMPT = BeliefSettings(stay_s=30.0, chance=0.1)
PROFILES = {
    # In twenty hours of foreign music 0.9 names one piece wrongly, 0.85 two, 0.8 four, the kiosk fifteen.
    "monitoring": Profile("monitoring", TrackerSettings(open_belief=0.5, open_confidence=0.9, belief=_PROMPT)),
    "kiosk": Profile("kiosk", TrackerSettings(open_belief=0.3, open_confidence=0.5, belief=_PROMPT), least_music_s=6.0),
}


def profile(name: str) -> Profile:
    """A profile by name.

    Raises
    ------
    UsageError
        When there is none of that name.
    """
    if name not in PROFILES:
        raise UsageError(f"profile {name!r} is not known, expected one of: {', '.join(PROFILES)}")
    return PROFILES[name]


def default_profile() -> Profile:
    """The profile of a feed that names none."""
    return PROFILES["monitoring"]
