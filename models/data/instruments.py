"""General MIDI programs that a part may be played on, by what one hears in recordings: the common ones more often."""

from __future__ import annotations

LEADS = (
    0, 0, 0, 1, 4, 11, 16, 22, 24, 25, 26, 27, 29, 40, 42, 52, 53, 53, 54, 54, 56, 64, 65, 66, 68, 71, 73, 75, 80,
    81, 85,
)  # fmt: skip
"""For the tune."""

CHORDS = (
    0, 0, 0, 1, 2, 4, 5, 6, 16, 17, 18, 19, 21, 24, 24, 25, 25, 26, 27, 28, 29, 30, 46, 48, 49, 50, 51, 61, 88,
    89, 90,
)  # fmt: skip
"""For what accompanies it."""

BASSES = (
    32, 33, 33, 34, 35, 36, 38, 39, 42, 43, 58,
)  # fmt: skip
"""For what is below `BASS_BELOW`."""

BASS_BELOW = 46
"""MIDI number under which an accompaniment is bass."""
