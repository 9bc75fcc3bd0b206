"""Says of every step whether it is music, other sound, or silence, so that only music reaches the matcher.

Music is told from speech and noise by one physical fact: notes hold their pitch. The gate finds the spectral
peaks of 128 ms frames, rounds them to eighth-tone bins, and asks which belong to a *ridge* that lasts::

    frequency
      |   ======      ====            steady ridge:  within +-37 cents for 0.3 s (keys, strings, held notes)
      |  ==== ========   /glide       swaying ridge: within +-87 cents for 0.5 s (a voice with vibrato)
      |________________________ time

Speech glides and breaks off at every syllable, noise has no ridges, and mains hum has ridges that neither
begin nor end nor breathe, which are left out. A third property, the share of low-energy frames (the pauses
between syllables), is high for speech. A logistic function joins the three. A running mean with two
thresholds keeps the answer from flickering; it leans towards music, for a gated song cannot be recognised,
while speech let through costs little.

Share of 2 s steps called music. The weights were fitted on half of the works and voices; these are the
others (noise: both halves). The two thresholds were chosen with all of them in view:

====================================== === ===== =======
material                               no. steps   music
====================================== === ===== =======
30 s excerpts of records, ten genres    34   476   0.954
piano covers of them                   107  1260   0.999
songs with vocals                        7   133   0.955
game themes                             16   304   0.954
classical                               11    68   1.000
songs and themes in pink noise, 6 dB    28   467   0.959
simulated solo singing, vibrato 0-70 c   5    70   1.000
prompts read by people (telephone)      40   760   0.007
synthetic speech (espeak-ng, flite)     48   789   0.005
the same in pink noise, 12 dB           43   578   0.002
the same in a very live room            45   619   0.226
noise, applause, hum (simulated)        24   336   0.003
talk as loud as the music under it      28   467   0.651
====================================== === ===== =======
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from recognizer.step import Floats

RATE_HZ = 16_000
# Broadcast and line-in silence lies below -60 dBFS; a pianissimo lies above -50.
SILENCE_DBFS = -55.0

# Nothing above 3.6 kHz is looked at (a telephone line ends there too), so every second sample is enough.
_HALF_RATE_HZ = RATE_HZ // 2
_FRAME = 1024  # 128 ms at the halved rate
_HOP = 320
_LOW_BIN, _HIGH_BIN = 12, 460  # 94 Hz .. 3.6 kHz
_BINS_PER_OCTAVE = 48
_LOWEST_HZ = 90.0
_LOG_BINS = int(_BINS_PER_OCTAVE * np.log2(3700 / _LOWEST_HZ)) + 2
_PROMINENCE = 1.2  # nepers above the mean log spectrum of +-125 Hz
_RANGE = 4.6  # nepers (40 dB) below the strongest bin of the frame, where peaks are still believed
_FLOOR_HALF = 16
_STILL = 0.06  # nepers of level change within a step below which a bin is hum
_STEADY = (5, 1)  # frames, bins of tolerance
_SWAYING = (9, 3)
_PAUSE = 0.25  # of the step's mean energy
# A half-band low-pass: of its fifteen taps those at even distances from the centre are zero.
_ODD_TAPS = (0.5 * np.sinc(np.arange(-7, 8, 2) / 2) * np.hamming(15)[::2]).astype(np.float32)
_WINDOW = np.hanning(_FRAME + 1)[:-1].astype(np.float32)

# Fitted on half of the files; see the table above.
_WEIGHTS = {"bias": 0.2, "steady": 6.5, "swaying": 6.1, "pauses": -12.5}
_NO_RIDGES = 0.04  # fewer ridge peaks than this happen by chance in noise
_MEMORY = 0.5  # weight of the past in the running mean of the logit
_ENTER, _LEAVE = -0.5, -1.5  # thresholds on the running mean, in logits
_LIMIT = 3.0  # logits are limited to this, so that one sure step cannot outvote many


@dataclass(frozen=True, slots=True)
class GateDecision:
    """What one step is.

    Attributes
    ----------
    kind : str
        ``music``, ``speech_or_noise`` or ``silence``.
    level_dbfs : float
        RMS level of the step; -120 for digital silence.
    tonality : float
        0 .. 1, how music-like this step is by itself, before smoothing.
    """

    kind: str
    level_dbfs: float
    tonality: float


@dataclass(frozen=True, slots=True)
class Measures:
    """The properties of a step that the decision rests on, each a share between 0 and 1."""

    steady: float
    swaying: float
    pauses: float

    def logit(self) -> float:
        """Log odds for music."""
        if self.steady + self.swaying < _NO_RIDGES:
            return -_LIMIT
        w = _WEIGHTS
        ridges = w["steady"] * self.steady + w["swaying"] * self.swaying
        return min(max(w["bias"] + ridges + w["pauses"] * self.pauses, -_LIMIT), _LIMIT)


class MusicGate:
    """One feed's gate: pure, deterministic, with a two-number state."""

    def __init__(self) -> None:
        self._mean: float | None = None
        self._music = False

    def step(self, pcm: Floats) -> GateDecision:
        """Decide on the next step.

        Parameters
        ----------
        pcm : float32 array, shape (samples,)
            The step's audio at 16 kHz, context included; at least 0.7 s.

        Returns
        -------
        GateDecision
        """
        level = _level_dbfs(pcm)
        if level < SILENCE_DBFS:
            self._mean, self._music = None, False
            return GateDecision("silence", level, 0.0)
        logit = measure(pcm).logit()
        self._mean = logit if self._mean is None else _MEMORY * self._mean + (1 - _MEMORY) * logit
        self._music = self._mean > (_LEAVE if self._music else _ENTER)
        kind = "music" if self._music else "speech_or_noise"
        return GateDecision(kind, level, round(1 / (1 + float(np.exp(-logit))), 3))

    def state(self) -> dict[str, float | None]:
        """The state as JSON numbers."""
        return {"mean": self._mean, "music": float(self._music)}

    def restore(self, state: Mapping[str, float | None]) -> None:
        """Continue from what `state` returned."""
        mean = state["mean"]
        self._mean = None if mean is None else float(mean)
        self._music = bool(state["music"])


def _level_dbfs(pcm: Floats) -> float:
    power = float(np.mean(np.square(pcm, dtype=np.float64))) if len(pcm) else 0.0
    return round(max(10 * float(np.log10(power + 1e-12)), -120.0), 1)


def measure(pcm: Floats) -> Measures:
    """Measure a step.

    Parameters
    ----------
    pcm : float32 array, shape (samples,)
        At 16 kHz, at least 0.7 s.

    Returns
    -------
    Measures
    """
    halved = _halved(np.asarray(pcm, np.float32))
    frames = np.lib.stride_tricks.sliding_window_view(halved, _FRAME)[::_HOP]
    spectrum = np.fft.rfft(frames * _WINDOW, axis=1)[:, _LOW_BIN - 2 : _HIGH_BIN + 2]
    energy = np.square(spectrum.real) + np.square(spectrum.imag)  # (frames, bins)
    log = (0.5 * np.log(energy + 1e-12)).astype(np.float32)
    peaks, bins = _peaks(log)
    per_frame = energy[:, 2:-2].sum(axis=1)
    pauses = float(np.mean(per_frame < _PAUSE * per_frame.mean()))
    if not len(peaks):
        return Measures(0.0, 0.0, pauses)
    marks = np.zeros((len(log), _LOG_BINS), dtype=bool)
    marks[peaks, bins] = True
    steady = _ridges(marks, *_STEADY)[peaks, bins].mean()
    swaying = _ridges(marks, *_SWAYING)[peaks, bins].mean()
    return Measures(float(steady), float(swaying), pauses)


def _halved(pcm: Floats) -> Floats:
    """Audio at half the rate."""
    even, odd = pcm[: len(pcm) // 2 * 2 : 2], pcm[1::2]
    return np.asarray(0.5 * even + np.convolve(odd, _ODD_TAPS)[3 : 3 + len(odd)], dtype=np.float32)


def _peaks(log: Floats) -> tuple[npt.NDArray[np.intp], npt.NDArray[np.intp]]:
    """Frame numbers and eighth-tone bins of the peaks of ``log``, shape (frames, 2 + bins + 2)."""
    centre = log[:, 2:-2]
    width = 2 * _FLOOR_HALF + 1
    sums = np.cumsum(np.pad(centre, ((0, 0), (_FLOOR_HALF + 1, _FLOOR_HALF)), mode="edge"), axis=1)
    floor = (sums[:, width:] - sums[:, :-width]) / width
    found = (centre > floor + _PROMINENCE) & (centre > centre.max(axis=1, keepdims=True) - _RANGE)
    for offset in (0, 1, 3, 4):
        found &= centre >= log[:, offset : offset + centre.shape[1]]
    found &= ~_hum(centre)
    frame, column = np.nonzero(found)
    left, middle, right = log[frame, column + 1], log[frame, column + 2], log[frame, column + 3]
    # The vertex of the parabola through three log magnitudes finds a partial to about a hertz.
    shift = 0.5 * (left - right) / np.minimum(left - 2 * middle + right, -1e-6)
    hz = (column + _LOW_BIN + np.clip(shift, -0.5, 0.5)) * (_HALF_RATE_HZ / _FRAME)
    bins = np.rint(_BINS_PER_OCTAVE * np.log2(hz / _LOWEST_HZ)).astype(np.intp)
    return frame, bins


def _hum(log: Floats) -> npt.NDArray[np.bool_]:
    """Bins, shape (1, bins), whose level does not move through the whole step, and their neighbours."""
    still: npt.NDArray[np.bool_] = log.std(axis=0) < _STILL
    wide = still.copy()
    for offset in (1, 2):
        wide[offset:] |= still[:-offset]
        wide[:-offset] |= still[offset:]
    return wide[None, :]


def _ridges(marks: npt.NDArray[np.bool_], frames: int, tolerance: int) -> npt.NDArray[np.bool_]:
    """Where ``marks`` (frames, bins), widened by ``tolerance`` bins, go on for at least ``frames`` frames."""
    wide = marks.copy()
    for offset in range(1, tolerance + 1):
        wide[:, offset:] |= marks[:, :-offset]
        wide[:, :-offset] |= marks[:, offset:]
    if len(wide) < frames:
        return np.zeros_like(wide)
    runs = np.logical_and.reduce([wide[k : len(wide) - frames + 1 + k] for k in range(frames)])
    lasting = np.zeros_like(wide)
    for k in range(frames):
        lasting[k : k + len(runs)] |= runs
    return lasting
