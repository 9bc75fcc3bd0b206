"""The published way from windows to detections (Yesiler, Molina, Serrà and Gómez, ICASSP 2021), for comparison.

It sees what the recognizer's own search sees: every window of 20 s, one each 2 s, that the gate called music, with the
reference whose stored window is nearest to it (cosine). Then, as published: consecutive overlapping windows with the
same work are merged and keep the highest confidence; where segments overlap, the more confident one keeps the time;
what now touches is merged again; and a support vector machine with balanced classes, trained on the duration and the
confidence of the segments of other programmes, rejects those that look like false ones. (The published system used
windows of 120 s, one each 30 s, of another network.) It works on the whole programme afterwards, so it has no time
to open.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace

import numpy as np

from indexer.streams.listen import Window
from recognizer.errors import UsageError
from recognizer.evaluation.streams import Heard, Played

_TOUCH_S = 1e-6
Accept = Callable[[Heard], bool]


@dataclass(frozen=True, slots=True)
class _Segment:
    start_s: float
    end_s: float
    work_id: str
    confidence: float


def segments(programme: str, windows: Sequence[Window]) -> list[Heard]:
    """Merge, split, merge; nothing is rejected yet."""
    raw = [_Segment(w.start_s, w.end_s, w.work_id, w.similarity) for w in windows]
    done = _merged(_split(_merged(raw)))
    return [Heard(programme, s.work_id, s.start_s, s.end_s, None, s.confidence) for s in done]


def _merged(found: Sequence[_Segment]) -> list[_Segment]:
    """Join neighbours in time that name one work and overlap or touch."""
    joined: list[_Segment] = []
    for segment in found:
        last = joined[-1] if joined else None
        if last is not None and last.work_id == segment.work_id and segment.start_s <= last.end_s + _TOUCH_S:
            end_s, confidence = max(last.end_s, segment.end_s), max(last.confidence, segment.confidence)
            joined[-1] = replace(last, end_s=end_s, confidence=confidence)
        else:
            joined.append(segment)
    return joined


def _split(found: Sequence[_Segment]) -> list[_Segment]:
    """Give every moment to the most confident segment over it; the others keep what is left of them, in pieces."""
    kept: list[_Segment] = []
    for segment in sorted(found, key=lambda s: (-s.confidence, s.start_s)):
        pieces = [(segment.start_s, segment.end_s)]
        for other in kept:
            pieces = [piece for span in pieces for piece in _minus(span, (other.start_s, other.end_s))]
        kept += [replace(segment, start_s=start, end_s=end) for start, end in pieces]
    return sorted(kept, key=lambda s: s.start_s)


def _minus(span: tuple[float, float], hole: tuple[float, float]) -> list[tuple[float, float]]:
    parts = [(span[0], min(span[1], hole[0])), (max(span[0], hole[1]), span[1])]
    return [(start, end) for start, end in parts if end - start > _TOUCH_S]


def train(found: Iterable[Heard], truth: Sequence[Played]) -> Accept:
    """Learn from segments of other programmes which to accept.

    Parameters
    ----------
    found : iterable of Heard
        Segments of the development programmes; right ones overlap a cover of their work.
    truth : sequence of Played
        Of the same programmes.

    Raises
    ------
    UsageError
        Without scikit-learn, or when the segments are all right or all wrong.
    """
    try:
        from sklearn.pipeline import make_pipeline
        from sklearn.preprocessing import StandardScaler
        from sklearn.svm import SVC
    except ImportError as error:
        raise UsageError(
            "the published baseline needs scikit-learn, which is not installed; "
            "install it with: pip install 'live-cover-recognizer[evaluate]'"
        ) from error
    segments_ = list(found)
    right = np.array([_is_right(segment, truth) for segment in segments_], dtype=bool)
    if not right.any() or right.all():
        raise UsageError(
            f"the development programmes gave {int(right.sum())} right of {len(right)} segments; "
            "the baseline learns from both kinds, give more programmes with --develop"
        )
    machine = make_pipeline(StandardScaler(), SVC(class_weight="balanced"))
    machine.fit(_features(segments_), right)
    return lambda segment: bool(machine.predict(_features([segment]))[0])


def _features(found: Sequence[Heard]) -> np.ndarray[tuple[int, int], np.dtype[np.float64]]:
    return np.array([[segment.end_s - segment.start_s, segment.confidence] for segment in found], dtype=np.float64)


def _is_right(segment: Heard, truth: Sequence[Played]) -> bool:
    return any(
        row.programme == segment.programme
        and row.work_id == segment.work_id
        and min(row.end_s, segment.end_s) > max(row.start_s, segment.start_s)
        for row in truth
    )
