"""Recordings to learn from by ear: a library whose pairs are spectra beside what was heard in them."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from models.data.hear import FPS
from models.data.library import SPECTRA_PER_FRAME, Library, Take
from models.data.views import Passage, Recipe, redrawn
from models.heard import spectra
from models.heard.spectra import Bytes, view_frames
from models.settings import SettingsError


class Recordings(Library):
    """A library with the spectra of its recordings.

    Parameters
    ----------
    path
        A file of `models.prepare spectra`.
    part
        Number of a share of the works, and of how many shares.

    Raises
    ------
    SettingsError
        When the file holds no spectra.
    """

    def __init__(self, path: Path, part: tuple[int, int] = (0, 1)) -> None:
        super().__init__(path, part)
        with np.load(path, allow_pickle=False) as data:
            if "spectra" not in data:
                raise SettingsError(
                    f"{path} holds no spectra to learn from by ear; make it with models.prepare spectra"
                )
            sounds = np.split(data["spectra"], SPECTRA_PER_FRAME * data["start"][1:-1])
        self.spectra = [sounds[row] for row in self.rows]

    def pair(self, work: int, recipe: Recipe, rng: np.random.Generator) -> list[Passage | tuple[Bytes, Bytes]]:
        """Two views of one passage of a work: spectrum and salience, or a passage of what was played."""
        return [
            self.passage(take, recipe, rng) if take.anew else self._heard(take, recipe, rng)
            for take in self.draw(work, recipe.human, rng)
        ]

    def _heard(self, take: Take, recipe: Recipe, rng: np.random.Generator) -> tuple[Bytes, Bytes]:
        """Spectrum and salience around a place, in another tempo and key."""
        tempo, jitter_s = redrawn(recipe, rng)
        at_s, shift = take.centre_s + jitter_s, int(rng.integers(-6, 7))
        wide, bins = view_frames(recipe.frames), shift * spectra.PER_SEMITONE
        spectrum = _cut(self.spectra[take.recording], spectra.RATE_HZ, at_s, tempo, wide, bins)
        return spectrum, _cut(self.salience[take.recording], FPS, at_s, tempo, recipe.frames, shift)


def _cut(whole: Bytes, rate_hz: int, centre_s: float, tempo: float, frames: int, shift: int) -> Bytes:
    """``frames`` frames around a place, faster by ``tempo``, moved up by ``shift`` bins; zeros outside."""
    at = centre_s * rate_hz + (np.arange(frames) - frames / 2 + 0.5) * tempo
    near = np.floor(at).astype(np.int64)
    inside = (near >= 0) & (near < len(whole))
    cut = np.zeros((frames, whole.shape[1]), np.uint8)
    bins = whole.shape[1]
    cut[inside, max(shift, 0) : bins + min(shift, 0)] = whole[near[inside], max(-shift, 0) : bins + min(-shift, 0)]
    return cut
