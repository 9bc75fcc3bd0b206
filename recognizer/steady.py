"""How steadily a work has been ahead of all others.

Chance puts one work ahead now and another two seconds later; a cover stays ahead, in one key. So at each decision the
strongest work earns by how much it is stronger than the next, up to a point: a single decision cannot earn much. What
was earned fades within some ten decisions, and is lost when the key of the alignment jumps.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

from recognizer.matcher import Candidate, best_per_work

_FADES_IN_S = 19.0
_MOST_EARNED = 1.0  # of strength; a larger lead is no better
_LONGEST_S = 4.0  # a longer pause between two decisions earns no more than this
_FORGOTTEN = 1e-3


class Steadiness:
    """What each work has earned lately; see the module.

    Attributes
    ----------
    earned : dict of str to float
        By work, from 0 to 1: the mean lead over the last decisions, the newest counting most.
    """

    def __init__(self) -> None:
        self.forget()

    def forget(self) -> None:
        """Start again from nothing."""
        self.earned: dict[str, float] = {}
        self._key: dict[str, int] = {}

    def update(self, seconds: float, candidates: Sequence[Candidate]) -> Mapping[str, float]:
        """One decision; returns `earned`.

        Parameters
        ----------
        seconds : float
            Since the decision before.
        candidates : sequence of Candidate
            Any order; several of one work may appear.
        """
        keep = math.exp(-seconds / _FADES_IN_S)
        share = 1 - math.exp(-min(seconds, _LONGEST_S) / _FADES_IN_S)
        self.earned = {work: value * keep for work, value in self.earned.items() if value * keep >= _FORGOTTEN}
        ordered = sorted(candidates, key=lambda c: (-c.strength, c.work_id, c.reference_id, c.transpose_semitones))
        ranked = list(best_per_work(ordered, lambda c: c.strength).values())
        if ranked and ranked[0].strength > 0:
            first, second = ranked[0], max(0.0, ranked[1].strength) if len(ranked) > 1 else 0.0
            key = first.transpose_semitones
            before = self.earned.get(first.work_id, 0.0) if self._key.get(first.work_id, key) == key else 0.0
            self.earned[first.work_id] = before + share * min(_MOST_EARNED, first.strength - second)
            self._key[first.work_id] = key
        self._key = {work: key for work, key in self._key.items() if work in self.earned}
        return self.earned

    def save(self) -> dict[str, Any]:
        """The state as a JSON object."""
        return {"earned": self.earned, "key": self._key}

    def restore(self, state: Mapping[str, Any]) -> None:
        """Inverse of `save`."""
        self.earned = {str(work): float(value) for work, value in state["earned"].items()}
        self._key = {str(work): int(key) for work, key in state["key"].items()}
