"""One programme: what comes after what is drawn so that each kind gets its share of the time."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TypeVar

import numpy as np

from models.programmes.choose import Work
from models.programmes.desk import Desk
from models.programmes.material import excerpt, in_a_room, jingle, simulated_applause, simulated_noise, talk
from models.programmes.perform import Players

# Shares of the time that is not covers.
_OTHERS = {
    "foreign": 0.36,
    "unknown": 0.24,
    "speech": 0.2,
    "applause": 0.05,
    "silence": 0.04,
    "jingle": 0.03,
    "noise": 0.08,
}
_MOST_FAILURES = 20
_Item = TypeVar("_Item")


@dataclass(slots=True)
class Ingredients:
    """What one programme may play; works and files are used one after another.

    Attributes
    ----------
    covers, unknown : sequences of Work
        Works of the catalogue to be covered, and works that are not in it.
    foreign, speech : sequences of Path
        Recordings of other music and of talk; either may be empty.
    cover_share : float
        Share of the time for covers.
    """

    players: Players
    soundfonts: Sequence[Path]
    covers: Sequence[Work]
    unknown: Sequence[Work]
    foreign: Sequence[Path]
    speech: Sequence[Path]
    cover_share: float = 0.42
    _next: dict[str, int] = field(default_factory=dict)

    def shares(self) -> dict[str, float]:
        """Share of the time of each kind that there is material for."""
        others = {k: v for k, v in _OTHERS.items() if not (k == "foreign" and not self.foreign)}
        if not self.unknown:
            others.pop("unknown")
        if not self.soundfonts:
            others.pop("jingle")
        cover_share = self.cover_share if self.covers else 0.0
        scale = (1 - cover_share) / sum(others.values())
        shares = {kind: share * scale for kind, share in others.items()}
        if cover_share:
            shares["cover"] = cover_share
        return shares

    def following(self, kind: str, items: Sequence[_Item]) -> _Item:
        """The next item of its kind, from the beginning again when all have been used."""
        number = self._next.get(kind, 0)
        self._next[kind] = number + 1
        return items[number % len(items)]


def compose(material: Ingredients, seconds: float, rng: np.random.Generator, tell: Callable[[float], None]) -> Desk:
    """A programme of at least ``seconds``; ``tell`` hears how far it has come (seconds)."""
    desk = Desk(rng)
    shares = material.shares()
    got = dict.fromkeys(shares, 0.0)
    failures = 0
    while desk.now_s < seconds:
        # What lags behind its share comes next, with some chance in it.
        behind = {k: share * (desk.now_s + 60) - got[k] + rng.normal(0, 15) for k, share in shares.items()}
        kind = max(behind, key=lambda k: behind[k])
        before_s = desk.now_s
        _PLAY[kind](desk, material, rng)
        got[kind] += desk.now_s - before_s
        tell(desk.now_s)
        failures = failures + 1 if desk.now_s == before_s else 0
        if failures > _MOST_FAILURES:
            raise ValueError(f"{failures} pieces of kind {kind!r} in a row could not be read; check the folders given")
    return desk


def _cover(desk: Desk, material: Ingredients, rng: np.random.Generator) -> None:
    work = material.following("cover", material.covers)
    cover = material.players.cover(work, rng)
    desk.play(in_a_room(cover.audio, rng), "cover", work.work_id, cover.note)
    _maybe_talk_over(desk, material, rng)


def _unknown(desk: Desk, material: Ingredients, rng: np.random.Generator) -> None:
    piece = material.players.unknown(material.following("unknown", material.unknown), rng.uniform(30, 120), rng)
    desk.play(in_a_room(piece.audio, rng), "foreign", note=piece.note)
    _maybe_talk_over(desk, material, rng)


def _foreign(desk: Desk, material: Ingredients, rng: np.random.Generator) -> None:
    path = material.following("foreign", material.foreign)
    audio = excerpt(path, rng.uniform(30, 120), rng)
    if len(audio):
        desk.play(in_a_room(audio, rng), "foreign", note=f"recording {path.name}")
        _maybe_talk_over(desk, material, rng)


def _speech(desk: Desk, material: Ingredients, rng: np.random.Generator) -> None:
    audio, note = talk(material.speech, rng.uniform(8, 40), rng)
    desk.play(audio, "speech", note=note)


def _applause(desk: Desk, material: Ingredients, rng: np.random.Generator) -> None:
    desk.play(simulated_applause(rng.uniform(4, 12), rng), "applause", note="simulated")


def _silence(desk: Desk, material: Ingredients, rng: np.random.Generator) -> None:
    desk.silence(float(rng.uniform(3, 12)))


def _jingle(desk: Desk, material: Ingredients, rng: np.random.Generator) -> None:
    desk.play(jingle(material.soundfonts[int(rng.integers(len(material.soundfonts)))], rng), "jingle")


def _noise(desk: Desk, material: Ingredients, rng: np.random.Generator) -> None:
    desk.play(simulated_noise(rng.uniform(5, 20), rng), "noise", note="simulated")


def _maybe_talk_over(desk: Desk, material: Ingredients, rng: np.random.Generator) -> None:
    if rng.random() < 0.2:
        audio, note = talk(material.speech, rng.uniform(4, 10), rng)
        desk.over_last(audio, "speech", f"{note}, over music")


_PLAY: dict[str, Callable[[Desk, Ingredients, np.random.Generator], None]] = {
    "cover": _cover,
    "unknown": _unknown,
    "foreign": _foreign,
    "speech": _speech,
    "applause": _applause,
    "silence": _silence,
    "jingle": _jingle,
    "noise": _noise,
}


def something_else(desk: Desk, material: Ingredients, rng: np.random.Generator) -> None:
    """Talk, mostly with unknown music after it: what surrounds a real recording."""
    _speech(desk, material, rng)
    if rng.random() < 0.7:
        recorded = material.foreign and (rng.random() < 0.6 or not material.unknown)
        (_foreign if recorded else _unknown if material.unknown else _noise)(desk, material, rng)
