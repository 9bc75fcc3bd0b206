"""Anything that is drawn from a seed, made ahead by low-priority processes while the trainer trains."""

from __future__ import annotations

import multiprocessing
import os
import queue
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TypeVar

_NICENESS = 15
_PATIENCE_S = 5.0
Made = TypeVar("Made")
Make = Callable[[tuple[int, ...]], Made]


@contextmanager
def made_ahead(
    build: Callable[[], Make[Made]], seed: tuple[int, ...], first: int, helpers: int, ahead: int
) -> Iterator[multiprocessing.Queue[Made]]:
    """A queue that helpers keep filled.

    Parameters
    ----------
    build
        Called once in every helper (it has to be picklable); what it returns makes one thing from a seed.
    seed, first
        Helper ``n`` makes its things from ``(*seed, n, first)``, ``(*seed, n, first + 1)`` and so on.
    helpers : int
        How many processes.
    ahead : int
        Most things that wait in the queue.
    """
    # A process that has everything imported is copied for each helper: sixteen that import torch take a minute.
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload(["models.run"])
    made: multiprocessing.Queue[Made] = context.Queue(ahead)
    processes = [
        context.Process(target=_help, args=(made, build, (*seed, number), first), daemon=True)
        for number in range(helpers)
    ]
    for process in processes:
        process.start()
    try:
        yield made
    finally:
        for process in processes:
            process.terminate()


def _help(
    made: multiprocessing.Queue[Made], build: Callable[[], Make[Made]], seed: tuple[int, ...], number: int
) -> None:
    """Fill the queue for as long as the trainer lives."""
    os.nice(max(0, _NICENESS - os.nice(0)))
    make = build()
    trainer = multiprocessing.parent_process()
    while True:
        ready = make((*seed, number))
        number += 1
        while True:
            # A trainer that is killed cannot end its helpers: they look for it themselves.
            if trainer is None or not trainer.is_alive():
                made.cancel_join_thread()
                return
            try:
                made.put(ready, timeout=_PATIENCE_S)
                break
            except queue.Full:
                continue
