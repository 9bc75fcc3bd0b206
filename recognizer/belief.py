"""A small hidden-state decoder: what one feed is playing, as probabilities that add up to one.

States are *nothing* (no music), *unknown* music, and each work that had evidence lately. Between two decisions the
feed may move on (a song ends after a few minutes, another begins); at a decision each state is weighed by how well
it explains what was heard. Consecutive decisions look at mostly the same seconds, so what they say is tempered before
it is added up. Works share one probability: while two explain the same music equally well, neither is believed.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass

NOTHING, UNKNOWN = "nothing", "unknown"


@dataclass(frozen=True, slots=True)
class BeliefSettings:
    """Numbers of the decoder.

    Attributes
    ----------
    stay_s : float
        Mean time that a state lasts.
    enter : float
        Share of what leaves a state that goes to each work with evidence.
    temper_per_s : float
        Weight of a decision's evidence per second since the one before, at most 1.
    chance : float
        Confidence that speaks neither for nor against a work.
    unheard : float
        Confidence that a work without any evidence has.
    talk_over : float
        How well a work explains sound that is not music, beside nothing at all.
    forget : float
        A work believed less than this is dropped.
    """

    stay_s: float = 60.0
    enter: float = 0.5
    temper_per_s: float = 0.5
    chance: float = 0.25
    unheard: float = 0.03
    talk_over: float = 0.7
    forget: float = 1e-4


class Belief:
    """The probabilities of one feed's states.

    Attributes
    ----------
    works : dict of str to float
        Probability of each work.
    nothing, unknown : float
    """

    def __init__(self, settings: BeliefSettings | None = None) -> None:
        self._settings = settings or BeliefSettings()
        self.works: dict[str, float] = {}
        self.nothing, self.unknown = 1.0, 0.0

    def update(self, seconds: float, music: bool, confidences: Mapping[str, float]) -> None:
        """One decision.

        Parameters
        ----------
        seconds : float
            Since the decision before.
        music : bool
            What the gate said.
        confidences : mapping of str to float
            Works with evidence, each by itself.
        """
        settings = self._settings
        self._move(seconds, set(confidences))
        temper = min(1.0, settings.temper_per_s * seconds)
        quiet = 1.0 if music else settings.talk_over**temper
        weight = {
            work: believed * quiet * math.exp(temper * self._support(confidences.get(work), music))
            for work, believed in self.works.items()
        }
        # The gate has already told nothing from unknown music.
        rest = self.nothing + self.unknown
        total = rest + sum(weight.values())
        self.nothing, self.unknown = (0.0, rest / total) if music else (rest / total, 0.0)
        self.works = {work: value / total for work, value in weight.items() if value / total >= settings.forget}

    def _support(self, confidence: float | None, music: bool) -> float:
        """Log-likelihood ratio of a work against unknown music, before tempering."""
        settings = self._settings
        if confidence is None:
            return _logit(settings.unheard) - _logit(settings.chance) if music else 0.0
        return _logit(confidence) - _logit(settings.chance)

    def _move(self, seconds: float, seen: set[str]) -> None:
        """The time between two decisions: some of every state moves on to others."""
        settings = self._settings
        for work in sorted(seen):
            self.works.setdefault(work, 0.0)
        leaving = 1.0 - math.exp(-seconds / settings.stay_s)
        each = min(settings.enter, 0.5 / max(1, len(seen)))
        rest = 1.0 - each * len(seen)
        moved = leaving * (self.nothing + self.unknown + sum(self.works.values()))
        self.unknown = (self.nothing + self.unknown) * (1 - leaving) + moved * rest
        self.nothing = 0.0
        for work in self.works:
            self.works[work] = self.works[work] * (1 - leaving) + (moved * each if work in seen else 0.0)

    def save(self) -> dict[str, object]:
        """The state as a JSON object."""
        return {NOTHING: self.nothing, UNKNOWN: self.unknown, "works": self.works}

    def restore(self, state: Mapping[str, object]) -> None:
        """Inverse of `save`."""
        works = state["works"]
        assert isinstance(works, dict)
        self.works = {str(work): float(value) for work, value in works.items()}
        self.nothing, self.unknown = float(str(state[NOTHING])), float(str(state[UNKNOWN]))


def _logit(probability: float) -> float:
    limited = min(max(probability, 1e-6), 1 - 1e-6)
    return math.log(limited / (1 - limited))
