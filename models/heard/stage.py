"""The stage that trains front end and embedding together on what performances and recordings sound like.

    pieces -> Orchestra -> power spectra -> Air -> front end -> salience -> embedding -> contrastive loss
                 |                                     |
                 +-- pitches that sound ---------------+-- cross-entropy

The views that must find each other are, per work: two whole windows, and for some works the newest half of the second.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from functools import cached_property
from pathlib import Path
from typing import Any, cast

import torch
from torch import Tensor
from torch.nn import functional

from models.data.feed import recipe_of
from models.data.manifest import read_manifest
from models.data.store import ScoreStore
from models.heard.air import Air
from models.heard.dice import Dice
from models.heard.feed import batches, cast_of, joined
from models.heard.orchestra import Orchestra, bands_of
from models.heard.recordings import Recordings
from models.heard.scene import Piece, draw_piece
from models.heard.sounds import read_sounds
from models.heard.spectra import MARGIN_FRAMES, RATE_HZ, SILENT_DB, view_frames
from models.losses.build import build_loss, reads_features
from models.nets.ears import Ears, part_of
from models.nets.embedding import EmbeddingConfig
from models.nets.recognizer import FRAMES_PER_STEP, RECENT_STEPS
from models.nets.salience import SalienceConfig
from models.parallel import gathered
from models.settings import Settings, SettingsError
from models.stage import Trainee
from models.stage_embedding import shape_of

_PROBE_WORKS = 256
_PROBED_AT_A_TIME = 64
_BEGUN_S = (4, 10)
NOTES = ("view", "onset_s", "duration_s", "pitch", "level", "part")


class HeardTrainee(Trainee):
    """Ears under one of `models.losses` and under the truth of what sounds."""

    net: Ears

    def __init__(self, net: Ears, loss: torch.nn.Module, settings: Settings, sounds: Path) -> None:
        super().__init__(net, loss, settings.schedule.bf16)
        self.heard, self.group = settings.heard, settings.data.group
        self.frames = view_frames(recipe_of(settings.data).frames)
        # What plays is no part of what is trained, averaged or saved.
        self.orchestra, self.air = Orchestra(read_sounds(sounds)), Air()

    def forward(
        self, seed: Tensor, works: Tensor, recorded: Tensor, spectra: Tensor, told: Tensor, *notes: Tensor
    ) -> Tensor:
        """Loss of a batch; arguments as `batch_of` gives them."""
        device = next(self.net.parameters()).device
        generator = torch.Generator(device).manual_seed(int(seed))
        power, truth = self.sound(works, recorded, spectra, told, notes, generator)
        count = len(works)
        with torch.autocast(device.type, dtype=torch.bfloat16, enabled=self.bf16):
            logits, salience = self.net(power)
            # As many in every batch: shapes that change make a GPU look for its fastest kernels again and again.
            newest = torch.randperm(count, device=device, generator=generator)[: round(self.heard.recent * count)]
            recent = salience[count:][newest, -RECENT_STEPS * FRAMES_PER_STEP :]
            vectors = [self.net.embedding(salience), *([self.net.embedding(recent)] if len(recent) else [])]
        labels = torch.cat([works, works, works[newest]])
        found: Tensor = self.loss(gathered(torch.cat(vectors).float()), gathered(labels))
        told_apart = functional.binary_cross_entropy_with_logits(logits.float(), truth)
        return found + self.heard.truth * told_apart

    def sound(
        self,
        works: Tensor,
        recorded: Tensor,
        spectra: Tensor,
        told: Tensor,
        notes: tuple[Tensor, ...],
        generator: torch.Generator,
    ) -> tuple[Tensor, Tensor]:
        """Log power of all views, (2 * works, frames, bins), and which pitches sound in them."""
        device, count = works.device, len(works)
        band_of, number = bands_of(count, self.group, device)
        bands = self.orchestra.hire(number, generator)
        with torch.no_grad():
            played = self.orchestra(dict(zip(NOTES, notes, strict=True)), band_of, bands, self.frames, generator)
            power, truth = played.power, played.truth
            if len(recorded):
                power[recorded] = torch.where(spectra > 0, 10 ** ((spectra.float() + SILENT_DB) / 10), 0.0)
                truth[recorded] = told.float() / 255
            heard = self.air(power, band_of, number, generator)
            begun = self._begun(count, heard.shape[1], Dice(generator))
            answered = begun[:, MARGIN_FRAMES : heard.shape[1] - MARGIN_FRAMES : 2]
            return _with_others(heard, count, begun), _with_others(truth, count, answered)

    def _begun(self, count: int, frames: int, dice: Dice) -> Tensor:
        """Frames of second views, (count, frames), that are not their work's: some begin with other music."""
        chosen = dice.chance(self.heard.begun, count)[:, None]
        until_s = dice.uniform(*_BEGUN_S, count)[:, None]
        return chosen & (torch.arange(frames, device=dice.device)[None] < RATE_HZ * until_s)


def _with_others(views: Tensor, count: int, other: Tensor) -> Tensor:
    """Views (2 * count, frames, bins) with frames of the second ones replaced by another view's, played backwards."""
    second = views[count:]
    return torch.cat([views[:count], torch.where(other[:, :, None], second.roll(1, 0).flip(1), second)])


def batch_of(pieces: list[Piece], seed: int) -> tuple[Tensor, ...]:
    """Tensors of a batch, in the order that `HeardTrainee` takes them."""
    whole = joined(pieces)
    arrays = [whole.works, whole.recorded, whole.spectra, whole.salience, *(getattr(whole, name) for name in NOTES)]
    return torch.tensor(seed), *(torch.from_numpy(array) for array in arrays)


class HeardStage:
    """A stage of kind ``heard``."""

    def __init__(self, settings: Settings) -> None:
        self.settings = settings
        data = settings.data
        self._store = ScoreStore(Path(data.store))
        entries = read_manifest(Path(data.manifest), data.collections or None)
        self._train, self._held_out = (
            [e for e in entries if e.split == split and e.path in self._store] for split in ("train", "val")
        )
        embedding = EmbeddingConfig(settings.net.widths, settings.net.dimension, settings.net.hidden)
        net = Ears(SalienceConfig(width=settings.front.width), embedding)
        loss = build_loss(settings.loss, data, settings.net, self._count_works)
        if reads_features(loss):
            raise SettingsError(f"loss.kind {settings.loss.kind!r} needs a stage of kind 'embedding'")
        self.trainee = HeardTrainee(net, loss, settings, Path(settings.heard.sounds))
        self.shape: dict[str, Any] = {
            "width": settings.front.width,
            "config": shape_of(settings.net),
        }

    def _count_works(self) -> int:
        heard = self.settings.heard
        recordings = len(Recordings(Path(heard.recordings))) if heard.recordings and heard.recorded_works else 0
        return len({e.work_id for e in self._train}) + recordings

    def begin(self, runs: Path) -> None:
        """Take over the front end of another run."""
        if self.settings.heard.front:
            state = torch.load(runs / self.settings.heard.front, weights_only=True, map_location="cpu")
            self.trainee.net.front.load_state_dict(part_of(state["average"], "front."))

    def batches(self, first: int, part: tuple[int, int]) -> Iterator[tuple[Tensor, ...]]:
        """Batches of `batch_of`."""
        schedule = self.settings.schedule
        made = batches(self._train, self.settings.data, self.settings.heard, schedule.seed, first, schedule.steps, part)
        for step, pieces in enumerate(made, first):
            yield batch_of(pieces, hash((schedule.seed, step, part[0])) % 2**31)

    @cached_property
    def _probes(self) -> tuple[Tensor, ...]:
        data, heard = self.settings.data, self.settings.heard
        works = len({e.work_id for e in self._held_out})
        count = min(_PROBE_WORKS, works // data.group * data.group)
        data = replace(data, works_per_batch=count, neighbours="", human=1.0)
        cast_ = cast_of(self._held_out, data, replace(heard, recorded_works=0), (0, 1))
        return batch_of([draw_piece(cast_, (0,))], 0)

    def probe(self, net: torch.nn.Module) -> dict[str, float]:
        """Top-1 of the second views of held-out works, and of their newest half, among their first views."""
        ears = cast(Ears, net)
        device = next(ears.parameters()).device
        seed, works, recorded, spectra, told, *notes = (part.to(device) for part in self._probes)
        generator = torch.Generator(device).manual_seed(int(seed))
        power, truth = self.trainee.sound(works, recorded, spectra, told, tuple(notes), generator)
        whole, recent, loss = [], [], 0.0
        with torch.no_grad():
            for part, true in zip(
                torch.split(power, _PROBED_AT_A_TIME), torch.split(truth, _PROBED_AT_A_TIME), strict=True
            ):
                logits, salience = ears(part)
                loss += float(functional.binary_cross_entropy_with_logits(logits.float(), true, reduction="sum"))
                whole.append(ears.embedding(salience))
                recent.append(ears.embedding(salience[:, -RECENT_STEPS * FRAMES_PER_STEP :]))
        z, r, count = torch.cat(whole), torch.cat(recent), len(works)
        right = torch.arange(count, device=device)
        return {
            "val_top1": float(((z[count:] @ z[:count].T).argmax(1) == right).float().mean()),
            "val_recent_top1": float(((r[count:] @ z[:count].T).argmax(1) == right).float().mean()),
            "val_truth": loss / truth.numel(),
        }
