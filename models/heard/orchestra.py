"""Notes to power spectra, on the training device: every note is a stored sound, moved, shaped and added.

    notes (onset, length, pitch, part) + a band's instruments
        -> rows, one per note and frame, each a spectrum of `models.heard.sounds` moved to its pitch
        -> added up: (views, frames, bins) power, and which pitches sound: (views, frames / 2, 84)

Works of one group are played by one band a side, so that instruments say nothing about the work.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor, nn

from models.data.hear import BINS, LOWEST_PITCH
from models.data.instruments import BASSES, LEADS
from models.data.instruments import CHORDS as CHORD_PROGRAMS
from models.heard.dice import Dice
from models.heard.scene import BASS, CHORDS, PERCUSSION, TUNE
from models.heard.sounds import DB_STEP, FLOOR, LEAD_FRAMES, NOTE_FRAMES, PITCHES, PROGRAMS, Sounds
from models.heard.spectra import BINS as SPECTRUM_BINS
from models.heard.spectra import MARGIN_FRAMES, PER_SEMITONE, RATE_HZ

_PAD = 72  # silent bins on either side of a sound: the farthest that one is moved
_VOICES = (52, 53, 54, 85)
_SUNG = 0.4  # share of bands whose lead is a voice
_VOWELS, _VOWEL_DB = 48, 9.0
_LONGEST_TAIL = 8  # frames after a note's end
_ROWS = 400_000  # rows added at a time
_TIED = 4  # last frames of a sound that go round while a note is held for longer
_SHORTEST_S = 0.06
_SOFTEST = 0.03  # level
_KEPT_S = 2.0  # of a note; what is held for longer fades
_APART = int(PITCHES[1] - PITCHES[0])
_LEVELS_DB = {TUNE: (-4, 9), CHORDS: (-8, 0), BASS: (-8, 3), PERCUSSION: (-2, 14)}


@dataclass(frozen=True, slots=True)
class Bands:
    """Who plays: tensors with a row a band.

    Attributes
    ----------
    sound : int64, shape (bands, 3)
        Soundfont and program of tune, chords and bass, as the first of their tones.
    second : int64, shape (bands,)
        What plays some of the chords' notes.
    kit : int64, shape (bands,)
    level_db : float32, shape (bands, 4)
        Of the parts.
    tail_s : float32, shape (bands, 3)
        Time in which a note's end fades by 8.7 dB.
    vibrato : float32, shape (bands, 3)
        Depth in bins (zero: not sung), rate in hertz, depth of the glide into a note in bins.
    """

    sound: Tensor
    second: Tensor
    kit: Tensor
    level_db: Tensor
    tail_s: Tensor
    vibrato: Tensor


@dataclass(frozen=True, slots=True)
class _Parts:
    """How each note is played, tensors of shape (notes,).

    The sound, the bins that it is moved by, its power, the time in which it fades; its vibrato, (notes, 3), and vowel.
    """

    sound: Tensor
    move: Tensor
    gain: Tensor
    tail_s: Tensor
    vibrato: Tensor
    vowel: Tensor


@dataclass(frozen=True, slots=True)
class Played:
    """What sounds: ``power`` (views, frames, bins), and ``truth`` (views, frames of the salience, 84) in [0, 1]."""

    power: Tensor
    truth: Tensor


class Orchestra(nn.Module):
    """All sounds, ready to be added up.

    Parameters
    ----------
    sounds : Sounds
    """

    units: Tensor
    scale: Tensor
    power_of: Tensor
    lasting: Tensor

    def __init__(self, sounds: Sounds) -> None:
        super().__init__()
        self.fonts = len(sounds.tones)
        tones = sounds.tones.reshape(-1, NOTE_FRAMES, SPECTRUM_BINS)
        drums = sounds.drums.reshape(-1, NOTE_FRAMES, SPECTRUM_BINS)
        self.first_drum, self.drum_count = len(tones), sounds.drums.shape[1]
        units = torch.from_numpy(np.concatenate([tones, drums]))
        peak = torch.from_numpy(np.concatenate([sounds.peak.ravel(), sounds.drum_peak.ravel()]))
        self.register_buffer("units", nn.functional.pad(units, (_PAD, _PAD)), persistent=False)
        self.register_buffer("scale", 10 ** (peak / 10), persistent=False)
        decibels = (torch.arange(FLOOR + 1) - FLOOR) * DB_STEP
        power_of = torch.where(torch.arange(FLOOR + 1) > 0, 10 ** (decibels / 10), 0.0)
        self.register_buffer("power_of", power_of, persistent=False)
        total = torch.cat([power_of[some.long()].sum(2) for some in torch.split(units, 128)])
        lasting = (10 * torch.log10(total / total.amax(1, keepdim=True).clamp(min=1e-9) + 1e-9) + 24) / 24
        self.register_buffer("lasting", lasting.clamp(0, 1), persistent=False)

    def hire(self, bands: int, generator: torch.Generator) -> Bands:
        """Bands at random."""
        dice = Dice(generator)
        sung = dice.chance(_SUNG, bands)
        lead = torch.where(sung, self._one_of(_VOICES, bands, dice), self._one_of(LEADS, bands, dice))
        levels_db = [dice.uniform(*_LEVELS_DB[part], bands) for part in (TUNE, CHORDS, BASS, PERCUSSION)]
        return Bands(
            sound=torch.stack([lead, self._one_of(CHORD_PROGRAMS, bands, dice), self._one_of(BASSES, bands, dice)], 1),
            second=self._one_of(CHORD_PROGRAMS, bands, dice),
            kit=self.first_drum + dice.below(self.fonts, bands) * self.drum_count,
            level_db=torch.stack(levels_db, 1),
            tail_s=0.02 * torch.exp(dice.uniform(0, 3, bands, 3)),
            vibrato=torch.stack(
                [dice.uniform(0, 1.8, bands) * sung, dice.uniform(4.5, 7, bands), dice.uniform(0, 5, bands) * sung], 1
            ),
        )

    def _one_of(self, programs: tuple[int, ...], bands: int, dice: Dice) -> Tensor:
        """First tone of one of some programs, in any soundfont, for every band."""
        rows = torch.tensor(np.searchsorted(PROGRAMS, programs), device=dice.device)
        chosen = rows[dice.below(len(rows), bands)]
        return (dice.below(self.fonts, bands) * len(PROGRAMS) + chosen) * len(PITCHES)

    def forward(
        self, notes: dict[str, Tensor], band_of: Tensor, bands: Bands, frames: int, generator: torch.Generator
    ) -> Played:
        """Play notes.

        Parameters
        ----------
        notes
            The arrays of `models.heard.scene.Piece` that describe notes, as tensors.
        band_of : int64, shape (views,)
        frames
            Of the spectra.
        """
        dice, views, device = Dice(generator), len(band_of), self.units.device
        power = torch.zeros(views * frames, SPECTRUM_BINS, device=device)
        count = (frames - 2 * MARGIN_FRAMES) // 2
        truth = torch.zeros(views * count * BINS, device=device)
        vowels = 10 ** (dice.curves(_VOWELS, SPECTRUM_BINS, 10) * _VOWEL_DB / 10)
        vowels[0] = 1.0
        parts = self._cast(notes, band_of, bands, dice)
        first = torch.round(notes["onset_s"] * RATE_HZ).long() - LEAD_FRAMES
        held_s = notes["duration_s"].clamp(min=_SHORTEST_S)
        fading = torch.ceil(parts.tail_s * 3 * RATE_HZ).long().clamp(max=_LONGEST_TAIL)
        length = torch.ceil(held_s * RATE_HZ).long() + LEAD_FRAMES + fading
        ends = torch.cumsum(torch.minimum(length, (frames - first).clamp(min=0)), 0)
        total = int(ends[-1]) if len(ends) else 0
        for start in range(0, total, _ROWS):
            row = torch.arange(start, min(start + _ROWS, total), device=device)
            note = torch.searchsorted(ends, row, right=True)
            begun = torch.where(note > 0, ends[(note - 1).clamp(min=0)], 0)
            age = row - begun
            at, time_s = first[note] + age, (age - LEAD_FRAMES).float() / RATE_HZ
            frame = torch.where(age < NOTE_FRAMES, age, NOTE_FRAMES - _TIED + age % _TIED)
            spectra = self._moved(parts, note, frame, time_s) * vowels[parts.vowel[note]]
            loud = parts.gain[note] * _envelope(time_s, held_s[note], parts.tail_s[note])
            loud = torch.where((at >= 0) & (at < frames), loud, 0.0)
            view = notes["view"][note].long()
            power.index_add_(0, view * frames + at.clamp(0, frames - 1), spectra * loud[:, None])
            # Which pitches sound in which frames of the salience.
            bin_ = torch.round(notes["pitch"][note]).long() - LOWEST_PITCH
            slot = torch.div(at - MARGIN_FRAMES, 2, rounding_mode="floor")
            told = (notes["part"][note] != PERCUSSION) & (time_s >= 0) & (time_s < held_s[note])
            told &= (bin_ >= 0) & (bin_ < BINS) & (slot >= 0) & (slot < count)
            index = ((view * count + slot) * BINS + bin_)[told]
            truth.scatter_reduce_(0, index, self.lasting[parts.sound[note], frame][told], "amax")
        return Played(power.view(views, frames, SPECTRUM_BINS), truth.view(views, count, BINS))

    def _moved(self, parts: _Parts, note: Tensor, frame: Tensor, time_s: Tensor) -> Tensor:
        """Spectra of notes at a frame of their sounds, moved to where they are played; (rows, bins)."""
        bent = _bent(parts.vibrato[note], time_s, note.float())
        shift = (parts.move[note] + bent).clamp(-_PAD, _PAD).long()
        place = (parts.sound[note] * NOTE_FRAMES + frame) * self.units.shape[2]
        bins = torch.arange(_PAD, _PAD + SPECTRUM_BINS, device=note.device)
        units = self.units.view(-1)[(place - shift)[:, None] + bins]
        return self.power_of[units.long()] * self.scale[parts.sound[note]][:, None]

    def _cast(self, notes: dict[str, Tensor], band_of: Tensor, bands: Bands, dice: Dice) -> _Parts:
        """What each note is played on, and how."""
        band, part, pitch = band_of[notes["view"].long()], notes["part"].long(), notes["pitch"]
        drum, tuned = part == PERCUSSION, part.clamp(max=BASS)
        base = torch.where((part == CHORDS) & dice.chance(0.3, len(part)), bands.second[band], bands.sound[band, tuned])
        grid = torch.round((pitch - float(PITCHES[0])) / _APART).long().clamp(0, len(PITCHES) - 1)
        sound = torch.where(drum, bands.kit[band] + pitch.long().clamp(0, self.drum_count - 1), base + grid)
        semitones = torch.where(drum, 0.0, pitch - (float(PITCHES[0]) + _APART * grid))
        sung = (part == TUNE) & (bands.vibrato[band, 0] > 0)
        # A voice is not exactly in tune, and no band is on another's concert pitch.
        concert = dice.below(7, len(band_of))
        concert = (concert == 6).float() - (concert == 0).float()
        wrong = 0.5 * dice.normal(len(part)) * sung
        level_db = bands.level_db[band, part] + 20 * torch.log10(notes["level"].clamp(min=_SOFTEST))
        vibrato = bands.vibrato[band] * sung[:, None]
        vibrato[:, 2] *= dice.chance(0.5, len(part))
        return _Parts(
            sound=sound,
            move=semitones * PER_SEMITONE + torch.where(drum, 0.0, concert[notes["view"].long()] + wrong),
            gain=10 ** (level_db / 10),
            tail_s=bands.tail_s[band, tuned],
            vibrato=vibrato,
            vowel=torch.where(sung, 1 + dice.below(_VOWELS - 1, len(part)), 0),
        )


def bands_of(works: int, group: int, device: torch.device | None = None) -> tuple[Tensor, int]:
    """Which band plays each of 2 * works views, first views first, and how many bands there are.

    Every group of works has a band a side.
    """
    groups = works // group
    row = torch.arange(2 * works, device=device)
    return row // works * groups + row % works // group, 2 * groups


def _envelope(time_s: Tensor, held_s: Tensor, tail_s: Tensor) -> Tensor:
    """Power of a note beside that of its sound: what is held for long fades a little, and what has ended soon."""
    return torch.exp(-(time_s - held_s).clamp(min=0) / tail_s) * torch.exp(-0.7 * (time_s - _KEPT_S).clamp(min=0))


def _bent(vibrato: Tensor, time_s: Tensor, note: Tensor) -> Tensor:
    """Bins by which sung notes are off at a time: a vibrato, and a glide from below."""
    swing = vibrato[:, 0] * torch.sin(2 * torch.pi * vibrato[:, 1] * time_s + note)
    glide = -vibrato[:, 2] * torch.exp(-time_s.clamp(min=0) / 0.1)
    return torch.round(swing + glide)
