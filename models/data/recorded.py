"""Views of recordings for the embedding to learn from: salience as it was heard, or a cover that is played from it.

So the embedding network sees what salience of produced music looks like, beside another recording of the same passage
or a cover of it (`models.data.library` says which).
"""

from __future__ import annotations

import numpy as np

from models.data.hear import BINS, FPS, Roll, masked
from models.data.library import Library, Take
from models.data.style import Style
from models.data.views import Recipe, redrawn, view


class Recordings(Library):
    """A library whose pairs are views of salience."""

    def pair(self, work: int, styles: tuple[Style, Style], recipe: Recipe, rng: np.random.Generator) -> list[Roll]:
        """Two views, float32 (frames, BINS), of one passage of the work of that number."""
        return [
            view(self.passage(take, recipe, rng), style, recipe.frames, rng)
            if take.anew
            else self._heard(take, recipe, rng)
            for take, style in zip(self.draw(work, recipe.human, rng), styles, strict=True)
        ]

    def _heard(self, take: Take, recipe: Recipe, rng: np.random.Generator) -> Roll:
        """The salience itself around a place, in another tempo and key, at another contrast."""
        whole, frames = self.salience[take.recording], recipe.frames
        tempo, jitter_s = redrawn(recipe, rng)
        at = (take.centre_s + jitter_s) * FPS + (np.arange(frames) - frames / 2) * tempo
        before = np.floor(at).astype(np.int64)
        share = (at - before).astype(np.float32)[:, None]
        inside = ((before >= 0) & (before < len(whole) - 1))[:, None]
        before = np.clip(before, 0, len(whole) - 2)
        roll = (whole[before] * (1 - share) + whole[before + 1] * share) / np.float32(255) * inside
        shift = int(rng.integers(-6, 7))
        moved = np.zeros_like(roll)
        moved[:, max(shift, 0) : BINS + min(shift, 0)] = roll[:, max(-shift, 0) : BINS + min(-shift, 0)]
        moved = moved ** np.float32(np.exp(rng.normal(0, 0.25))) * np.float32(rng.uniform(0.6, 1.1))
        if rng.random() < 0.5:
            moved = moved + np.abs(rng.standard_normal(moved.shape, np.float32)) * np.float32(rng.uniform(0, 0.03))
        return np.asarray(np.clip(masked(moved, rng), 0, 1), np.float32)
