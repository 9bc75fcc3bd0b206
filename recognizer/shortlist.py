"""Which references deserve a second opinion, by the nearness of their windows to the feed's.

Per step, the windows that stand out most (`recognizer.hubs`) add to their reference's scores, and older scores fade:
the *fresh* ones within a few windows, so that a song is found soon after it began, the *lasting* ones within half a
minute, so that one bad window does not lose it. Where the model can say what the newest seconds alone sound like, that
is searched among the references' pieces of that length and counts as fresh: a window of twenty seconds still holds what
was on before. How the references on the resulting list stand among each other (`recognizer.standing`) says which of
them get a second opinion, so that a decision costs the same however many works the catalogue holds.
"""

from __future__ import annotations

import base64
from collections.abc import Callable, Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from recognizer.catalogue import CatalogueView
from recognizer.hubs import Hubs, hubs, piece_hubs
from recognizer.matcher import Candidate, MatcherSettings
from recognizer.step import Floats

_SIMILARITY_STEPS = 2  # more of them still hold what was played before
_LINE_PIECES = 2  # one after the other, here and there: tells more than each by itself, and is two seconds late
_KEPT = 4  # times the length of the list, in references whose score is remembered
_HELD = 3  # references looked at again because they aligned
_HELD_STRENGTH = 2.0
FEW = 8  # references that say nothing of what is usual, taken together
# Of the weakest of 64 hits in a catalogue of a hundred works, median over two hours of programmes (salience-4).
_WEAKEST_COSINE = 0.40


class Nearness(NamedTuple):
    """How near a feed is to one reference.

    Attributes
    ----------
    newest : float
        Best cosine of the newest window with the reference's, less half of what is usual for it; or that of the newest
        pieces, when it is more.
    similarity : float
        Mean of the best cosines of the last two windows, less what is usual for the reference.
    """

    newest: float = 0.0
    similarity: float = 0.0


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
        self._pieces: Floats = np.zeros((0, 0), dtype=np.float32)
        self._held: list[str] = []

    def update(self, view: CatalogueView, embedding: Floats, recent: Floats | None = None) -> None:
        """Add the evidence of one step.

        Parameters
        ----------
        embedding : float32 array, shape (dimension,)
            Of the window that ends now.
        recent : float32 array, shape (dimension,), optional
            Of its newest seconds alone.
        """
        self._windows = _appended(self._windows, embedding, _SIMILARITY_STEPS)
        nearest = [_above_the_weakest(view, hubs(view), embedding, self._settings.hits)]
        if recent is not None:
            self._pieces = _appended(self._pieces, recent, _LINE_PIECES)
            # A catalogue of an earlier version has no pieces; windows are comparable, though less near.
            corrected = piece_hubs(view) if len(view.pieces) else hubs(view)
            nearest.append(_above_the_weakest(view, corrected, recent, self._settings.hits))
        self._fade(nearest[0], nearest)

    def pause(self) -> None:
        """A step without music: what was near before it counts less after it."""
        self._fade({}, [])

    def _fade(self, lasting: Mapping[str, float], fresh: Sequence[Mapping[str, float]]) -> None:
        """A step goes by, which adds to the scores."""
        settings, kept = self._settings, _KEPT * self._settings.shortlist
        self.scores = _faded(self.scores, settings.decay, [lasting], kept)
        self.fresh = _faded(self.fresh, settings.fresh_decay, fresh, kept)

    def listed(self, view: CatalogueView, works: Sequence[str] = ()) -> list[int]:
        """Track numbers that may be looked at: the whole list, what aligned lately, and those of ``works``."""
        held = [view.track_number(reference) for reference in self._held]
        kept = [n for n in held if n is not None] + [n for work in works for n in view.tracks_of_work(work)]
        few = range(len(view.tracks) if len(view.tracks) <= self._settings.shortlist else 0)
        return list(dict.fromkeys([*self.ranked(view), *kept, *few]))

    def ranked(self, view: CatalogueView) -> list[int]:
        """Track numbers of the whole list: of three, two by the fresh score and one by the lasting one."""
        fresh, lasting = _ordered(self.fresh), _ordered(self.scores)
        both: dict[str, None] = {}
        for place in range(max(len(fresh), len(lasting))):
            both |= dict.fromkeys(fresh[2 * place : 2 * place + 2] + lasting[place : place + 1])
        numbers = [view.track_number(key) for key in list(both)[: self._settings.shortlist]]
        return [number for number in numbers if number is not None]

    def note(self, candidates: Sequence[Candidate]) -> None:
        """Remember what the second opinion spoke for: it is asked about that again at the next decision."""
        strong = sorted(candidates, key=lambda c: (-c.strength, c.reference_id))
        self._held = [c.reference_id for c in strong if c.strength >= _HELD_STRENGTH][:_HELD]

    def nearness(self, view: CatalogueView, tracks: Sequence[int]) -> dict[int, Nearness]:
        """How near the newest windows are to some references, by track number; zeros where nothing can be compared."""
        found = dict.fromkeys(tracks, Nearness())
        there = _one_after_another(view.vectors, view.window_rows, tracks)
        if there is None or self._windows.shape[1] != there.rows.shape[1]:
            return found
        best = np.maximum.reduceat(self._windows @ there.rows.T, there.starts, axis=1)
        lines = self._piece_nearness(view, there.tracks)
        windows = hubs(view)
        for number, newest, mean in zip(there.tracks, best[-1].tolist(), best.mean(axis=0).tolist(), strict=True):
            near = newest - windows.taken(number)
            found[number] = Nearness(max(near, lines.get(number, -1.0)), mean - float(windows.usual[number]))
        return found

    def _piece_nearness(self, view: CatalogueView, tracks: Sequence[int]) -> dict[int, float]:
        """Of references with pieces, the best mean cosine of the newest with some that follow each other as they do."""
        there = _one_after_another(view.pieces, view.piece_rows, tracks)
        if there is None or self._pieces.shape[1] != there.rows.shape[1]:
            return {}
        cosines = self._pieces @ there.rows.astype(np.float32).T
        count = cosines.shape[1]
        first = np.repeat(there.starts, np.diff(there.starts, append=count))  # where each piece's reference begins
        line = np.zeros(count, dtype=np.float32)
        for ago, row in enumerate(cosines[::-1]):
            line += row[np.maximum(np.arange(count) - ago, first)]
        best = np.maximum.reduceat(line, there.starts).tolist()
        pieces = piece_hubs(view)
        return {n: value / len(cosines) - pieces.taken(n) for n, value in zip(there.tracks, best, strict=True)}

    def save(self) -> dict[str, Any]:
        """The state as a JSON object."""
        return {
            "scores": self.scores,
            "fresh": self.fresh,
            "windows": _packed(self._windows),
            "pieces": _packed(self._pieces),
            "held": self._held,
        }

    def restore(self, state: dict[str, Any]) -> None:
        """Inverse of `save`."""
        self.scores = {str(key): float(value) for key, value in state["scores"].items()}
        self.fresh = {str(key): float(value) for key, value in state["fresh"].items()}
        self._windows, self._pieces = _unpacked(state["windows"]), _unpacked(state["pieces"])
        self._held = [str(key) for key in state["held"]]


class _Laid(NamedTuple):
    """Rows of some references, one reference after another, and where each begins."""

    tracks: list[int]
    rows: npt.NDArray[np.floating[Any]]
    starts: npt.NDArray[np.intp]


def _one_after_another(
    table: npt.NDArray[np.floating[Any]], rows_of: Callable[[int], slice], tracks: Sequence[int]
) -> _Laid | None:
    """What a table holds of some references, without those that have nothing in it; None when none has.

    One product with all of it is cheaper than one with each: a call costs more than the arithmetic in it.
    """
    stretches = {number: rows_of(number) for number in tracks}
    there = {number: some for number, some in stretches.items() if some.stop > some.start}
    if not there:
        return None
    ends = np.cumsum([some.stop - some.start for some in there.values()])
    return _Laid(list(there), np.concatenate([table[some] for some in there.values()]), np.append(0, ends[:-1]))


def _ordered(scores: Mapping[str, float]) -> list[str]:
    """Reference ids, highest score first."""
    return [key for key, _ in sorted(scores.items(), key=lambda item: (-item[1], item[0]))]


def _above_the_weakest(view: CatalogueView, corrected: Hubs, embedding: Floats, hits: int) -> dict[str, float]:
    """Best hit of each reference, by id, above the weakest: being near what everything is near to says nothing.

    Of few references the weakest may be what sounds; a stranger of a larger catalogue stands in for it.
    """
    scores, rows = corrected.search(embedding[None], hits)
    # The best come first: from the last to the first, the best of each reference is what remains.
    nearest = dict(zip(corrected.table.track[rows[0]].tolist()[::-1], scores[0].tolist()[::-1], strict=True))
    if len(nearest) >= FEW:
        floor = min(nearest.values())
        return {view.tracks[number].reference_id: score - floor for number, score in nearest.items()}
    return {
        view.tracks[number].reference_id: max(0.0, score - corrected.score(_WEAKEST_COSINE, number))
        for number, score in nearest.items()
    }


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
