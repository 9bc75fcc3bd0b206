"""What travels with a model to make its confidence a probability, and how it is taken into account."""

from __future__ import annotations

import json
import math
from pathlib import Path
from typing import Any

import pytest

from recognizer.calibration import EVIDENCE, FEATURES, METADATA_KEY, PROMISE, Numbers, appended, checked, split
from recognizer.embedder import Embedder
from recognizer.errors import ModelError
from recognizer.fusion import Evidence, gather, promise, weighed
from recognizer.matcher import Candidate
from recognizer.onnx_guard import refuse_external_data
from recognizer.released import baseline_model_path
from recognizer.standing import Standing

RATE = 1000


def numbers(**changes: Any) -> dict[str, Any]:
    made: dict[str, Any] = {"bias": (-2.0, -2.0), "works": (0.0, 8.0)}
    for name in EVIDENCE:
        made |= {name: (0.0, 8.0), f"{name}.small": (0.0, 4.0), f"{name}.large": (0.0, 4.0)}
    return made | changes


def candidate(work: str, strength: float, heard_s: tuple[float, float] = (0, 20), **changes: Any) -> Candidate:
    fields: dict[str, Any] = {
        "work_id": work,
        "reference_id": f"{work}-{strength}",
        "title": None,
        "artist": None,
        "isrc": None,
        "iswc": None,
        "strength": strength,
        "path": 4.0,
        "confidence": 0.0,
        "transpose_semitones": 0,
        "tempo_ratio": None,
        "heard_from": round(heard_s[0] * RATE),
        "heard_to": round(heard_s[1] * RATE),
        "ref_start_ms": 0,
    }
    return Candidate(**fields | changes)


def test_a_calibration_is_read_and_changes_no_identity(tmp_path: Path) -> None:
    plain = baseline_model_path().read_bytes()
    path, again = tmp_path / "calibrated.onnx", tmp_path / "again.onnx"
    path.write_bytes(appended(plain, numbers()))
    refuse_external_data(path.read_bytes())
    before, after = Embedder(baseline_model_path()), Embedder(path)
    assert after.contract.calibration == numbers() and before.contract.calibration == {}
    assert after.model_id == before.model_id
    again.write_bytes(appended(path.read_bytes(), numbers(bias=(1.0, 1.0))))
    assert Embedder(again).contract.calibration == numbers(bias=(1.0, 1.0))
    assert appended(again.read_bytes(), {}) == plain
    assert split(plain) == (plain, None)


@pytest.mark.parametrize(
    "bad",
    [
        {"bias": (math.nan, 0.0)},
        {"bias": (math.inf, 0.0)},
        {"bias": (0.0, 1e9)},
        {"bias": (True, 0.0)},
        {"bias": ("1", "2")},
        {"bias": 1.0},
        {"bias": (1.0,)},
        {"works": (3.0, 2.0)},
        {"works": (1.0, 2.0, 3.0)},
        {"works.small": (0.0, 1.0)},
        {"strength": ()},
        {"strength": (8.0, 0.0)},
        {"strength": (0.0, 4.0, 8.0)},
        {"strength": tuple(range(65)), "strength.small": tuple(range(65)), "strength.large": tuple(range(65))},
        {"strength.small": (4.0, 0.0)},
        {"strength.large": (0.0, -0.1)},
        {"strength.large": (0.0,)},
        {"surprise": (1.0,)},
    ],
)
def test_numbers_that_cannot_be_are_refused(bad: dict[str, Any]) -> None:
    with pytest.raises(ModelError, match="calibration"):
        checked(numbers() | bad)


def test_a_calibration_that_lacks_a_number_or_is_none_is_refused() -> None:
    some = numbers()
    del some["path.small"]
    wrong: list[object] = [some, [], "text", None]
    for bad in wrong:
        with pytest.raises(ModelError, match="calibration"):
            checked(bad)
    assert checked({}) == {}


@pytest.mark.parametrize(
    "text", ["{", "[]", "[" * 5000, '{"bias": [NaN, 0]}', json.dumps({"bias": [1, 1]}), "x" * 20_000]
)
def test_a_hostile_calibration_in_a_file_is_refused(tmp_path: Path, text: str) -> None:
    good = appended(baseline_model_path().read_bytes(), numbers())
    plain, _ = split(good)
    key, value = METADATA_KEY.encode(), text.encode()
    body = b"\x0a" + bytes([len(key)]) + key + b"\x12" + _varint(len(value)) + value
    path = tmp_path / "bad.onnx"
    path.write_bytes(plain + b"\x72" + _varint(len(body)) + body)
    with pytest.raises(ModelError, match="calibration"):
        Embedder(path)


def _varint(number: int) -> bytes:
    out = b""
    while number > 127:
        out += bytes([number % 128 + 128])
        number //= 128
    return out + bytes([number])


def test_evidence_joins_both_histories_and_takes_the_better_of_each() -> None:
    long = [candidate("a", 5.0, path=6.0), candidate("a", 4.0, path=9.0), candidate("b", 2.0, path=8.0)]
    short = [candidate("c", 6.0, (12, 20), path=5.0), candidate("a", 3.0, (10, 19), path=5.0)]
    found = {e.candidate.work_id: dict(zip(FEATURES, e.values, strict=True)) for e in gather(long, short, 100)}
    assert list(found) == ["a", "b", "c"]
    assert found["a"]["strength"] == 5.0 and found["b"]["strength"] == 2.0 and found["c"]["strength"] == 6.0
    # Of a work's references the one that aligns best; forty seconds reach further by chance than fourteen.
    assert found["a"]["path"] == 5.0 and found["b"]["path"] == 6.0 and found["c"]["path"] == 5.0
    assert {row["works"] for row in found.values()} == {2.0}


def test_without_a_calibration_the_long_history_decides() -> None:
    (long,), (short,) = gather([candidate("a", 9.0)], [], 10), gather([], [candidate("a", 9.0)], 10)
    assert long.values[0] == short.values[0]
    assert weighed(long, {}).confidence > 0.99 and weighed(short, {}).confidence < 0.01


def test_two_references_of_one_work_are_one_candidate() -> None:
    (only,) = gather([], [candidate("a", 4.9), candidate("a", 5.0)], 10)
    assert only.candidate.strength == 5.0


@pytest.mark.parametrize("name", EVIDENCE)
def test_confidence_is_monotone_and_stays_a_probability_far_out(name: str) -> None:
    (base,) = gather([candidate("a", 3.0)], [], 10)
    at = FEATURES.index(name)
    said = []
    for value in (-1e9, 0.0, 1.0, 4.0, 8.0, 1e9):
        values = list(base.values)
        values[at] = value
        said.append(weighed(type(base)(base.candidate, tuple(values)), numbers()).confidence)
    assert sorted(said) == said
    assert said[0] == said[1] and said[-1] == said[-2] and said[1] != said[-2]
    assert 0 < min(said) and max(said) < 1


def test_a_curve_is_straight_between_its_knots_and_level_beyond_them() -> None:
    bent = {"strength": (1.0, 2.0, 4.0), "strength.small": (0.0, 3.0, 4.0), "strength.large": (0.0, 3.0, 4.0)}
    none = {f"path{part}": (0.0,) for part in ("", ".small", ".large")}
    found = [_logit(gather([candidate("a", s)], [], 10)[0], numbers(**bent, **none)) for s in (-5, 1, 1.5, 2, 3, 4, 9)]
    assert found == pytest.approx([-2.0, -2.0, -0.5, 1.0, 1.5, 2.0, 2.0])


def test_curves_lie_between_those_of_a_small_and_of_a_large_catalogue() -> None:
    known = numbers(**{"strength.large": (0.0, 12.0), "bias": (-2.0, -3.0), "works": (2.0, 3.0)})
    evidence = {works: gather([candidate("a", 3.0, (0, 0))], [], works)[0] for works in (10, 100, 316, 1000, 100_000)}
    logits = {works: _logit(some, known) for works, some in evidence.items()}
    assert logits[10] == logits[100] and logits[1000] == logits[100_000]
    assert logits[1000] - logits[100] == pytest.approx(3.0 - 1.0)
    assert logits[316] == pytest.approx((logits[100] + logits[1000]) / 2, abs=0.01)


def test_a_calibration_on_one_size_of_catalogue_holds_for_all() -> None:
    known = numbers(works=(2.0, 2.0))
    said = {weighed(gather([candidate("a", 3.0)], [], works)[0], known).confidence for works in (1, 100, 10_000)}
    assert len(said) == 1


def _logit(evidence: Evidence, known: Numbers) -> float:
    said = weighed(evidence, known).confidence
    return math.log(said / (1 - said))


def gate(**changes: Any) -> dict[str, Any]:
    made: dict[str, Any] = {"promise.bias": (-4.0, -4.0)}
    for name in PROMISE:
        made |= {
            f"promise.{name}": (0.0, 8.0),
            f"promise.{name}.small": (0.0, 9.0),
            f"promise.{name}.large": (0.0, 9.0),
        }
    return made | changes


def test_a_gate_belongs_to_a_calibration_whole_or_not_at_all() -> None:
    assert checked(numbers() | gate()) == numbers() | gate()
    half = gate()
    del half["promise.margin"]
    for bad in (
        half,
        gate(**{"promise.margin.small": (0.0, -0.1)}),
        gate(**{"promise.margin.large": (0.0, 1.0, 2.0)}),
        gate(**{"promise.strength": (1.0,)}),
    ):
        with pytest.raises(ModelError, match="calibration"):
            checked(numbers() | bad)


def test_promise_grows_with_what_stands_out_and_is_certain_of_nothing() -> None:
    known = numbers() | gate()
    none, some, much = (promise(Standing(value, value, value), 100, known) for value in (0.0, 1.0, 1e9))
    assert 0 < none < some < much < 1
    large = known | {"promise.similarity.large": (0.0, 4.0), "works": (2.0, 3.0)}
    assert promise(Standing(1.0), 1000, large) < promise(Standing(1.0), 316, large) < promise(Standing(1.0), 100, large)
    assert promise(Standing(), 100, numbers()) == promise(Standing(), 100, {}) == 1.0
