"""The instruments of the demo's synthesizer, as numbers."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Voice:
    """How one instrument sounds.

    Attributes
    ----------
    partials : tuple of float
        Amplitudes of the harmonics, from the fundamental up.
    attack_s, release_s : float
        Rise at the start and fall after the end of a note.
    decay_s : float or None
        Time constant of the fundamental of middle C for struck and plucked voices; higher partials and higher
        notes die sooner. None for voices that sound as long as they are held.
    vibrato_cents, vibrato_hz : float
        Depth and rate; the depth grows over the first half second.
    detune_cents : tuple of float
        One copy of the note per entry, for the beating of several players or strings.
    breath : float
        Amplitude of noise under the tone.
    formants : tuple of (hz, bandwidth_hz, gain)
        Resonances that colour the partials by their frequency, as a mouth does.
    gain : float
        Evens out the loudness between voices.
    """

    partials: tuple[float, ...]
    attack_s: float = 0.005
    release_s: float = 0.08
    decay_s: float | None = None
    vibrato_cents: float = 0.0
    vibrato_hz: float = 5.5
    detune_cents: tuple[float, ...] = (0.0,)
    breath: float = 0.0
    formants: tuple[tuple[float, float, float], ...] = ()
    gain: float = 1.0


def _falling(count: int, slope: float, odd_only: bool = False) -> tuple[float, ...]:
    return tuple(0.0 if odd_only and n % 2 == 0 else n**-slope for n in range(1, count + 1))


_AH = ((700.0, 130.0, 1.0), (1150.0, 160.0, 0.6), (2700.0, 300.0, 0.35), (3400.0, 400.0, 0.2))

VOICES = {
    "piano": Voice(_falling(14, 1.3), 0.003, 0.12, 1.1, detune_cents=(-0.7, 0.8), gain=0.9),
    "harpsichord": Voice(_falling(24, 0.7), 0.002, 0.05, 0.6, gain=0.55),
    "guitar": Voice((1.0, 0.7, 0.5, 0.35, 0.15, 0.2, 0.12, 0.08, 0.05), 0.003, 0.1, 0.7, gain=0.8),
    "harp": Voice((1.0, 0.35, 0.2, 0.1, 0.05), 0.004, 0.3, 0.9, gain=0.9),
    "marimba": Voice((1.0, 0.0, 0.0, 0.3, 0.0, 0.0, 0.0, 0.0, 0.0, 0.1), 0.002, 0.1, 0.35, gain=1.0),
    "organ": Voice((1.0, 0.8, 0.3, 0.6, 0.1, 0.25, 0.0, 0.3), 0.02, 0.06, gain=0.4),
    "accordion": Voice(_falling(16, 0.9), 0.04, 0.06, detune_cents=(-6.0, 7.0), gain=0.35),
    "flute": Voice((1.0, 0.35, 0.12, 0.05), 0.05, 0.07, vibrato_cents=14, breath=0.02, gain=0.7),
    "clarinet": Voice(_falling(13, 1.1, odd_only=True), 0.04, 0.06, vibrato_cents=5, gain=0.55),
    "strings": Voice(_falling(18, 1.1), 0.12, 0.2, None, 12, 5.2, (-9.0, 0.0, 8.0), gain=0.3),
    "violin": Voice(_falling(16, 0.9), 0.06, 0.08, vibrato_cents=22, vibrato_hz=5.8, gain=0.4),
    "brass": Voice((0.7, 1.0, 0.9, 0.7, 0.5, 0.35, 0.25, 0.15, 0.1), 0.05, 0.07, vibrato_cents=6, gain=0.35),
    "singer": Voice(_falling(24, 0.6), 0.06, 0.09, None, 35, 5.4, breath=0.01, formants=_AH, gain=1.1),
    "bass": Voice((1.0, 0.6, 0.3, 0.12, 0.05), 0.006, 0.08, 0.9, gain=1.0),
    "bowed-bass": Voice(_falling(10, 1.3), 0.08, 0.12, None, gain=0.6),
}
