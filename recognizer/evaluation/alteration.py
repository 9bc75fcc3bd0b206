"""What is done to a recording before it is asked for: an excerpt of it, damaged."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np

from recognizer.evaluation.degrade import check_kinds, degrade
from recognizer.timeline import Pcm16


@dataclass(frozen=True, slots=True)
class Alteration:
    """An excerpt from the middle (``None``: all of it), then degradations (see `recognizer.evaluation.degrade`)."""

    seconds: float | None = None
    degrade: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        check_kinds(self.degrade)

    @property
    def label(self) -> str:
        """What it does, in letters, digits, dots and hyphens; ``whole`` when nothing."""
        length = "whole" if self.seconds is None else f"{self.seconds:g}s"
        return "-".join([length, *self.degrade])

    def to_json(self) -> dict[str, Any]:
        """The fields as JSON values."""
        return {"seconds": self.seconds, "degrade": list(self.degrade)}

    @classmethod
    def from_json(cls, raw: dict[str, Any]) -> Alteration:
        """Inverse of `to_json`."""
        return cls(raw["seconds"], tuple(raw["degrade"]))


def altered(blocks: Iterable[Pcm16], rate_hz: int, how: Alteration, seed: int) -> Iterator[Pcm16]:
    """The audio of ``blocks`` (mono, at ``rate_hz``) as it is to be heard; a short recording is taken whole."""
    if how == Alteration():
        yield from blocks
        return
    pcm = np.concatenate([np.zeros(0, np.int16), *blocks])
    if how.seconds is not None:
        length = max(1, round(how.seconds * rate_hz))
        first = max(0, (len(pcm) - length) // 2)
        pcm = pcm[first : first + length].copy()
    if len(pcm):
        yield degrade(pcm, rate_hz, how.degrade, seed)
