"""Programmes with their truth, heard once by the network."""

from __future__ import annotations

import csv
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from recognizer.decode import decode
from recognizer.embedder import Embedder
from recognizer.errors import UsageError
from recognizer.gate import MusicGate
from recognizer.reference import embedded_steps
from recognizer.step import StepOutput
from recognizer.windower import Step

_COLUMNS = ("path", "start_s", "end_s", "work_id")


@dataclass(frozen=True, slots=True)
class Sounding:
    """A work that sounds in a programme, in seconds from its beginning."""

    start_s: float
    end_s: float
    work_id: str


@dataclass(frozen=True, slots=True)
class Programme:
    """A recording and which works sound when.

    Attributes
    ----------
    path : Path
    truth : tuple of Sounding
        Only stretches with a known work; what lies outside them is not in anybody's catalogue.
    """

    path: Path
    truth: tuple[Sounding, ...]


@dataclass(frozen=True, slots=True)
class HeardStep:
    """One step as the decision sees it."""

    step: Step
    music: bool
    output: StepOutput


def read_programmes(truth_csv: Path) -> list[Programme]:
    """Programmes of a truth file with the columns ``path, start_s, end_s, work_id`` (and any others).

    Raises
    ------
    UsageError
        When the file cannot be read, lacks a column or holds a number that is none.
    """
    found: dict[Path, list[Sounding]] = {}
    try:
        with truth_csv.open(encoding="utf-8", newline="") as file:
            rows = csv.DictReader(file)
            missing = set(_COLUMNS) - set(rows.fieldnames or ())
            if missing:
                raise UsageError(f"{truth_csv} lacks the columns {sorted(missing)}; expected {', '.join(_COLUMNS)}")
            for row in rows:
                here = found.setdefault(truth_csv.parent / row["path"], [])
                if row["work_id"]:
                    here.append(Sounding(float(row["start_s"]), float(row["end_s"]), row["work_id"]))
    except OSError as error:
        raise UsageError(f"cannot read {truth_csv} ({error.strerror}); name an existing truth file") from error
    except (ValueError, TypeError) as error:
        raise UsageError(f"{truth_csv} holds a time that is no number ({error}); write seconds") from error
    return [Programme(path, tuple(truth)) for path, truth in sorted(found.items())]


def remembered(programme: Programme, embedder: Embedder) -> list[HeardStep]:
    """All steps of a programme without their audio and features, which no decision asks for."""
    nothing = np.zeros(0, np.float32)
    return [
        replace(
            entry,
            step=replace(entry.step, pcm=nothing),
            output=replace(entry.output, features=nothing.reshape(0, embedder.contract.feature_dim)),
        )
        for entry in hear(programme, embedder)
    ]


def hear(programme: Programme, embedder: Embedder) -> Iterator[HeardStep]:
    """Embed a programme step by step, through the same windower and gate as the live line."""
    gate = MusicGate()
    blocks = decode(programme.path, embedder.contract.sample_rate_hz)
    for step, _, output in embedded_steps(blocks, embedder, rest=False):
        yield HeardStep(step, gate.step(step.pcm).kind == "music", output)
