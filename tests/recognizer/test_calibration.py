"""What travels with a model to make its confidence a probability, and how it is taken into account."""

from __future__ import annotations

import json
import math
from pathlib import Path
from typing import Any

import pytest

from recognizer.calibration import FEATURES, METADATA_KEY, PROMISE, WEIGHTS, appended, checked, split
from recognizer.embedder import Embedder
from recognizer.errors import ModelError
from recognizer.fusion import Evidence, gather, promise, weighed
from recognizer.matcher import Candidate
from recognizer.onnx_guard import refuse_external_data
from recognizer.released import baseline_model_path
from recognizer.standing import Standing

RATE = 1000


def numbers(**changes: float) -> dict[str, float]:
    made = {"bias": -2.0, "bias.large": -2.0}
    for name in FEATURES:
        made |= {f"{name}.low": 0.0, f"{name}.high": 8.0}
    for name in WEIGHTS:
        made |= {f"{name}.weight": 0.5, f"{name}.weight.large": 0.5}
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
    again.write_bytes(appended(path.read_bytes(), numbers(bias=1.0)))
    assert Embedder(again).contract.calibration == numbers(bias=1.0)
    assert appended(again.read_bytes(), {}) == plain
    assert split(plain) == (plain, None)


@pytest.mark.parametrize(
    "bad",
    [
        {"bias": math.nan},
        {"bias": math.inf},
        {"bias": 1e9},
        {"bias": True},
        {"bias": "1"},
        {"strength.weight": -1.0},
        {"strength.weight.large": -0.1},
        {"works.weight": 0.1},
        {"strength.low": 9.0},
        {"surprise": 1.0},
    ],
)
def test_numbers_that_cannot_be_are_refused(bad: dict[str, Any]) -> None:
    with pytest.raises(ModelError, match="calibration"):
        checked(numbers() | bad)


def test_a_calibration_that_lacks_a_number_or_is_none_is_refused() -> None:
    some = numbers()
    del some["path.weight"]
    for bad in (some, [], "text", None):
        with pytest.raises(ModelError, match="calibration"):
            checked(bad)
    assert checked({}) == {}


@pytest.mark.parametrize("text", ["{", "[]", "[" * 5000, '{"bias": NaN}', json.dumps({"bias": 1}), "x" * 20_000])
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


def test_a_path_counts_between_what_chance_reaches_and_what_is_enough() -> None:
    paths = (0.0, 3.0, 4.5, 6.5, 20.0)
    found = [gather([], [candidate("a", 3.0, path=path)], 10)[0].values for path in paths]
    assert [row[list(FEATURES).index("path")] for row in found] == [3.0, 3.0, 4.5, 6.5, 6.5]


def test_more_strength_than_enough_says_no_more() -> None:
    enough, more = (gather([candidate("a", strength)], [], 10)[0].values for strength in (6.5, 13.0))
    assert enough[0] == more[0] == 6.5


def test_without_a_calibration_the_long_history_decides() -> None:
    (long,), (short,) = gather([candidate("a", 9.0)], [], 10), gather([], [candidate("a", 9.0)], 10)
    assert long.values[0] == short.values[0]
    assert weighed(long, {}).confidence > 0.99 and weighed(short, {}).confidence < 0.01


def test_two_references_of_one_work_are_one_candidate() -> None:
    (only,) = gather([], [candidate("a", 4.9), candidate("a", 5.0)], 10)
    assert only.candidate.strength == 5.0


@pytest.mark.parametrize("name", list(WEIGHTS))
def test_confidence_is_monotone_and_stays_a_probability_far_out(name: str) -> None:
    (base,) = gather([candidate("a", 3.0)], [], 10)
    at = list(FEATURES).index(name)
    said = []
    for value in (-1e9, 0.0, 1.0, 4.0, 8.0, 1e9):
        values = list(base.values)
        values[at] = value
        said.append(weighed(type(base)(base.candidate, tuple(values)), numbers()).confidence)
    assert sorted(said) == said
    assert said[0] == said[1] and said[-1] == said[-2] and said[1] != said[-2]
    assert 0 < min(said) and max(said) < 1


def test_weights_lie_between_those_of_a_small_and_of_a_large_catalogue() -> None:
    known = numbers(**{"strength.weight.large": 1.5, "bias.large": -3.0, "works.low": 2.0, "works.high": 3.0})
    found = {works: gather([candidate("a", 3.0, (0, 0))], [], works)[0] for works in (10, 100, 1000, 100_000)}
    logits = {works: math.log(said / (1 - said)) for works, said in _said(found, known).items()}
    assert logits[10] == logits[100] and logits[1000] == logits[100_000]
    assert logits[1000] - logits[100] == pytest.approx(3.0 - 1.0)
    (between,) = gather([candidate("a", 3.0, (0, 0))], [], 316)
    said = weighed(between, known).confidence
    assert math.log(said / (1 - said)) == pytest.approx((logits[100] + logits[1000]) / 2, abs=0.01)


def _said(found: dict[int, Evidence], known: dict[str, float]) -> dict[int, float]:
    return {works: weighed(evidence, known).confidence for works, evidence in found.items()}


def gate(**changes: float) -> dict[str, float]:
    made = {"promise.bias": -4.0, "promise.bias.large": -4.0}
    return made | {f"promise.{name}{size}": 2.0 for name in PROMISE for size in ("", ".large")} | changes


def test_a_gate_belongs_to_a_calibration_whole_or_not_at_all() -> None:
    assert checked(numbers() | gate()) == numbers() | gate()
    half = gate()
    del half["promise.margin"]
    for bad in (
        half,
        gate(**{"promise.margin": -0.1}),
        gate(**{"promise.margin.large": -0.1}),
        gate(**{"promise.strength": 1.0}),
    ):
        with pytest.raises(ModelError, match="calibration"):
            checked(numbers() | bad)


def test_promise_grows_with_what_stands_out_and_is_certain_of_nothing() -> None:
    known = numbers() | gate()
    none, some, much = (promise(Standing(value, value, value), 100, known) for value in (0.0, 1.0, 1e9))
    assert 0 < none < some < much < 1
    large = known | {"promise.similarity.large": 1.0, "works.low": 2.0, "works.high": 3.0}
    assert promise(Standing(1.0), 1000, large) < promise(Standing(1.0), 316, large) < promise(Standing(1.0), 100, large)
    assert promise(Standing(), 100, numbers()) == promise(Standing(), 100, {}) == 1.0
