"""Batches for the trainer: made ahead by low-priority processes where there is time, else on the spot.

With no helper every run sees the same batches in the same order. With helpers the batches are still drawn from the
seed, but which of them arrive first depends on the machine's load.
"""

from __future__ import annotations

import queue
from collections.abc import Iterator
from dataclasses import replace
from functools import partial
from pathlib import Path

import numpy as np
import numpy.typing as npt

from models.data.ahead import Make, made_ahead
from models.data.bank import Bank
from models.data.manifest import Entry
from models.data.recorded import Recordings
from models.data.store import ScoreStore
from models.data.views import Corpus, Recipe, batch
from models.settings import Data, SettingsError

_AHEAD = 12
_HERE = 1000  # in a seed, where helpers have their number
Batch = tuple[npt.NDArray[np.uint8], npt.NDArray[np.int64]]


def corpus_of(entries: list[Entry], settings: Data) -> Corpus:
    """The corpus that a configuration describes."""
    near = None
    if settings.neighbours:
        with np.load(settings.neighbours, allow_pickle=False) as data:
            near, first = data["neighbours"], [str(path) for path in data["first"]]
    corpus = Corpus(entries, ScoreStore(Path(settings.store)), settings.weights, near, settings.versions)
    if near is not None and first != [files[0] for files in corpus.works]:
        raise SettingsError(f"{settings.neighbours} was made for other works; make it anew with models.neighbours")
    return corpus


def wants_recordings(settings: Data) -> bool:
    """Whether a configuration asks for recordings.

    Raises
    ------
    SettingsError
        When it asks for more than pairs of single windows, or for parts of groups.
    """
    if not (settings.recordings and settings.recorded_works):
        return False
    if (settings.views, settings.windows) != (2, 1) or settings.recorded_works % settings.group:
        raise SettingsError("data.recorded_works needs 2 views of 1 window, and a multiple of data.group works")
    return True


def recordings_of(settings: Data) -> Recordings | None:
    """The recordings that a configuration asks for; `SettingsError` as `wants_recordings`."""
    return Recordings(Path(settings.recordings)) if wants_recordings(settings) else None


def recipe_of(settings: Data) -> Recipe:
    """The recipe that a configuration describes."""
    return Recipe(
        group=settings.group,
        human=settings.human,
        views=settings.views,
        windows=settings.windows,
        recent=settings.recent,
        begun=settings.begun,
    )


def batches(
    entries: list[Entry], settings: Data, seed: int, first: int, last: int, part: tuple[int, int] = (0, 1)
) -> Iterator[Batch]:
    """Yield views and works, as `models.data.views.batch` gives them, for steps ``first`` to ``last``.

    Parameters
    ----------
    part
        Number of this trainer and how many there are: each makes its share of every batch, of works of its own.

    Raises
    ------
    SettingsError
        When the works of a batch cannot be shared out evenly, or the bank does not fit the configuration.
    """
    number, of = part
    if settings.works_per_batch % of:
        raise SettingsError(f"data.works_per_batch is {settings.works_per_batch}, not a multiple of {of} processes")
    works = settings.works_per_batch // of
    if settings.bank:
        bank = Bank(Path(settings.bank))
        bank.check(settings)
        for step in range(first, last):
            yield bank.batch(settings.works_per_batch, (seed, step), part)
        return
    seeds = (seed,) if of == 1 else (seed, of, number)
    yield from _made(entries, replace(settings, works_per_batch=works), seeds, first, last, part)


def _made(
    entries: list[Entry], settings: Data, seed: tuple[int, ...], first: int, last: int, part: tuple[int, int]
) -> Iterator[Batch]:
    """New batches: by helpers while they keep up, else here."""
    build = partial(_maker, entries, settings, part)
    make = build()
    with made_ahead(build, seed, first, settings.helpers, _AHEAD) as made:
        for number in range(first, last):
            try:
                yield made.get_nowait()
            except queue.Empty:
                yield make((*seed, _HERE, number))


def _maker(entries: list[Entry], settings: Data, part: tuple[int, int]) -> Make[Batch]:
    """What makes a batch from a seed, with everything it needs in memory."""
    corpus, recipe, extra = corpus_of(entries, settings).part(*part), recipe_of(settings), recordings_of(settings)
    return lambda seed: batch(corpus, recipe, settings.works_per_batch, seed, extra, settings.recorded_works)
