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
from models.data.instruments import BASSES, CHORDS, LEADS
from models.heard.scene import BASS, PERCUSSION, TUNE
from models.heard.scene import CHORDS as CHORDS_PART
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
        device = self.units.device

        def uniform(low: float, high: float, *shape: int) -> Tensor:
            return low + (high - low) * torch.rand(*shape, device=device, generator=generator)

        def one_of(programs: tuple[int, ...]) -> Tensor:
            rows = torch.tensor(np.searchsorted(PROGRAMS, programs), device=device)
            chosen = rows[torch.randint(len(rows), (bands,), device=device, generator=generator)]
            font = torch.randint(self.fonts, (bands,), device=device, generator=generator)
            return (font * len(PROGRAMS) + chosen) * len(PITCHES)

        sung = uniform(0, 1, bands) < _SUNG
        lead = torch.where(sung, one_of(_VOICES), one_of(LEADS))
        depth = torch.where(sung, uniform(0, 1.8, bands), torch.zeros(bands, device=device))
        return Bands(
            sound=torch.stack([lead, one_of(CHORDS), one_of(BASSES)], 1),
            second=one_of(CHORDS),
            kit=self.first_drum
            + torch.randint(self.fonts, (bands,), device=device, generator=generator) * self.drum_count,
            level_db=torch.stack(
                [
                    uniform(-4, 9, bands),
                    uniform(-8, 0, bands),
                    uniform(-8, 3, bands),
                    uniform(-2, 14, bands),
                ],
                1,
            ),
            tail_s=0.02 * torch.exp(uniform(0, 3, bands, 3)),
            vibrato=torch.stack([depth, uniform(4.5, 7, bands), uniform(0, 5, bands) * sung], 1),
        )

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
        views, device = len(band_of), self.units.device
        power = torch.zeros(views * frames, SPECTRUM_BINS, device=device)
        count = (frames - 2 * MARGIN_FRAMES) // 2
        truth = torch.zeros(views * count * BINS, device=device)
        vowels = smooth(_VOWELS, SPECTRUM_BINS, 10, generator, device) * _VOWEL_DB
        vowels = 10 ** (vowels / 10)
        vowels[0] = 1.0
        sound, move, gain, tail_s, vibrato, vowel = self._cast(notes, band_of, bands, generator)
        first = torch.round(notes["onset_s"] * RATE_HZ).long() - LEAD_FRAMES
        held = notes["duration_s"].clamp(min=0.06)
        length = (
            torch.ceil(held * RATE_HZ).long()
            + LEAD_FRAMES
            + torch.ceil(tail_s * 3 * RATE_HZ).long().clamp(max=_LONGEST_TAIL)
        )
        length = torch.minimum(length, (frames - first).clamp(min=0))
        ends = torch.cumsum(length, 0)
        total = int(ends[-1]) if len(ends) else 0
        for start in range(0, total, _ROWS):
            row = torch.arange(start, min(start + _ROWS, total), device=device)
            note = torch.searchsorted(ends, row, right=True)
            age = row - (ends[note] - length[note])
            at = first[note] + age
            time_s = (age - LEAD_FRAMES).float() / RATE_HZ
            after_s = (time_s - held[note]).clamp(min=0)
            envelope = torch.exp(-after_s / tail_s[note]) * torch.exp(-0.7 * (time_s - 2.0).clamp(min=0))
            frame = torch.where(age < NOTE_FRAMES, age, NOTE_FRAMES - _TIED + age % _TIED)
            bent = _bent(vibrato[note], time_s, note.float())
            shift = (move[note] + bent).clamp(-_PAD, _PAD).long()
            inside = (at >= 0) & (at < frames)
            weight = torch.where(inside, gain[note] * envelope * self.scale[sound[note]], 0.0)
            index = torch.arange(_PAD, _PAD + SPECTRUM_BINS, device=device)[None] - shift[:, None]
            place = sound[note] * NOTE_FRAMES + frame
            width = self.units.shape[2]
            units = self.units.view(-1)[(place * width)[:, None] + index]
            spectra = self.power_of[units.long()] * weight[:, None] * vowels[vowel[note]]
            target = notes["view"][note].long() * frames + at.clamp(0, frames - 1)
            power.index_add_(0, target, spectra)
            self._tell(truth, notes, note, at, time_s, held, self.lasting[sound[note], frame], frames, count)
        return Played(power.view(views, frames, SPECTRUM_BINS), truth.view(views, count, BINS))

    def _cast(
        self, notes: dict[str, Tensor], band_of: Tensor, bands: Bands, generator: torch.Generator
    ) -> tuple[Tensor, Tensor, Tensor, Tensor, Tensor, Tensor]:
        """What each note is played on: sound, bins to move, power, tail, vibrato and vowel."""
        device = self.units.device

        def random(*shape: int) -> Tensor:
            return torch.rand(*shape, device=device, generator=generator)

        band, part, pitch = band_of[notes["view"].long()], notes["part"].long(), notes["pitch"]
        drum, tuned = part == PERCUSSION, part.clamp(max=BASS)
        base = bands.sound[band, tuned]
        base = torch.where((part == CHORDS_PART) & (random(len(part)) < 0.3), bands.second[band], base)
        grid = torch.round((pitch - float(PITCHES[0])) / 3).long().clamp(0, len(PITCHES) - 1)
        sound = torch.where(drum, bands.kit[band] + pitch.long().clamp(0, self.drum_count - 1), base + grid)
        semitones = torch.where(drum, 0.0, pitch - (float(PITCHES[0]) + 3 * grid))
        sung = (part == TUNE) & (bands.vibrato[band, 1] > 0) & (bands.vibrato[band, 0] > 0)
        # A voice is not exactly in tune, and no band is on another's concert pitch.
        concert = torch.randint(0, 7, (len(band_of),), device=device, generator=generator)
        concert = (concert == 6).float() - (concert == 0).float()
        wrong = 0.5 * torch.randn(len(part), device=device, generator=generator) * sung
        move = semitones * PER_SEMITONE + torch.where(drum, 0.0, concert[notes["view"].long()] + wrong)
        level_db = bands.level_db[band, part] + 20 * torch.log10(notes["level"].clamp(min=0.03))
        vibrato = bands.vibrato[band] * sung[:, None]
        vibrato[:, 2] *= random(len(part)) < 0.5
        vowel = torch.where(sung, 1 + (random(len(part)) * (_VOWELS - 1)).long(), 0)
        return sound, move, 10 ** (level_db / 10), bands.tail_s[band, tuned], vibrato, vowel

    @staticmethod
    def _tell(
        truth: Tensor,
        notes: dict[str, Tensor],
        note: Tensor,
        at: Tensor,
        time_s: Tensor,
        held: Tensor,
        lasting: Tensor,
        frames: int,
        count: int,
    ) -> None:
        """Note down, in place, which pitches sound in which frames of the salience."""
        bin_ = torch.round(notes["pitch"][note]).long() - LOWEST_PITCH
        slot = torch.div(at - MARGIN_FRAMES, 2, rounding_mode="floor")
        kept = (notes["part"][note] != PERCUSSION) & (time_s >= 0) & (time_s < held[note])
        kept &= (bin_ >= 0) & (bin_ < BINS) & (slot >= 0) & (slot < count)
        index = ((notes["view"][note].long() * count + slot) * BINS + bin_)[kept]
        truth.scatter_reduce_(0, index, lasting[kept], "amax")


def _bent(vibrato: Tensor, time_s: Tensor, note: Tensor) -> Tensor:
    """Bins by which sung notes are off at a time: a vibrato, and a glide from below."""
    swing = vibrato[:, 0] * torch.sin(2 * torch.pi * vibrato[:, 1] * time_s + note)
    glide = -vibrato[:, 2] * torch.exp(-time_s.clamp(min=0) / 0.1)
    return torch.round(swing + glide)


def smooth(count: int, bins: int, waves: int, generator: torch.Generator, device: torch.device) -> Tensor:
    """Smooth random curves of unit variance, (count, bins): sums of a few cosines, slow ones strongest."""
    number = torch.arange(1, waves + 1, device=device, dtype=torch.float32)
    size = torch.randn(count, waves, device=device, generator=generator) / number.sqrt()
    phase = 2 * torch.pi * torch.rand(count, waves, device=device, generator=generator)
    x = torch.linspace(0, 1, bins, device=device)
    curves = (size[:, :, None] * torch.cos(torch.pi * number[:, None] * x + phase[:, :, None])).sum(1)
    return curves / float((0.5 / number).sum().sqrt())
