"""Batches of pieces for the trainer."""

from __future__ import annotations

import multiprocessing
import queue
from collections.abc import Iterator
from contextlib import ExitStack
from functools import partial
from pathlib import Path

import numpy as np

from models.data.ahead import Make, made_ahead
from models.data.feed import corpus_of, recipe_of
from models.data.manifest import Entry
from models.heard.recordings import Recordings
from models.heard.scene import Cast, Piece, draw_piece
from models.settings import Data, Heard, SettingsError

_AHEAD = 3
_HERE = 1000  # in a seed, where helpers have their number


def cast_of(entries: list[Entry], data: Data, heard: Heard, part: tuple[int, int]) -> Cast:
    """What a part of every batch is made of.

    Raises
    ------
    SettingsError
        When works cannot be shared out in whole groups.
    """
    number, of = part
    works, rest = divmod(data.works_per_batch, of)
    if rest or works % data.group or heard.recorded_works % data.group:
        raise SettingsError(
            f"data.works_per_batch is {data.works_per_batch} and heard.recorded_works {heard.recorded_works}; expected "
            f"{of} pieces of whole groups of {data.group}"
        )
    recordings = Recordings(Path(heard.recordings), part) if heard.recordings and heard.recorded_works else None
    if recordings is not None and len(recordings) < heard.recorded_works:
        raise SettingsError(
            f"heard.recorded_works is {heard.recorded_works}, but {heard.recordings} has {len(recordings)} works "
            f"with a tune for piece {number} of {of}; use fewer, or more recordings"
        )
    return Cast(corpus_of(entries, data).part(number, of), recipe_of(data), recordings, works, heard.recorded_works)


def _maker(entries: list[Entry], data: Data, heard: Heard, part: tuple[int, int]) -> Make[Piece]:
    cast = cast_of(entries, data, heard, part)
    return lambda seed: draw_piece(cast, seed)


def batches(
    entries: list[Entry], data: Data, heard: Heard, seed: int, first: int, last: int, part: tuple[int, int] = (0, 1)
) -> Iterator[list[Piece]]:
    """The pieces of each batch from step ``first`` to the last; works of one batch are all different.

    With helpers, batches are waited for, and which of them come first depends on the machine; without, they are made
    here and repeat exactly.
    """
    trainer, trainers = part
    if heard.pieces % trainers:
        raise SettingsError(f"heard.pieces is {heard.pieces}, not a multiple of {trainers} trainers")
    mine = [(n, heard.pieces) for n in range(trainer, heard.pieces, trainers)]
    makers = [partial(_maker, entries, data, heard, piece) for piece in mine]
    if not heard.helpers:
        here = [maker() for maker in makers]
        for step in range(first, last):
            yield [make((seed, piece[0], _HERE, step)) for make, piece in zip(here, mine, strict=True)]
        return
    with ExitStack() as stack:
        queues = [
            stack.enter_context(made_ahead(maker, (seed, piece[0]), first, heard.helpers, _AHEAD))
            for maker, piece in zip(makers, mine, strict=True)
        ]
        for _ in range(first, last):
            yield [_next(made) for made in queues]


def _next(made: multiprocessing.Queue[Piece]) -> Piece:
    while True:
        try:
            return made.get(timeout=120)
        except queue.Empty as error:
            raise RuntimeError("no piece was made for two minutes; did the helpers run out of memory?") from error


def joined(pieces: list[Piece]) -> Piece:
    """One piece of all works: first all first views, then all second ones.

    Numbers of works are kept; rows are numbered anew.
    """
    counts = [len(piece.works) for piece in pieces]
    starts = np.cumsum([0, *counts[:-1]])
    total = sum(counts)

    def rows(piece: Piece, start: int, old: np.ndarray) -> np.ndarray:
        side, row = np.divmod(old, len(piece.works))
        return (side * total + start + row).astype(old.dtype)

    return Piece(
        view=np.concatenate([rows(p, int(s), p.view) for p, s in zip(pieces, starts, strict=True)]),
        onset_s=np.concatenate([p.onset_s for p in pieces]),
        duration_s=np.concatenate([p.duration_s for p in pieces]),
        pitch=np.concatenate([p.pitch for p in pieces]),
        level=np.concatenate([p.level for p in pieces]),
        part=np.concatenate([p.part for p in pieces]),
        recorded=np.concatenate([rows(p, int(s), p.recorded) for p, s in zip(pieces, starts, strict=True)]),
        spectra=np.concatenate([p.spectra for p in pieces]),
        salience=np.concatenate([p.salience for p in pieces]),
        works=np.concatenate([p.works for p in pieces]),
    )
