"""Which works the catalogue holds, and which are played as unknown music."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass

import numpy as np

from models.data.anchors import melody_grams
from models.data.manifest import Entry
from models.data.store import ScoreStore

_ALIKE = 0.25  # of the smaller tune's passages in common: one tune under two names


@dataclass(frozen=True, slots=True)
class Work:
    """One work with the paths of its human-made versions (at least one) in the store."""

    work_id: str
    paths: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Choice:
    """Works of the catalogue and works kept out of it; no two of them share a quarter of their melody."""

    catalogue: tuple[Work, ...]
    unknown: tuple[Work, ...]

    @property
    def with_versions(self) -> tuple[Work, ...]:
        """Works of the catalogue that another human arranged too."""
        return tuple(work for work in self.catalogue if len(work.paths) > 1)


def works_of(entries: Iterable[Entry], store: ScoreStore, split: str) -> list[Work]:
    """Works of a split with the files that the store holds."""
    paths: dict[str, list[str]] = {}
    for entry in entries:
        if entry.split == split and entry.path in store:
            paths.setdefault(entry.work_id, []).append(entry.path)
    return [Work(work_id, tuple(found)) for work_id, found in sorted(paths.items())]


def choose(
    works: Sequence[Work],
    store: ScoreStore,
    catalogue: int,
    unknown: int,
    seed: int,
    progress: Callable[[int, int], None] = lambda done, of: None,
) -> Choice:
    """Draw the catalogue, up to half of it works with several human versions, then unknown works.

    Works are passed over when they are too much like one drawn before: a tune that a collection holds under two names
    would count as a false detection although it is right.

    Raises
    ------
    ValueError
        When there are too few works.
    """
    order = [works[int(i)] for i in np.random.default_rng((seed, 1)).permutation(len(works))]
    human = [work for work in order if len(work.paths) > 1]
    order = human[: catalogue // 2] + [work for work in order if len(work.paths) == 1] + human[catalogue // 2 :]
    seen = _Tunes()
    drawn: list[Work] = []
    for work in order:
        if len(drawn) == catalogue + unknown:
            break
        if seen.add(set().union(*(melody_grams(store[path]) for path in work.paths))):
            drawn.append(work)
            progress(len(drawn), catalogue + unknown)
    if len(drawn) < catalogue + min(unknown, 1):
        raise ValueError(
            f"only {len(drawn)} of {len(works)} works are different tunes, {catalogue} are wanted for the catalogue "
            "and more as unknown music; ask for a smaller catalogue"
        )
    return Choice(tuple(drawn[:catalogue]), tuple(drawn[catalogue:]))


class _Tunes:
    """Melodies seen so far, by their passages."""

    def __init__(self) -> None:
        self._holders: dict[bytes, list[int]] = {}
        self._sizes: list[int] = []

    def add(self, grams: set[bytes]) -> bool:
        """Take in a melody; false, and nothing taken in, when it is much like an earlier one."""
        common: dict[int, int] = {}
        for gram in grams:
            for holder in self._holders.get(gram, ()):
                common[holder] = common.get(holder, 0) + 1
        if any(count > _ALIKE * min(len(grams), self._sizes[holder]) for holder, count in common.items()):
            return False
        for gram in grams:
            self._holders.setdefault(gram, []).append(len(self._sizes))
        self._sizes.append(len(grams))
        return True
