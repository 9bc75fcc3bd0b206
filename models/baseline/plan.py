"""The numbers of model v0, derived from a few roots.

::

    16 kHz PCM ─┬─ octave 7 ─ conv, every 500 samples ─┐
                ├─ octave 6 ─ conv, every 500 samples ─┤
                ½ ── octave 5 ─ conv, every 250 samples ┤  |.|, mean over 1/4 s
                ½ ── octave 4 …                         ┤  ─────────────▶  (batch, octaves * 36, 4 frames/s)
                …                                       ┘

Each octave has the same kernels relative to its own rate, so a low octave costs no more than a high one.
"""

from __future__ import annotations

from dataclasses import dataclass

SAMPLE_RATE_HZ = 16_000
STEP_SAMPLES = 32_000
WINDOW_STEPS = 10
INDEX_HOP_STEPS = 2
FRAME_SAMPLES = 4_000  # 4 frames/s
FRAMES_PER_STEP = STEP_SAMPLES // FRAME_SAMPLES
WINDOW_FRAMES = WINDOW_STEPS * FRAMES_PER_STEP

TUNING_HZ = 440.0
PITCH_CLASSES = 12
BINS_PER_SEMITONE = 3
BINS_PER_OCTAVE = PITCH_CLASSES * BINS_PER_SEMITONE
# Hann kernels of Q periods: first spectral null one semitone away, half amplitude half a semitone away.
Q_PERIODS = 34.0


@dataclass(frozen=True, slots=True)
class OctavePlan:
    """How one octave of the constant-Q is computed.

    Attributes
    ----------
    number : int
        Scientific octave; the octave starts at its C.
    halvings : int
        Times the sample rate is halved before the kernels.
    hop_samples : int
        Kernel hop at the halved rate; divides the frame.
    """

    number: int
    halvings: int
    hop_samples: int

    @property
    def rate_hz(self) -> float:
        """Sample rate the kernels run at."""
        return float(SAMPLE_RATE_HZ) / (1 << self.halvings)

    @property
    def pool(self) -> int:
        """Kernel hops in one frame."""
        return (FRAME_SAMPLES >> self.halvings) // self.hop_samples

    @property
    def lowest_hz(self) -> float:
        """Frequency of the octave's C."""
        return float(TUNING_HZ * 2.0 ** (self.number - 4 - (PITCH_CLASSES - 3) / PITCH_CLASSES))

    @property
    def kernel_samples(self) -> int:
        """Length of the longest kernel, of the hop's parity so that every kernel is centred on its hop."""
        longest = int(Q_PERIODS / self.lowest_hz * 2 ** (1 / BINS_PER_OCTAVE) * self.rate_hz)
        return longest + (longest - self.hop_samples) % 2


# The octave below C2 was left out: with it, retrieval on real recordings was no better and latency was longer.
OCTAVES = (
    OctavePlan(2, halvings=4, hop_samples=125),
    OctavePlan(3, halvings=3, hop_samples=125),
    OctavePlan(4, halvings=2, hop_samples=250),
    OctavePlan(5, halvings=1, hop_samples=250),
    OctavePlan(6, halvings=0, hop_samples=500),
    OctavePlan(7, halvings=0, hop_samples=500),
)
CQ_BINS = len(OCTAVES) * BINS_PER_OCTAVE
# Length of the low-pass before each halving; an octave ends below 0.14 of its rate, so the filter may be short.
HALVING_HALF_TAPS = 12


def context_samples() -> int:
    """Real audio needed on either side of a step by the longest chain of kernels, in samples at the input rate."""
    needed = 0
    for octave in OCTAVES:
        context = max((octave.kernel_samples - octave.hop_samples) // 2, 0)
        for _ in range(octave.halvings):
            context = 2 * context + HALVING_HALF_TAPS
        needed = max(needed, context)
    return -(-needed // 1000) * 1000
