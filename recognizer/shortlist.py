"""Which references deserve a second opinion, by the nearness of their windows to the feed's.

Per step, the windows that stand out most (`recognizer.hubs`) add to their reference's scores, and older scores fade:
the *fresh* ones within a few windows, so that a song is found soon after it began, the *lasting* ones within half a
minute, so that one bad window does not lose it. Where the model can say what the newest seconds alone sound like, that
is searched too and counts as fresh: a window of twenty seconds still holds what was on before. The references on the
resulting list take turns at the second opinion: the nearest and those it lately spoke for at every decision, the others
one after another. So a decision costs the same however many works the catalogue holds.
"""

from __future__ import annotations

import base64
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from recognizer.catalogue import CatalogueView
from recognizer.contract import ModelContract
from recognizer.hubs import hubs
from recognizer.matcher import Candidate, MatcherSettings
from recognizer.step import Floats

_TEMPO_RATIOS = np.linspace(0.6, 1.6, 11)
_OFF_LINE_S = 6.0  # a hit this near to a line of time lies on it
_RECENT_STEPS = 15  # half a minute of windows that a line of time is sought in
_SIMILARITY_STEPS = 2  # more of them still hold what was played before
_PLACED_STEPS = 8  # windows compared where an alignment says that they are
_IN_TURN = 2  # of so many looked at, one has to wait for its turn
_KEPT = 4  # times the length of the list, in references whose score is remembered
_HELD = 3  # references looked at again because they aligned
_HELD_STRENGTH = 2.0


class Said(NamedTuple):
    """What the embedding says about one reference.

    Attributes
    ----------
    hits : int
        Windows of the last half minute whose nearest windows of the reference lie on one line of time,
        t_ref = a · t_feed + b with a from 0.6 to 1.6.
    similarity : float
        Mean, over the last two windows, of the best cosine with the reference's, less what is usual for it.
    recent : float
        The same of the newest seconds alone; 0 where the model has no such embedding.
    placed : float
        Mean cosine of the last eight windows with those of the reference where an alignment says that they are, less
        what is usual: two opinions that do not know each other, of one place. 0 without an alignment.
    """

    hits: int = 0
    similarity: float = 0.0
    recent: float = 0.0
    placed: float = 0.0


class Line(NamedTuple):
    """Where in a reference a feed is: it was at ``reference_s`` ``ago_s`` before now, and ``ratio`` times as fast."""

    reference_s: float
    ago_s: float
    ratio: float


class Shortlist:
    """References worth a second opinion, by accumulated nearness of their windows.

    Attributes
    ----------
    scores, fresh : dict
        Accumulated score by reference id, lasting and fresh.
    """

    def __init__(self, settings: MatcherSettings) -> None:
        self._settings = settings
        self.forget()

    def forget(self) -> None:
        """Start again from nothing."""
        self.scores: dict[str, float] = {}
        self.fresh: dict[str, float] = {}
        self._windows: Floats = np.zeros((0, 0), dtype=np.float32)
        self._ends: Floats = np.zeros((0, 0), dtype=np.float32)
        self._held: list[str] = []
        self._turn = 0

    def update(self, view: CatalogueView, embedding: Floats, recent: Floats | None = None) -> None:
        """Add the evidence of one step.

        Parameters
        ----------
        embedding : float32 array, shape (dimension,)
            Of the window that ends now.
        recent : float32 array, shape (dimension,), optional
            Of its newest seconds alone.
        """
        self._windows = _appended(self._windows, embedding, _RECENT_STEPS)
        queries = [embedding]
        if recent is not None:
            self._ends = _appended(self._ends, recent, _SIMILARITY_STEPS)
            queries.append(recent)
        nearest = [
            _above_the_weakest(view, scores, rows)
            for scores, rows in zip(*hubs(view).search(np.stack(queries), self._settings.hits), strict=True)
        ]
        self._fade(nearest[0], nearest)

    def pause(self) -> None:
        """A step without music: what was near before it counts less after it."""
        self._fade({}, [])

    def _fade(self, lasting: Mapping[str, float], fresh: Sequence[Mapping[str, float]]) -> None:
        """A step goes by, which adds to the scores."""
        settings, kept = self._settings, _KEPT * self._settings.shortlist
        self.scores = _faded(self.scores, settings.decay, [lasting], kept)
        self.fresh = _faded(self.fresh, settings.fresh_decay, fresh, kept)

    def best(self, view: CatalogueView, works: Sequence[str] = ()) -> list[int]:
        """Track numbers to look at now: the best references, the next in turn, and those of ``works`` (already open).

        Every call passes the turn on.
        """
        look = self._settings.look
        if len(view.tracks) <= look:
            return list(range(len(view.tracks)))
        ranked = self.ranked(view)
        in_turn = max(1, look // _IN_TURN)
        always, others = ranked[: look - in_turn], ranked[look - in_turn :]
        turn = look - len(always)
        first = self._turn * turn % max(1, len(others))
        chosen = dict.fromkeys(always + (others + others)[first : first + min(turn, len(others))])
        self._turn = self._turn + 1 if first + turn < len(others) else 0
        return list(chosen | dict.fromkeys(self._kept_in_view(view, works)))

    def leading(self, view: CatalogueView, works: Sequence[str] = ()) -> list[int]:
        """Track numbers that the whole history is worth: the nearest, without those that take turns."""
        if len(view.tracks) <= self._settings.leading:
            return list(range(len(view.tracks)))
        nearest = self.ranked(view)[: self._settings.leading]
        return list(dict.fromkeys(nearest + self._kept_in_view(view, works)))

    def _kept_in_view(self, view: CatalogueView, works: Sequence[str]) -> list[int]:
        """Tracks that aligned lately and those of ``works``."""
        held = [view.track_number(reference) for reference in self._held]
        return [n for n in held if n is not None] + [n for work in works for n in view.tracks_of_work(work)]

    def ranked(self, view: CatalogueView) -> list[int]:
        """Track numbers of the whole list: of three, two by the fresh score and one by the lasting one."""
        fresh, lasting = _ordered(self.fresh), _ordered(self.scores)
        both: dict[str, None] = {}
        for place in range(max(len(fresh), len(lasting))):
            both |= dict.fromkeys(fresh[2 * place : 2 * place + 2] + lasting[place : place + 1])
        numbers = [view.track_number(key) for key in list(both)[: self._settings.shortlist]]
        return [number for number in numbers if number is not None]

    def near(self, view: CatalogueView) -> dict[str, float]:
        """How near each work's windows are to the newest ones: the fresh score of its best reference, best first."""
        best: dict[str, float] = {}
        for reference in _ordered(self.fresh):
            number = view.track_number(reference)
            if number is not None:
                best.setdefault(view.tracks[number].work_id, self.fresh[reference])
        return best

    def note(self, candidates: Sequence[Candidate]) -> None:
        """Remember what the second opinion spoke for: it is asked about that again at the next decision."""
        strong = sorted(candidates, key=lambda c: (-c.strength, c.reference_id))
        self._held = [c.reference_id for c in strong if c.strength >= _HELD_STRENGTH][:_HELD]

    def evidence(self, view: CatalogueView, track: int, contract: ModelContract, line: Line | None = None) -> Said:
        """What the embedding says about a reference, and about an alignment with it."""
        first, end = np.searchsorted(view.vector_track, [track, track + 1]).tolist()
        stored = view.vectors[first:end]
        if first == end or self._windows.shape[1] != stored.shape[1]:
            return Said()
        cosine = self._windows @ stored.T
        usual = float(hubs(view).usual[track])
        similarity = float(cosine[-_SIMILARITY_STEPS:].max(axis=1).mean()) - usual
        recent = float((self._ends @ stored.T).max(axis=1).mean()) - usual if len(self._ends) else 0.0
        there_s = view.vector_start_s[first:end][cosine.argmax(axis=1)]
        hits = _in_line(np.arange(len(there_s)) * contract.step_s, there_s)
        placed = 0.0 if line is None else _placed(cosine, view.vector_start_s[first:end], contract, line) - usual
        return Said(hits, similarity, recent, placed)

    def save(self) -> dict[str, Any]:
        """The state as a JSON object."""
        return {
            "scores": self.scores,
            "fresh": self.fresh,
            "windows": _packed(self._windows),
            "ends": _packed(self._ends),
            "held": self._held,
            "turn": self._turn,
        }

    def restore(self, state: dict[str, Any]) -> None:
        """Inverse of `save`."""
        self.scores = {str(key): float(value) for key, value in state["scores"].items()}
        self.fresh = {str(key): float(value) for key, value in state["fresh"].items()}
        self._windows, self._ends = _unpacked(state["windows"]), _unpacked(state["ends"])
        self._held, self._turn = [str(key) for key in state["held"]], int(state["turn"])


def _placed(cosine: Floats, starts_s: Floats, contract: ModelContract, line: Line) -> float:
    """Mean of the newest rows of ``cosine``, shape (windows heard, windows stored), along a line of time."""
    cosine = cosine[-_PLACED_STEPS:]
    middle_s = contract.window_s / 2
    ago_s = np.arange(len(cosine))[::-1] * contract.step_s + middle_s
    there_s = line.reference_s + (line.ago_s - ago_s) * line.ratio
    nearest = np.abs(starts_s + middle_s - there_s[:, None]).argmin(axis=1)
    return float(cosine[np.arange(len(cosine)), nearest].mean())


def _ordered(scores: Mapping[str, float]) -> list[str]:
    """Reference ids, highest score first."""
    return [key for key, _ in sorted(scores.items(), key=lambda item: (-item[1], item[0]))]


def _above_the_weakest(view: CatalogueView, scores: Floats, rows: npt.NDArray[np.int64]) -> dict[str, float]:
    """Best hit of each reference, by id, above the weakest: being near what everything is near to says nothing."""
    nearest: dict[str, float] = {}
    for score, number in zip(scores.tolist(), view.vector_track[rows].tolist(), strict=True):
        reference = view.tracks[number].reference_id
        nearest[reference] = max(nearest.get(reference, score), score)
    floor = min(nearest.values(), default=0.0)
    return {reference: score - floor for reference, score in nearest.items()}


def _appended(rows: Floats, row: Floats, kept: int) -> Floats:
    """The ``kept`` newest rows, in half precision, as they are saved: a restored shortlist continues exactly."""
    new = row.astype(np.float16).astype(np.float32)[None, :]
    return np.concatenate([rows, new])[-kept:] if rows.shape[1] == new.shape[1] else new


def _packed(rows: Floats) -> dict[str, Any]:
    return {"rows": len(rows), "half": base64.b64encode(rows.astype("<f2").tobytes()).decode("ascii")}


def _unpacked(packed: Mapping[str, Any]) -> Floats:
    flat = np.frombuffer(base64.b64decode(packed["half"]), dtype="<f2").astype(np.float32)
    return flat.reshape(packed["rows"], -1) if packed["rows"] else np.zeros((0, 0), np.float32)


def _faded(
    scores: Mapping[str, float], decay: float, added: Sequence[Mapping[str, float]], kept: int
) -> dict[str, float]:
    """Scores that have decayed for a step, with those of the step; only the ``kept`` highest."""
    total = {key: value * decay for key, value in scores.items()}
    for some in added:
        for reference, score in some.items():
            total[reference] = total.get(reference, 0.0) + score
    return {key: total[key] for key in _ordered(total)[:kept]}


def _in_line(here_s: Floats, there_s: Floats) -> int:
    """Most of the points (here, there) that lie within `_OFF_LINE_S` of one line through one of them."""
    offsets = there_s - _TEMPO_RATIOS[:, None] * here_s
    near = np.abs(offsets[:, :, None] - offsets[:, None, :]) <= _OFF_LINE_S
    return int(near.sum(axis=2).max())
