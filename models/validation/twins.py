"""Distractors that may be a version of a query's work: the likeliest by embedding, to be listened to."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt

from models.validation.manifest import read_rows, write_rows
from recognizer.align import align
from recognizer.decode import decode
from recognizer.embedder import Embedder
from recognizer.errors import RecognizerError
from recognizer.reference import analyse
from recognizer.timeline import Pcm16

COLUMNS = ("recording", "distractor", "cosine", "alignment", "usual_alignment")
Floats = npt.NDArray[np.float32]
log = logging.getLogger("validation")
_HEARD_S = 120
_ALIGN_FPS = 2
_ALIGNED = 8
_USUAL = 30


@dataclass(frozen=True, slots=True)
class Heard:
    """The first two minutes of a recording: embeddings (windows, D) and pitch (frames, bins) at 2 frames/s."""

    path: str
    embeddings: Floats
    pitch: Floats


def hear(path: str, embedder: Embedder) -> Heard | None:
    """Analyse a recording; None (and a line in the log) when it cannot be read."""
    try:
        heard = analyse(_beginning(Path(path), embedder.contract.sample_rate_hz), embedder)
    except RecognizerError as error:
        log.warning("left out: %s", error)
        return None
    group = max(1, round(embedder.contract.pitch_fps) // _ALIGN_FPS)
    whole = len(heard.pitch) // group * group
    slow = heard.pitch[:whole].reshape(-1, group, heard.pitch.shape[1]).mean(1)
    return Heard(path, heard.embeddings, np.asarray(slow, np.float32))


def _beginning(path: Path, rate_hz: int) -> Iterator[Pcm16]:
    length = 0
    for block in decode(path, rate_hz):
        yield block
        length += len(block)
        if length >= _HEARD_S * rate_hz:
            return


def likely(recordings: list[Heard], distractors: list[Heard]) -> Iterator[dict[str, object]]:
    """The nearest distractors of every recording with the worth of their alignment, beside that of middling ones."""
    for recording in recordings:
        cosines = [float((recording.embeddings @ d.embeddings.T).max(1).mean()) for d in distractors]
        order = sorted(range(len(distractors)), key=lambda i: -cosines[i])
        near, middle = order[:_ALIGNED], order[len(order) // 2 :][:_USUAL]
        usual = float(np.median(_worth(recording, [distractors[i] for i in middle])))
        for i, worth in zip(near, _worth(recording, [distractors[i] for i in near]), strict=True):
            yield {
                "recording": recording.path,
                "distractor": distractors[i].path,
                "cosine": round(cosines[i], 4),
                "alignment": round(worth, 3),
                "usual_alignment": round(usual, 3),
            }


def _worth(recording: Heard, others: list[Heard]) -> list[float]:
    """Alignment scores relative to the square root of the other's length: long ones match more by chance."""
    found = align(recording.pitch, [o.pitch for o in others])
    return [a.score / max(len(o.pitch), 1) ** 0.5 for a, o in zip(found, others, strict=True)]


def find(model: Path, manifest: Path, sets: frozenset[str], out: Path) -> int:
    """Compare the recordings of some sets of a manifest with its distractors; the number of rows written.

    Rows come in falling order of alignment over what is usual for the recording.
    """
    embedder = Embedder(model)
    rows = read_rows(manifest, ("path", "role", "set"))
    asked = dict.fromkeys(r["path"] for r in rows if r["set"] in sets and r["role"] != "distractor")
    others = dict.fromkeys(r["path"] for r in rows if r["role"] == "distractor")
    heard = [[h for p in paths if (h := hear(p, embedder)) is not None] for paths in (asked, others)]
    found = list(likely(*heard))
    found.sort(key=lambda row: float(str(row["usual_alignment"])) - float(str(row["alignment"])))
    return write_rows(out, COLUMNS, found)
