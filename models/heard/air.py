"""What happens to sound between a band and a microphone, on power spectra: rooms, tone, lines, noise, other music."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from models.heard.orchestra import smooth
from models.heard.spectra import BINS, RATE_HZ
from models.nets.constantq import ConstantQ, ConstantQConfig

_TONE_DB, _RIPPLE_DB = 5.0, (0.5, 3.0)
_ROOMS, _LINES, _NOISES, _OTHERS, _TALKS, _HOLES = 0.4, 0.15, 0.6, 0.25, 0.08, 0.1


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
        device, views = power.device, len(power)

        def uniform(low: float, high: float, *shape: int) -> Tensor:
            return low + (high - low) * torch.rand(*shape, device=device, generator=generator)

        power = power * 10 ** (smooth(bands, BINS, 8, generator, device) * _TONE_DB / 10)[band_of][:, None]
        power = power / power.mean((1, 2), keepdim=True).clamp(min=1e-12)
        others = (uniform(0, 1, bands) < _OTHERS) * 10 ** (uniform(-22, -4, bands) / 10)
        power = power + others[band_of][:, None, None] * power.roll(1, 0).flip(1)
        power = self._in_rooms(power, uniform, bands, band_of)
        ripple = uniform(*_RIPPLE_DB, views)[:, None, None]
        power = power * 10 ** (torch.randn(power.shape, device=device, generator=generator) * ripple / 10)
        power = power + self._noise(power, uniform, bands, band_of, generator)
        power = power * self._line(uniform, bands)[band_of][:, None]
        # A compressor on the sum: loud moments are turned down together.
        loud = power.mean(2, keepdim=True).clamp(min=1e-6)
        squeezed = (uniform(0, 1, bands) < 0.4) * uniform(0.1, 0.6, bands)
        power = power * loud ** -squeezed[band_of][:, None, None]
        power = power * self._holes(power, uniform)
        return torch.log10((power * 10 ** (uniform(-6, -2, views))[:, None, None]).clamp(min=1e-9))

    def _in_rooms(self, power: Tensor, uniform: object, bands: int, band_of: Tensor) -> Tensor:
        """Add what comes late: it decays evenly, 60 dB in 0.2 to 1.5 s, and has -12 to 3 dB of the direct sound."""
        assert callable(uniform)
        frames = power.shape[1]
        rt60_s = torch.exp(uniform(-1.6, 0.4, bands))
        decay = torch.exp(-13.8 / (rt60_s * RATE_HZ))
        wet = (uniform(0, 1, bands) < _ROOMS) * 10 ** (uniform(-12, 3, bands) / 10)
        late = (torch.arange(frames, device=power.device)[:, None] - torch.arange(frames, device=power.device)).float()
        tail = torch.where(late > 0, decay[:, None, None] ** late.clamp(min=0), 0.0)
        tail = wet[:, None, None] * tail * (1 / decay - 1)[:, None, None]
        mixed = torch.eye(frames, device=power.device) + tail
        return torch.bmm(mixed[band_of], power)

    def _noise(self, power: Tensor, uniform: object, bands: int, band_of: Tensor, generator: torch.Generator) -> Tensor:
        """Steady noise of some colour, 0 to 40 dB below the music; and now and then bursts, as of talk or applause."""
        assert callable(uniform)
        views, frames, _ = power.shape
        colour = self.noise * 10 ** (-uniform(-0.5, 1.6, bands)[:, None] * 0.6 * self.octave)
        colour = colour / colour.mean(1, keepdim=True)
        level = (uniform(0, 1, bands) < _NOISES) * 10 ** (-uniform(0, 40, bands) / 10)
        steady = (level[:, None] * colour)[band_of][:, None]
        burst = smooth(views, frames, 24, generator, power.device)[:, :, None].clamp(min=0) ** 2
        talk = (uniform(0, 1, views) < _TALKS) * 10 ** (uniform(-10, 3, views) / 10)
        tone = 10 ** (smooth(views, BINS, 8, generator, power.device) * 0.8)
        fluctuating = torch.empty_like(power).exponential_(generator=generator)
        return (steady + talk[:, None, None] * burst * tone[:, None]) * (0.4 + 0.6 * fluctuating)

    def _line(self, uniform: object, bands: int) -> Tensor:
        """A narrow line's gain, (bands, bins): nothing below 80 to 400 Hz nor above 1.2 to 5 kHz."""
        assert callable(uniform)
        low, high = uniform(1.3, 3.6, bands)[:, None], uniform(5.2, 7.2, bands)[:, None]
        steep_db = 60.0
        lost = (low - self.octave).clamp(min=0) * steep_db + (self.octave - high).clamp(min=0) * steep_db
        through = (uniform(0, 1, bands) < _LINES)[:, None]
        return torch.where(through, 10 ** (-lost.clamp(max=70) / 10), 1.0)

    def _holes(self, power: Tensor, uniform: object) -> Tensor:
        """A stretch of up to three seconds that is missing, now and then; (views, frames, 1)."""
        assert callable(uniform)
        views, frames, _ = power.shape
        at = torch.arange(frames, device=power.device)[None]
        start, length = uniform(0, frames, views)[:, None], uniform(4, 48, views)[:, None]
        missing = (uniform(0, 1, views) < _HOLES)[:, None] & (at >= start) & (at < start + length)
        return torch.where(missing, 1e-5, 1.0)[:, :, None]
