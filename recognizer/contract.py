"""The contract a model carries in its ONNX metadata: everything a caller must know to feed it.

The graph is *streaming*: it takes the PCM of one or more steps plus the low-rate features of the audio before them,
so that the expensive front end sees every sample once, and it can equally take a whole window at once (an empty
``past``). One definition serves the live line and the indexer::

    pcm   (batch, context + n*step + context)   float32 in [-1, 1], mono, sample_rate_hz
    past  (batch, p, feature_dim)               features of the p frames before the steps (zeros before the start)
      -> features  (batch, n*frames_per_step, feature_dim)   to be kept by the caller as the next ``past``
      -> pitch     (batch, n*pitch_frames_per_step, pitch_bins)   low-rate pitch sequence, non-negative
      -> embedding (batch, dimension)           of the window that ends with these steps; L2-normalised
      -> recent    (batch, dimension)           of its last ``recent_steps`` alone; only where the contract has them
    where p + n*frames_per_step == window_frames
"""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass, fields

from recognizer.calibration import Numbers, checked
from recognizer.errors import ModelError

CONTRACT_VERSION = 1
METADATA_KEY = "recognizer.contract"
_MAY_BE_ZERO = ("context_samples", "recent_steps")


@dataclass(frozen=True, slots=True)
class ModelContract:
    """What a model expects and returns.

    Attributes
    ----------
    name : str
        Released name, e.g. ``v0-2dftm``.
    sample_rate_hz : int
        Rate of the PCM input.
    step_samples : int
        New audio per step (the live hop).
    context_samples : int
        Real audio needed on either side of the steps by the longest kernel.
    window_steps : int
        Steps per embedded window.
    index_hop_steps : int
        Steps between the windows stored for a reference.
    frames_per_step, feature_dim : int
        Shape of the cached features of one step.
    pitch_frames_per_step, pitch_bins : int
        Shape of the pitch sequence of one step; ``pitch_bins`` is a multiple of 12 and a semitone up is a rotation
        by ``pitch_bins / 12`` bins.
    dimension : int
        Length of the embedding, which has unit L2 norm.
    recent_steps : int
        Steps at the end of a window that a second embedding, comparable with the first, describes alone: a feed's
        newest seconds, without what was on before. 0 for a model that has no such output.
    calibration : dict
        Numbers that turn evidence into a probability (`recognizer.calibration`); empty when not calibrated. A file
        keeps them beside this contract, see there.
    """

    name: str
    sample_rate_hz: int
    step_samples: int
    context_samples: int
    window_steps: int
    index_hop_steps: int
    frames_per_step: int
    feature_dim: int
    pitch_frames_per_step: int
    pitch_bins: int
    dimension: int
    calibration: Numbers
    recent_steps: int = 0
    version: int = CONTRACT_VERSION

    def __post_init__(self) -> None:
        for field in fields(self):
            value = getattr(self, field.name)
            if field.type == "int" and (not isinstance(value, int) or isinstance(value, bool) or value < 1):
                if field.name in _MAY_BE_ZERO and value == 0 and not isinstance(value, bool):
                    continue
                raise ModelError(f"model contract: {field.name} is {value!r}, expected a positive integer")
        checked(self.calibration)
        if self.version != CONTRACT_VERSION:
            raise ModelError(
                f"model contract has version {self.version}, this program reads version {CONTRACT_VERSION}; "
                "use a model released for this version"
            )
        if self.pitch_bins % 12:
            raise ModelError(f"model contract: pitch_bins is {self.pitch_bins}, expected a multiple of 12")
        if self.recent_steps > self.window_steps:
            raise ModelError(
                f"model contract: recent_steps {self.recent_steps} exceeds window_steps {self.window_steps}"
            )
        if self.step_samples < self.context_samples:
            raise ModelError(
                f"model contract: context_samples {self.context_samples} exceeds step_samples {self.step_samples}"
            )

    @property
    def step_s(self) -> float:
        """Duration of one step in seconds."""
        return self.step_samples / self.sample_rate_hz

    @property
    def window_s(self) -> float:
        """Duration of one window in seconds."""
        return self.window_steps * self.step_s

    @property
    def window_frames(self) -> int:
        """Feature frames in one window."""
        return self.window_steps * self.frames_per_step

    @property
    def past_frames(self) -> int:
        """Feature frames the caller keeps between single steps."""
        return (self.window_steps - 1) * self.frames_per_step

    @property
    def pitch_fps(self) -> float:
        """Frames per second of the pitch sequence."""
        return self.pitch_frames_per_step / self.step_s

    def to_json(self) -> str:
        """The metadata value to store in the ONNX file."""
        named = asdict(self)
        if not self.recent_steps:
            del named["recent_steps"]  # as models were written before there was such an output
        return json.dumps(named, sort_keys=True)

    @classmethod
    def from_json(cls, text: str) -> ModelContract:
        """Parse and check a metadata value.

        Raises
        ------
        ModelError
            When a field is missing, unknown or out of range.
        """
        try:
            raw = json.loads(text)
        except ValueError as error:
            raise ModelError(f"model contract is not JSON: {error}") from error
        names = {field.name for field in fields(cls)}
        if not isinstance(raw, dict) or set(raw) | {"recent_steps"} != names:
            seen = sorted(set(raw) ^ names) if isinstance(raw, dict) else type(raw).__name__
            raise ModelError(f"model contract has missing or unknown fields: {seen}")
        if not isinstance(raw["name"], str) or not raw["name"]:
            raise ModelError("model contract: name must be a non-empty string")
        return cls(**raw)
