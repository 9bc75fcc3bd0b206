"""One line a detection: what a person reads in the terminal."""

from __future__ import annotations

from recognizer.cli import show
from recognizer.events import OPENED, Detection, FeedClock


def detection(**changes: object) -> Detection:
    fields: dict[str, object] = {
        "detection_id": "d", "revision": 1, "state": "open", "start_sample": 12_000, "end_sample": None,
        "work_id": "w", "reference_id": "r", "title": "Greensleeves", "artist": None, "isrc": None, "iswc": None,
        "confidence": 0.97, "confidence_kind": "calibrated", "evidence_windows": 1, "ref_start_ms": 64_000,
        "transpose_semitones": 3, "tempo_ratio": 1.06,
        "alternatives": ({"work_id": "x", "title": None, "confidence": 0.12},),
    }  # fmt: skip
    return Detection(**{**fields, **changes})  # type: ignore[arg-type]


def line(**changes: object) -> str:
    return show.line(detection(**changes).event(OPENED, FeedClock("f", 1000, 0), 20_000, 1, "m")).strip()


def test_everything_that_was_measured_is_said() -> None:
    facts = "+3 semitones, tempo ×1.06, from 1:04 of the reference, confidence 0.97"
    assert line() == f"0:12–…  heard      Greensleeves  [{facts}]  or: x 0.12"


def test_what_is_not_known_is_left_out_and_no_score_passes_for_a_probability() -> None:
    unknown = {"transpose_semitones": None, "tempo_ratio": None, "ref_start_ms": None, "alternatives": ()}
    assert line(confidence_kind="uncalibrated", **unknown) == (
        "0:12–…  heard      Greensleeves  [confidence 0.97 uncalibrated]"
    )
