"""Views made once and gone through again: cheaper than new ones where a machine is slow or runs are to be compared.

A bank goes through all works of a corpus several times (rounds); in each round works are grouped at random, and a group
shares its styles. A batch takes some groups of one round, so that its works differ; a group comes back in other
company.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

import numpy as np
import numpy.typing as npt

from models.data.views import Corpus, Recipe, group_of_views
from models.settings import Data, SettingsError


def labels_path(path: Path) -> Path:
    """Where the works of a bank's groups are."""
    return path.with_suffix(".works.npy")


def build_bank(
    corpus: Corpus, recipe: Recipe, rounds: int, seed: int, path: Path, progress: Callable[[int, int], None]
) -> None:
    """Make a bank: ``path`` (.npy) and, beside it, the works of its groups; works left over in a round are left out.

    The labels are written last: a bank without them was interrupted, and is made again.
    """
    per_round = len(corpus.works) // recipe.group
    count = rounds * per_round
    rng = np.random.default_rng((seed, rounds))
    orders = [rng.permutation(len(corpus.works))[: per_round * recipe.group] for _ in range(rounds)]
    works = np.stack(orders).reshape(rounds, per_round, recipe.group)
    shape = (recipe.views, recipe.group, recipe.windows)
    part = path.with_suffix(".part.npy")
    rolls = None
    for number, group in enumerate(works.reshape(count, recipe.group)):
        made = group_of_views(corpus, recipe, group, np.random.default_rng((seed, rounds, number)))
        if rolls is None:
            size = (rounds, per_round, *shape, *made.shape[-2:])
            rolls = np.lib.format.open_memmap(part, "w+", np.uint8, size)  # type: ignore[no-untyped-call]
        rolls[divmod(number, per_round)] = made
        progress(number + 1, count)
    del rolls
    os.replace(part, path)
    with labels_path(path).open("wb") as file:
        np.save(file, works)


class Bank:
    """A bank on disk.

    Parameters
    ----------
    path
        A file of `build_bank`.
    """

    def __init__(self, path: Path) -> None:
        self.rolls: npt.NDArray[np.uint8] = np.load(path, mmap_mode="r", allow_pickle=False)
        self.works: npt.NDArray[np.int64] = np.load(labels_path(path), allow_pickle=False)

    def check(self, settings: Data) -> None:
        """Refuse a configuration that this bank cannot serve.

        Raises
        ------
        SettingsError
            When views, windows or groups differ, or a batch needs more groups than a round has.
        """
        views, group, windows = self.rolls.shape[2:5]
        if (views, group, windows) != (settings.views, settings.group, settings.windows):
            raise SettingsError(
                f"{settings.bank} has {views} views of {windows} windows in groups of {group}, the configuration asks "
                f"for {settings.views} of {settings.windows} in groups of {settings.group}"
            )
        if settings.works_per_batch % group or settings.works_per_batch // group > self.works.shape[1]:
            raise SettingsError(
                f"data.works_per_batch is {settings.works_per_batch}; a bank serves multiples of its group of {group}, "
                f"at most {self.works.shape[1] * group}"
            )

    def batch(
        self, works: int, seed: tuple[int, ...], part: tuple[int, int] = (0, 1)
    ) -> tuple[npt.NDArray[np.uint8], npt.NDArray[np.int64]]:
        """A share of a batch of ``works`` works, in the shape and order of `models.data.views.batch`."""
        rng = np.random.default_rng(seed)
        turn = int(rng.integers(len(self.works)))
        groups = rng.choice(self.works.shape[1], works // self.works.shape[2], replace=False)
        number, of = part
        mine = np.array_split(groups, of)[number]
        # (groups, views, group, windows, frames, bins) -> views first
        rolls = np.moveaxis(np.stack([self.rolls[turn, g] for g in mine]), 0, 1)
        return rolls.reshape(-1, *rolls.shape[-2:]), self.works[turn, mine].reshape(-1)
