"""A picture of a programme: what was played above what was detected, ten minutes a row."""

from __future__ import annotations

import math
import zlib
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from indexer.streams.report import Method
from recognizer.errors import UsageError
from recognizer.evaluation.streams import COVER, Heard, Played

_ROW_S = 600.0
_WIDTH_IN, _LANE_IN = 20.0, 0.55
_POINTS_PER_CHARACTER = 4.6
_GREYS = {"foreign": "#c9c9c9", "speech": "#e8dcc0", "applause": "#dfe6cf", "jingle": "#d5d0e6", "noise": "#e3e3e3"}
_WRONG = "#d62728"


def require_matplotlib() -> None:
    """Refuse early, in a sentence, where pictures cannot be drawn."""
    try:
        import matplotlib  # noqa: F401
    except ImportError as error:
        raise UsageError(
            "the pictures need matplotlib, which is not installed; "
            "install it with: pip install 'live-cover-recognizer[evaluate]', or leave out --out"
        ) from error


def draw(
    path: Path,
    programme: str,
    duration_s: float,
    truth: Sequence[Played],
    methods: Sequence[Method],
    titles: dict[str, str],
) -> None:
    """Draw one programme.

    Covers and right detections of a work have one colour; a detection that belongs to no cover is red, a retracted one
    hatched; a black tick shows when a detection was opened.
    """
    import matplotlib

    matplotlib.use("Agg")
    from matplotlib import pyplot

    rows, lanes = max(1, math.ceil(duration_s / _ROW_S)), 2 + len(methods)
    figure, axes = pyplot.subplots(
        rows, 1, figsize=(_WIDTH_IN, rows * (lanes * _LANE_IN + 0.55) + 0.4), squeeze=False, layout="constrained"
    )
    figure.suptitle(programme, fontsize=11, x=0.01, ha="left")
    for number, axis in enumerate(axes[:, 0]):
        first_s = number * _ROW_S
        _axis(axis, first_s, ["played", "over it", *(method.name for method in methods)])
        above: list[Played] = []
        for row in sorted((r for r in truth if r.programme == programme), key=lambda r: (r.kind != COVER, r.start_s)):
            # What sounds at the same time as something else gets the second lane.
            lane = 1 if any(min(row.end_s, o.end_s) - max(row.start_s, o.start_s) > 0.5 for o in above) else 0
            above += [row] if lane == 0 else []
            _truth_bar(axis, lane, row, titles, first_s)
        for lane, method in enumerate(methods, 2):
            for found in (d for d in method.detections if d.programme == programme):
                _detection_bar(axis, lane, found, truth, titles, first_s)
    figure.savefig(path, dpi=90)
    pyplot.close(figure)


def _axis(axis: Any, first_s: float, names: Sequence[str]) -> None:
    axis.set_xlim(first_s, first_s + _ROW_S)
    axis.set_ylim(len(names), 0)
    axis.set_yticks([lane + 0.5 for lane in range(len(names))], names, fontsize=8)
    ticks = [first_s + 60 * minute for minute in range(int(_ROW_S // 60) + 1)]
    axis.set_xticks(ticks, [f"{int(tick // 60)}:00" for tick in ticks], fontsize=8)
    axis.tick_params(length=2)
    axis.grid(axis="x", color="#eeeeee", zorder=0)
    for side in ("top", "right", "left"):
        axis.spines[side].set_visible(False)


def _truth_bar(axis: Any, lane: int, row: Played, titles: dict[str, str], first_s: float) -> None:
    if row.kind == COVER:
        _bar(axis, lane, row.start_s, row.end_s, _colour(row.work_id), _label(row.work_id, titles), first_s)
    elif row.kind != "silence":
        _bar(axis, lane, row.start_s, row.end_s, _GREYS.get(row.kind, "#dddddd"), row.kind, first_s)


def _detection_bar(
    axis: Any, lane: int, found: Heard, truth: Sequence[Played], titles: dict[str, str], first_s: float
) -> None:
    right = any(
        row.programme == found.programme
        and row.work_id == found.work_id
        and min(row.end_s, found.end_s) > max(row.start_s, found.start_s)
        for row in truth
    )
    colour = _colour(found.work_id) if right else _WRONG
    label = f"{_label(found.work_id, titles)} {found.confidence:.2f}"
    _bar(axis, lane, found.start_s, found.end_s, colour, label, first_s, "//" if found.retracted else "")
    if found.opened_at_s is not None and first_s <= found.opened_at_s < first_s + _ROW_S:
        axis.vlines(found.opened_at_s, lane + 0.05, lane + 0.95, color="black", linewidth=1.5, zorder=4)


def _bar(
    axis: Any, lane: int, start_s: float, end_s: float, colour: Any, label: str, first_s: float, hatch: str = ""
) -> None:
    start, end = max(start_s, first_s), min(end_s, first_s + _ROW_S)
    if end <= start:
        return
    axis.barh(
        lane + 0.5, end - start, left=start, height=0.8, color=colour, edgecolor="white", hatch=hatch, linewidth=0.6,
        zorder=2,
    )  # fmt: skip
    room = int((end - start) / _ROW_S * _WIDTH_IN * 72 * 0.93 / _POINTS_PER_CHARACTER)
    text = label if len(label) <= room else label[: max(0, room - 1)] + "…"
    if room >= 3:
        axis.text(
            (start + end) / 2, lane + 0.5, text, ha="center", va="center", fontsize=7.5, zorder=3, parse_math=False
        )


def _label(work_id: str, titles: dict[str, str]) -> str:
    return titles.get(work_id) or work_id


def _colour(work_id: str) -> Any:
    """A light colour that depends on the work alone, and is never red."""
    from matplotlib.colors import hsv_to_rgb

    digest = zlib.crc32(work_id.encode())
    return hsv_to_rgb((0.08 + (digest % 997) / 997 * 0.82, 0.35 + (digest >> 12) % 3 * 0.1, 0.92))
