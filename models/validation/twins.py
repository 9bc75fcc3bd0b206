"""Distractors that may be a version of a query's work: the likeliest by embedding, to be listened to."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from models.validate import Heard, by_alignment, by_embedding, listen
from models.validation.manifest import read_rows, write_rows
from recognizer.embedder import Embedder

COLUMNS = ("recording", "distractor", "cosine", "alignment", "usual_alignment")
_ALIGNED = 10
_USUAL = 40


def likely(recordings: list[Heard], distractors: list[Heard]) -> Iterator[dict[str, object]]:
    """The nearest distractors of every recording with the worth of their alignment, beside that of far ones."""
    for recording in recordings:
        cosines = by_embedding(recording, distractors)
        order = sorted(range(len(distractors)), key=lambda i: -cosines[i])
        middle = order[len(order) // 2 :][:_USUAL]
        near = order[:_ALIGNED]
        aligned = by_alignment(recording, [distractors[i] for i in near])
        usual = sorted(by_alignment(recording, [distractors[i] for i in middle]))[len(middle) // 2]
        for i, worth in zip(near, aligned, strict=True):
            yield {
                "recording": recording.path,
                "distractor": distractors[i].path,
                "cosine": round(cosines[i], 4),
                "alignment": round(worth, 3),
                "usual_alignment": round(usual, 3),
            }


def find(model: Path, manifest: Path, sets: frozenset[str], cache: Path, out: Path) -> int:
    """Compare the recordings of some sets of a manifest with its distractors; the number of rows written.

    Rows come in falling order of alignment over what is usual for the recording.
    """
    embedder = Embedder(model)
    rows = read_rows(manifest, ("path", "work_id", "role", "set"))
    asked = {r["path"]: r for r in rows if r["set"] in sets and r["role"] != "distractor"}
    others = [r for r in rows if r["role"] == "distractor"]
    heard = listen(embedder, Path("/"), [*asked.values(), *others], cache)
    found = list(likely([h for h in heard if h.role != "distractor"], [h for h in heard if h.role == "distractor"]))
    found.sort(key=lambda row: float(str(row["usual_alignment"])) - float(str(row["alignment"])))
    return write_rows(out, COLUMNS, found)
