"""The curves that turn evidence into a probability, as they travel with a model file.

A calibration is fitted after a network is finished (``models.calibrate``) and changes nothing that the network
computes. So it is *appended* to the model file, as one more entry of the ONNX metadata, and left out of the model's
identity: catalogues built before the calibration stay valid, and a model can be calibrated again.
What the file says is hostile until `checked`.
"""

from __future__ import annotations

import json
import math
from collections.abc import Iterator, Mapping

from recognizer.errors import ModelError
from recognizer.onnx_guard import BYTES, fields_of

METADATA_KEY = "recognizer.calibration"
MAX_BYTES = 16_384

# Evidence of one candidate: more of any of it never speaks against a work.
EVIDENCE = ("strength", "path", "similarity", "margin", "lead_lasting")
# And, no evidence but what its worth depends on, the decimal logarithm of the works in the catalogue.
FEATURES = (*EVIDENCE, "works")
# What is known before anything is aligned: curves of these alone say what is worth aligning.
PROMISE = ("similarity", "margin", "lead_lasting")
# Before the names of the curves that say so.
GATE = "promise."
SMALL, LARGE = ".small", ".large"
Numbers = Mapping[str, tuple[float, ...]]
_LIMIT = 1e4
_MOST_KNOTS = 64
_METADATA_PROPS = 14


def checked(numbers: object) -> dict[str, tuple[float, ...]]:
    """The numbers of a calibration, or none at all.

    ``works`` are the decimal logarithms of the smallest and the largest catalogue that it was fitted on, ``bias`` the
    logits in these two. Each kind of evidence ``NAME`` adds to them: ``NAME.small`` and ``NAME.large`` at the values
    ``NAME``, and along straight lines between them; below the first and above the last, which nothing was seen of
    when fitting, as much as there. If there are any, ``promise.bias``, ``promise.NAME`` and so on are the same for
    `PROMISE`.

    Raises
    ------
    ModelError
        When a name is missing or unknown, or a number is not finite or too large, or a curve falls.
    """
    if not isinstance(numbers, Mapping):
        raise ModelError("the model's calibration must map names to numbers; calibrate the model again")
    if not numbers:
        return {}
    gated = any(str(name).startswith(GATE) for name in numbers)
    curves = [*EVIDENCE, *(GATE + name for name in PROMISE if gated)]
    pairs = ["works", "bias", *([GATE + "bias"] if gated else [])]
    rising = ["works", *(name + part for name in curves for part in ("", SMALL, LARGE))]
    if set(numbers) != {*pairs, *rising}:
        seen = sorted(set(map(str, numbers)) ^ {*pairs, *rising})[:6]
        raise ModelError(f"the model's calibration has missing or unknown numbers: {seen}; calibrate the model again")
    found = {str(name): tuple(_numbers(str(name), value)) for name, value in numbers.items()}
    uneven = [name for name in pairs if len(found[name]) != 2]
    uneven += [name for name in curves if len({len(found[name + part]) for part in ("", SMALL, LARGE)}) > 1]
    if uneven:
        raise ModelError(f"the model's calibration: {uneven[0]} has too few or too many numbers; calibrate it again")
    for name in rising:
        if list(found[name]) != sorted(found[name]):
            raise ModelError(f"the model's calibration: {name} falls, expected numbers that rise; calibrate it again")
    return found


def _numbers(name: str, values: object) -> Iterator[float]:
    if not isinstance(values, list | tuple) or not 1 <= len(values) <= _MOST_KNOTS:
        raise ModelError(
            f"the model's calibration: {name} is no list of 1 to {_MOST_KNOTS} numbers; calibrate it again"
        )
    for value in values:
        real = isinstance(value, int | float) and not isinstance(value, bool)
        if not real or not math.isfinite(value) or abs(value) > _LIMIT:
            raise ModelError(f"the model's calibration: {name} holds {value!r}, expected numbers within ±{_LIMIT:g}")
        yield float(value)


def parsed(text: str) -> dict[str, tuple[float, ...]]:
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


def appended(model: bytes, numbers: Numbers) -> bytes:
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
