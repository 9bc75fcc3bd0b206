"""What goes into the network and what comes out, one step at a time (shapes in `recognizer.contract`)."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float32]


@dataclass(frozen=True, slots=True)
class StepInput:
    """One step of audio, ready for the embedder.

    Attributes
    ----------
    start_sample : int
        Timeline position of the step's first new sample (context excluded).
    pcm : float32 array, shape (context + step + context,)
        Audio in [-1, 1].
    past : float32 array, shape (past_frames, feature_dim)
        Features of the steps before this one, zeros where there were none.
    """

    start_sample: int
    pcm: Floats
    past: Floats


@dataclass(frozen=True, slots=True)
class StepOutput:
    """What the network says about one step.

    Attributes
    ----------
    features : float32 array, shape (frames_per_step, feature_dim)
    pitch : float32 array, shape (pitch_frames_per_step, pitch_bins)
    embedding : float32 array, shape (dimension,)
        Unit-norm embedding of the window that ends with this step.
    recent : float32 array, shape (dimension,), or None
        Unit-norm embedding of the window's last ``recent_steps`` alone, where the contract has it.
    """

    features: Floats
    pitch: Floats
    embedding: Floats
    recent: Floats | None = None
