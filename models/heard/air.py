"""What happens to sound between a band and a microphone, on power spectra: rooms, tone, lines, noise, other music."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from models.heard.dice import Dice
from models.heard.spectra import BINS, RATE_HZ
from models.nets.constantq import ConstantQ, ConstantQConfig

_TONE_DB, _RIPPLE_DB = 5.0, (0.5, 3.0)
_ROOMS, _LINES, _NOISES, _OTHERS, _TALKS, _HOLES, _COMPRESSORS = 0.4, 0.15, 0.6, 0.25, 0.08, 0.1, 0.4
_SIXTY_DB = 13.8  # in powers of e
_STEEP_DB, _MOST_LOST_DB = 60.0, 70.0  # an octave; beyond a line's edge
_LOUDEST, _SOFTEST = -2, -6  # log10 of a view's mean power
_FLOOR = 1e-9  # of the constant-Q
_SILENT = 1e-12


class Air(nn.Module):
    """Draws what happens to each view, or to each group's views alike."""

    noise: Tensor
    octave: Tensor

    def __init__(self) -> None:
        super().__init__()
        config = ConstantQConfig()
        constantq = ConstantQ(config)
        kernels = [constantq.get_buffer(f"kernels{i}") for i in range(config.octaves)]
        # White noise of unit power passes a bin with the energy of its kernel.
        energy = torch.cat([(k[: len(k) // 2] ** 2 + k[len(k) // 2 :] ** 2).sum(1) for k in kernels])
        self.register_buffer("noise", energy, persistent=False)
        octave = torch.arange(BINS) / (12 * config.per_semitone)
        self.register_buffer("octave", octave, persistent=False)

    def forward(self, power: Tensor, band_of: Tensor, bands: int, generator: torch.Generator) -> Tensor:
        """(views, frames, bins) -> the same, in log10 of power as the constant-Q gives it.

        Views of one group (``band_of``, (views,), numbers below ``bands``) share room, tone and noise.
        """
        dice, views = Dice(generator), len(power)
        power = power * 10 ** (dice.curves(bands, BINS, 8) * _TONE_DB / 10)[band_of][:, None]
        power = power / power.mean((1, 2), keepdim=True).clamp(min=_SILENT)
        # Other music is another view played backwards.
        others = dice.chance(_OTHERS, bands) * 10 ** (dice.uniform(-22, -4, bands) / 10)
        power = power + others[band_of][:, None, None] * power.roll(1, 0).flip(1)
        power = torch.bmm(self._room(dice, bands, power.shape[1])[band_of], power)
        ripple_db = dice.uniform(*_RIPPLE_DB, views)[:, None, None]
        power = power * 10 ** (dice.normal(*power.shape) * ripple_db / 10)
        power = power + self._noise(dice, power, band_of, bands)
        power = power * self._line(dice, bands)[band_of][:, None]
        # A compressor on the sum: loud moments are turned down together.
        loud = power.mean(2, keepdim=True).clamp(min=1e-6)
        squeezed = dice.chance(_COMPRESSORS, bands) * dice.uniform(0.1, 0.6, bands)
        power = power * loud ** -squeezed[band_of][:, None, None]
        power = power * self._holes(dice, views, power.shape[1])
        return torch.log10((power * 10 ** dice.uniform(_SOFTEST, _LOUDEST, views)[:, None, None]).clamp(min=_FLOOR))

    @staticmethod
    def _room(dice: Dice, bands: int, frames: int) -> Tensor:
        """What is heard of each earlier frame, (bands, frames, frames).

        Power that comes late decays evenly, by 60 dB in 0.2 to 1.5 s, and has -12 to 3 dB of the direct sound's.
        """
        rt60_s = torch.exp(dice.uniform(-1.6, 0.4, bands))
        decay = torch.exp(-_SIXTY_DB / (rt60_s * RATE_HZ))
        wet = dice.chance(_ROOMS, bands) * 10 ** (dice.uniform(-12, 3, bands) / 10)
        frame = torch.arange(frames, device=dice.device)
        late = (frame[:, None] - frame).float()
        tail = torch.where(late > 0, decay[:, None, None] ** late.clamp(min=0), 0.0)
        return torch.eye(frames, device=dice.device) + (wet * (1 / decay - 1))[:, None, None] * tail

    def _noise(self, dice: Dice, power: Tensor, band_of: Tensor, bands: int) -> Tensor:
        """Steady noise of some colour, 0 to 40 dB below the music; now and then bursts, as of talk or applause."""
        views, frames, _ = power.shape
        colour = self.noise * 10 ** (-dice.uniform(-0.5, 1.6, bands)[:, None] * 0.6 * self.octave)
        colour = colour / colour.mean(1, keepdim=True)
        level = dice.chance(_NOISES, bands) * 10 ** (-dice.uniform(0, 40, bands) / 10)
        steady = (level[:, None] * colour)[band_of][:, None]
        burst = dice.curves(views, frames, 24)[:, :, None].clamp(min=0) ** 2
        talk = dice.chance(_TALKS, views) * 10 ** (dice.uniform(-10, 3, views) / 10)
        tone = 10 ** (dice.curves(views, BINS, 8) * 0.8)
        fluctuating = torch.empty_like(power).exponential_(generator=dice.generator)
        return (steady + talk[:, None, None] * burst * tone[:, None]) * (0.4 + 0.6 * fluctuating)

    def _line(self, dice: Dice, bands: int) -> Tensor:
        """A narrow line's gain, (bands, bins): nothing below 80 to 400 Hz nor above 1.2 to 5 kHz."""
        low, high = dice.uniform(1.3, 3.6, bands)[:, None], dice.uniform(5.2, 7.2, bands)[:, None]
        lost_db = ((low - self.octave).clamp(min=0) + (self.octave - high).clamp(min=0)) * _STEEP_DB
        through = dice.chance(_LINES, bands)[:, None]
        return torch.where(through, 10 ** (-lost_db.clamp(max=_MOST_LOST_DB) / 10), 1.0)

    @staticmethod
    def _holes(dice: Dice, views: int, frames: int) -> Tensor:
        """A stretch of up to three seconds that is missing, now and then; (views, frames, 1)."""
        at = torch.arange(frames, device=dice.device)[None]
        start, length = dice.uniform(0, frames, views)[:, None], dice.uniform(4, 48, views)[:, None]
        missing = dice.chance(_HOLES, views)[:, None] & (at >= start) & (at < start + length)
        return torch.where(missing, 1e-5, 1.0)[:, :, None]
