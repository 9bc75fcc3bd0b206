"""What the stream benchmark writes: a block to read, JSON, a table of detections."""

from __future__ import annotations

import csv
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from indexer.manifest_csv import guard
from indexer.streams.listen import Listened
from recognizer.evaluation.stream_figures import Figure, StreamFigures
from recognizer.evaluation.streams import Heard

_ROWS = (
    ("event F1", "f1", "{:.3f}"),
    ("event precision", "precision", "{:.3f}"),
    ("event recall", "recall", "{:.3f}"),
    ("covers touched (DAP)", "dap", "{:.3f}"),
    ("cover time found (DLP)", "dlp", "{:.3f}"),
    ("purity", "purity", "{:.3f}"),
    ("false per foreign hour", "false_per_hour", "{:.2f}"),
    ("time to open, median s", "opened_median_s", "{:.1f}"),
    ("time to open, p90 s", "opened_p90_s", "{:.1f}"),
    ("start error, median s", "start_error_s", "{:.1f}"),
    ("end error, median s", "end_error_s", "{:.1f}"),
    ("opens per cover found", "opens_per_found", "{:.2f}"),
)
_NAME_WIDTH, _CELL_WIDTH = 24, 24


@dataclass(frozen=True, slots=True)
class Method:
    """One column of the report.

    Attributes
    ----------
    listened : list of Listened
        What it is based on, one a programme; gives the costs.
    """

    name: str
    detections: list[Heard]
    figures: StreamFigures
    listened: list[Listened]

    def decision_share(self) -> float | None:
        """Time of the decision over time in the network."""
        embedding_s = sum(one.embedding_s for one in self.listened)
        return sum(one.decision_s for one in self.listened) / embedding_s if embedding_s else None


def block(methods: Sequence[Method], about: dict[str, Any]) -> str:
    """The figures of all methods side by side, with 95 % intervals."""
    first = methods[0].figures
    lines = [
        f"stream benchmark: {first.programmes} programmes, {first.hours:.2f} h, of which {first.foreign_hours:.2f} h "
        f"without covers; {first.covers} covers",
        f"catalogue: {about['works']} works, {about['references']} recordings; model {about['model']} "
        f"({about['model_id'][:19]})",
        " " * _NAME_WIDTH + "".join(f"{method.name:>{_CELL_WIDTH}}" for method in methods),
    ]
    for name, key, form in _ROWS:
        cells = (_cell(getattr(method.figures, key), form) for method in methods)
        lines.append(f"{name:{_NAME_WIDTH}}" + "".join(f"{cell:>{_CELL_WIDTH}}" for cell in cells))
    lines.append(_line("covers found", (f"{m.figures.found} of {m.figures.covers}" for m in methods)))
    counts = (f"{m.figures.detections} ({m.figures.retracted} / {m.figures.false})" for m in methods)
    lines.append(_line("shown (retracted/false)", counts))
    lines.append(_line("false over other covers", (str(m.figures.false_over_covers) for m in methods)))
    lines.append(_line("x real time", (_plain(m.figures.times_real_time, "{:.0f}") for m in methods)))
    lines.append(_line("decision / embedding", (_plain(m.decision_share(), "{:.2f}") for m in methods)))
    return "\n".join(lines)


def _line(name: str, cells: Iterable[str]) -> str:
    return f"{name:{_NAME_WIDTH}}" + "".join(f"{cell:>{_CELL_WIDTH}}" for cell in cells)


def _cell(figure: Figure, form: str) -> str:
    if figure.value is None:
        return "-"
    if figure.low is None or figure.high is None:
        return form.format(figure.value)
    return f"{form.format(figure.value)} [{form.format(figure.low)}, {form.format(figure.high)}]"


def _plain(value: float | None, form: str) -> str:
    return "-" if value is None else form.format(value)


def as_json(methods: Sequence[Method], about: dict[str, Any]) -> dict[str, Any]:
    """Everything as plain values."""
    return {
        **about,
        "methods": {
            method.name: {**method.figures.to_json(), "decision_per_embedding": method.decision_share()}
            for method in methods
        },
    }


def write_detections(path: Path, methods: Sequence[Method], titles: dict[str, str]) -> None:
    """One row a detection of any method."""
    with path.open("w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(
            ("method", "programme", "start_s", "end_s", "opened_at_s", "work_id", "title", "confidence", "retracted")
        )
        for method in methods:
            for d in method.detections:
                opened = "" if d.opened_at_s is None else f"{d.opened_at_s:.2f}"
                title = guard(titles.get(d.work_id, ""))
                writer.writerow(
                    (method.name, guard(d.programme), f"{d.start_s:.2f}", f"{d.end_s:.2f}", opened, guard(d.work_id),
                     title, f"{d.confidence:.4f}", int(d.retracted))
                )  # fmt: skip
