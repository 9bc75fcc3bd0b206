"""The numbers that turn evidence into a probability, as they travel with a model file.

A calibration is fitted after a network is finished (``models.calibrate``) and changes nothing that the network
computes. So it is *appended* to the model file, as one more entry of the ONNX metadata, and left out of the model's
identity: catalogues built before the calibration stay valid, and a model can be calibrated again.
What the file says is hostile until `checked`.
"""

from __future__ import annotations

import json
import math
from collections.abc import Mapping

from recognizer.errors import ModelError
from recognizer.onnx_guard import BYTES, fields_of

METADATA_KEY = "recognizer.calibration"
MAX_BYTES = 16_384

# Evidence of one candidate, in the order of the weights, and whether more of it may speak for it (+1). The last one is
# no evidence (0): the decimal logarithm of the works in the catalogue, by which the weights differ.
FEATURES: Mapping[str, int] = {
    "strength": 1,
    "path": 1,
    "similarity": 1,
    "margin": 1,
    "lead_lasting": 1,
    "works": 0,
}
# Evidence → the number that weighs it.
WEIGHTS: Mapping[str, str] = {name: f"{name}.weight" for name, sign in FEATURES.items() if sign}
# What is known before anything is aligned: a logistic function of these alone says what is worth aligning.
PROMISE: Mapping[str, str] = {name: f"promise.{name}" for name in ("similarity", "margin", "lead_lasting")}
LARGE = ".large"
_LIMIT = 1e4
_METADATA_PROPS = 14


def checked(numbers: object) -> dict[str, float]:
    """The numbers of a calibration, or none at all.

    Per feature ``NAME.weight`` in the smallest and ``NAME.weight.large`` in the largest catalogue that it was fitted
    on, ``NAME.low`` and ``NAME.high`` (evidence is clipped to that range: beyond what was seen when fitting nothing is
    known), and ``bias`` and ``bias.large``. ``works.low`` and ``works.high`` are the sizes. If there are any,
    ``promise.bias``, ``promise.NAME`` and the same with ``.large`` are the weights of `PROMISE`.

    Raises
    ------
    ModelError
        When a name is missing or unknown, or a number is not finite, too large, or points the wrong way.
    """
    if not isinstance(numbers, Mapping):
        raise ModelError("the model's calibration must map names to numbers; calibrate the model again")
    if not numbers:
        return {}
    promise = {key + size for key in ("promise.bias", *PROMISE.values()) for size in ("", LARGE)}
    wanted = (
        (promise if promise & numbers.keys() else set())
        | {key + size for key in ("bias", *WEIGHTS.values()) for size in ("", LARGE)}
        | {f"{name}.{end}" for name in FEATURES for end in ("low", "high")}
    )
    if set(numbers) != wanted:
        seen = sorted(set(map(str, numbers)) ^ wanted)[:6]
        raise ModelError(f"the model's calibration has missing or unknown numbers: {seen}; calibrate the model again")
    for name, value in numbers.items():
        real = isinstance(value, int | float) and not isinstance(value, bool)
        if not real or not math.isfinite(value) or abs(value) > _LIMIT:
            raise ModelError(f"the model's calibration: {name} is {value!r}, expected a number within ±{_LIMIT:g}")
    for name, sign in FEATURES.items():
        weights = [
            numbers.get(f"{kind}{size}", 0.0) for kind in (f"{name}.weight", f"promise.{name}") for size in ("", LARGE)
        ]
        if min(weights) * sign < 0 or numbers[f"{name}.low"] > numbers[f"{name}.high"]:
            raise ModelError(
                f"the model's calibration: {name} has a weight of the wrong sign or an empty range; calibrate it again"
            )
    return {str(name): float(value) for name, value in numbers.items()}


def parsed(text: str) -> dict[str, float]:
    """The calibration in a metadata value.

    Raises
    ------
    ModelError
        When it is not JSON, or not a calibration.
    """
    try:
        numbers = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise ModelError(f"the model's calibration is not JSON ({error}); calibrate the model again") from error
    return checked(numbers)


def split(model: bytes) -> tuple[bytes, str | None]:
    """The model file without its appended calibration, and that calibration's text if there is one.

    Raises
    ------
    ModelError
        When the bytes are not an ONNX model, or the calibration is not text or too long.
    """
    last: memoryview | None = None
    for field, kind, value in fields_of(memoryview(model)):
        entry = field == _METADATA_PROPS and kind == BYTES and isinstance(value, memoryview)
        last = value if entry and isinstance(value, memoryview) else None
    if last is None:
        return model, None
    parts = {field: bytes(value) for field, _, value in fields_of(last) if isinstance(value, memoryview)}
    if parts.get(1) != METADATA_KEY.encode():
        return model, None
    text = parts.get(2, b"")
    suffix = _entry(text)
    if len(text) > MAX_BYTES or not model.endswith(suffix):
        raise ModelError("the model's calibration is too long or damaged; calibrate the model again")
    try:
        return model[: -len(suffix)], text.decode("utf-8")
    except UnicodeDecodeError as error:
        raise ModelError("the model's calibration is not text; calibrate the model again") from error


def appended(model: bytes, numbers: Mapping[str, float]) -> bytes:
    """The model file with ``numbers`` as its calibration; one that it had before is replaced."""
    text = json.dumps(checked(numbers), sort_keys=True).encode()
    return split(model)[0] + (_entry(text) if numbers else b"")


def _entry(text: bytes) -> bytes:
    """One ``metadata_props`` entry of ``onnx.proto``, key and value."""
    body = _field(1, METADATA_KEY.encode()) + _field(2, text)
    return _field(_METADATA_PROPS, body)


def _field(number: int, value: bytes) -> bytes:
    return _varint(number << 3 | BYTES) + _varint(len(value)) + value


def _varint(number: int) -> bytes:
    out = bytearray()
    while number > 0x7F:
        out.append(number & 0x7F | 0x80)
        number >>= 7
    return bytes([*out, number])
