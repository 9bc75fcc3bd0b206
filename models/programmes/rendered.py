"""A benchmark set from scores: recordings for the catalogue, programmes of covers among other things, and the truth."""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import zip_longest
from pathlib import Path
from typing import TypeVar

import numpy as np

from models.programmes.broadcast import Ingredients, compose
from models.programmes.choose import Choice, Work
from models.programmes.files import (
    MANIFEST_COLUMNS,
    TRUTH_COLUMNS,
    read_table,
    truth_rows,
    write_flac,
    write_table,
)
from models.programmes.perform import Players

log = logging.getLogger(__name__)
_Item = TypeVar("_Item")
_EVERY = 20  # references between two lines of progress


@dataclass(frozen=True, slots=True)
class Plan:
    """What is made: counts, lengths and where from."""

    out: Path
    programmes: int
    minutes: float
    seed: int
    cover_share: float
    soundfonts: Sequence[Path]
    foreign: Sequence[Path]
    speech: Sequence[Path]


def write_programmes(plan: Plan, choice: Choice, players: Players) -> Path:
    """Write the programmes that are missing and the truth of all; returns the truth's path."""
    tables: list[dict[str, str]] = []
    for number in range(plan.programmes):
        name = f"programme-{number:02d}"
        audio, table = plan.out / "programmes" / f"{name}.flac", plan.out / "programmes" / f"{name}.csv"
        if not (audio.exists() and table.exists()):
            rng = np.random.default_rng((plan.seed, 3, number))
            desk = compose(_ingredients(plan, choice, players, number), plan.minutes * 60, rng, _Progress(name))
            write_flac(audio, desk.mixed())
            write_table(table, TRUTH_COLUMNS, truth_rows(name, audio.name, desk.rows))
            log.info("%s: %.1f minutes, %d covers", name, desk.now_s / 60, sum(r.kind == "cover" for r in desk.rows))
        tables += [{**row, "path": f"programmes/{row['path']}"} for row in read_table(table)]
    truth = plan.out / "truth.csv"
    write_table(truth, TRUTH_COLUMNS, tables)
    return truth


def _ingredients(plan: Plan, choice: Choice, players: Players, number: int) -> Ingredients:
    """Every programme has works and files of its own; every second cover is another human's version."""
    rng = np.random.default_rng((plan.seed, 4))
    human = _shuffled(choice.with_versions, rng)[number :: plan.programmes]
    others = _shuffled([w for w in choice.catalogue if len(w.paths) == 1], rng)[number :: plan.programmes]
    covers = [work for pair in zip_longest(human, others) for work in pair if work is not None]
    unknown = _shuffled(choice.unknown, rng)[number :: plan.programmes]
    foreign = _shuffled(plan.foreign, rng)[number :: plan.programmes]
    return Ingredients(
        players,
        plan.soundfonts,
        covers,
        unknown,
        foreign,
        plan.speech,
        plan.cover_share,
    )


def _shuffled(items: Sequence[_Item], rng: np.random.Generator) -> list[_Item]:
    return [items[int(i)] for i in rng.permutation(len(items))]


def write_catalogue(out: Path, works: Sequence[Work], titles: Mapping[str, str], players: Players) -> Path:
    """Write the recordings that are missing and the table for ``indexer add --manifest``; returns the table's path."""
    rows: list[dict[str, object]] = []
    for number, work in enumerate(works):
        path = out / "catalogue" / f"{number:05d}.flac"
        if not path.exists():
            write_flac(path, players.reference(work))
        rows.append({"path": f"catalogue/{path.name}", "work_id": work.work_id, "title": titles.get(work.work_id, "")})
        if (number + 1) % _EVERY == 0 or number + 1 == len(works):
            log.info("catalogue: %d of %d recordings", number + 1, len(works))
    table = out / "catalogue.csv"
    write_table(table, MANIFEST_COLUMNS, rows)
    return table


class _Progress:
    """Says every five minutes of a programme that it goes on."""

    def __init__(self, name: str) -> None:
        self._name, self._said = name, 0.0

    def __call__(self, now_s: float) -> None:
        if now_s - self._said >= 300:
            self._said = now_s
            log.info("%s: %.0f minutes", self._name, now_s / 60)
