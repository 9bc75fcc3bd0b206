"""Pairs of performances of one passage as a front end hears them, with the line of time between them."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import numpy.typing as npt
import torch

from models.data.arrange import Notes
from models.data.style import draw_style
from models.data.views import Corpus, Recipe, chosen_works, draw_line
from models.heard.air import Air
from models.heard.orchestra import Orchestra, bands_of
from models.heard.scene import audible, performed, piece_of
from models.heard.spectra import RATE_HZ, Bytes, view_frames
from models.heard.stage import NOTES
from models.nets.salience import SalienceNet

_SEEDS_APART = 100_003


class Aligned(NamedTuple):
    """Pairs of views.

    Attributes
    ----------
    salience : uint8 array, shape (2 * works, frames, 84)
        Times 255; first all first views, then all second ones.
    line : float32 array, shape (works, 2)
        `models.data.views.Line` of each pair.
    """

    salience: Bytes
    line: npt.NDArray[np.float32]


class Rehearsal:
    """Plays and hears pairs.

    Parameters
    ----------
    corpus : Corpus
    recipe : Recipe
        Works of a group share their bands, as in training by ear.
    orchestra : Orchestra
    front : SalienceNet
        In inference mode.
    """

    def __init__(self, corpus: Corpus, recipe: Recipe, orchestra: Orchestra, front: SalienceNet) -> None:
        self._corpus, self._recipe, self._orchestra, self._front = corpus, recipe, orchestra, front
        self._air = Air()

    def pairs(self, works: int, seed: int, number: int) -> Aligned:
        """A batch of pairs, all of different works; equal seeds and numbers give equal batches."""
        recipe, rng = self._recipe, np.random.default_rng((seed, number))
        chosen = chosen_works(self._corpus, recipe, works, rng).astype(np.int64)
        seconds = view_frames(recipe.frames) / RATE_HZ
        parts: list[tuple[int, Notes, Bytes]] = []
        lines: list[tuple[float, float]] = []
        for first in range(0, works, recipe.group):
            styles = [audible(draw_style(rng)) for _ in range(2)]
            for row, work in enumerate(chosen[first : first + recipe.group].tolist(), first):
                *passages, line = draw_line(self._corpus, self._corpus.works[work], recipe, rng)
                lines.append(line)
                for side, passage in enumerate(passages):
                    parts.append((side * works + row, *performed(passage, styles[side], seconds, rng)))
        piece = piece_of(parts, [], chosen, recipe)
        generator = torch.Generator().manual_seed(seed * _SEEDS_APART + number)
        notes = {name: torch.from_numpy(getattr(piece, name)) for name in NOTES}
        band_of, count = bands_of(works, recipe.group)
        with torch.no_grad():
            bands = self._orchestra.hire(count, generator)
            played = self._orchestra(notes, band_of, bands, view_frames(recipe.frames), generator)
            heard = torch.sigmoid(self._front.hear(self._air(played.power, band_of, count, generator)))
        return Aligned(np.rint(heard.numpy() * 255).astype(np.uint8), np.array(lines, np.float32))
