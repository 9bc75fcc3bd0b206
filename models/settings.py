"""One training stage as a TOML file: every key is known, every key is used."""

from __future__ import annotations

import tomllib
from dataclasses import dataclass, field, fields, replace
from pathlib import Path
from typing import Any


class SettingsError(ValueError):
    """The configuration cannot be used; the message names the key."""


@dataclass(frozen=True, slots=True)
class Data:
    """Where views come from.

    Attributes
    ----------
    manifest, store : str
        The CSV of works and the file made from it by ``python -m models.prepare``.
    collections : tuple of str
        Collections to train on; empty for all.
    weights : dict
        Relative share of a work by collection.
    works_per_batch, group : int
        Works in a batch (two views each); works that share the two styles of their pairs.
    human : float
        Probability of pairing two human-made versions where a work has them.
    helpers : int
        Low-priority processes that make batches ahead; 0 for runs that can be repeated bit by bit.
    """

    manifest: str
    store: str
    collections: tuple[str, ...] = ()
    weights: dict[str, float] = field(default_factory=dict)
    works_per_batch: int = 96
    group: int = 8
    human: float = 0.75
    helpers: int = 1


@dataclass(frozen=True, slots=True)
class Net:
    """Shape of the embedding network, see `models.nets.embedding.EmbeddingConfig`."""

    widths: tuple[int, ...] = (24, 48, 96, 128)
    dimension: int = 128
    hidden: int = 256


@dataclass(frozen=True, slots=True)
class Loss:
    """Which loss (``contrastive``, ``triplet`` or ``softmax``) and its numbers."""

    kind: str = "contrastive"
    temperature: float = 0.07
    memory: int = 0
    margin: float = 0.2
    scale: float = 24.0


@dataclass(frozen=True, slots=True)
class Schedule:
    """How long and how fast.

    Attributes
    ----------
    steps : int
        Batches in this stage; the learning rate falls along a half cosine from ``rate`` to ``last_rate``.
    warmup : int
        Batches over which the rate rises from zero.
    ema : float
        Decay of the running mean of weights that is validated and exported.
    bf16 : bool
        Convolve in bfloat16 (processors with avx512_bf16 or amx, and GPUs).
    save_s : float
        Seconds between checkpoints.
    probe_steps : int
        Batches between validations.
    """

    steps: int
    rate: float = 1e-3
    last_rate: float = 1e-5
    warmup: int = 200
    weight_decay: float = 0.01
    ema: float = 0.998
    bf16: bool = False
    save_s: float = 180.0
    probe_steps: int = 500
    seed: int = 1


@dataclass(frozen=True, slots=True)
class Settings:
    """A whole stage.

    ``start`` names a checkpoint, seen from the folder of all runs, whose weights are the beginning (empty: random).
    """

    name: str
    data: Data
    schedule: Schedule
    net: Net = Net()
    loss: Loss = Loss()
    start: str = ""

    def within(self, folder: Path) -> Settings:
        """The same settings with relative data paths put under ``folder``."""
        data = replace(self.data, manifest=str(folder / self.data.manifest), store=str(folder / self.data.store))
        return replace(self, data=data)


_PARTS: dict[str, type[Any]] = {"data": Data, "schedule": Schedule, "net": Net, "loss": Loss}


def read_settings(path: Path) -> Settings:
    """Parse and check a configuration.

    Raises
    ------
    SettingsError
        On unknown or missing keys and wrong types.
    """
    try:
        raw = tomllib.loads(path.read_text(encoding="utf-8"))
    except tomllib.TOMLDecodeError as error:
        raise SettingsError(f"{path}: not TOML ({error})") from error
    try:
        parts = {key: _part(_PARTS[key], value) if key in _PARTS else value for key, value in raw.items()}
        return Settings(**_checked(Settings, parts))
    except TypeError as error:
        raise SettingsError(f"{path}: {error}") from error


def _part(kind: type[Any], raw: dict[str, Any]) -> Any:
    values = {key: tuple(value) if isinstance(value, list) else value for key, value in raw.items()}
    return kind(**_checked(kind, values))


def _checked(kind: type[Any], values: dict[str, Any]) -> dict[str, Any]:
    unknown = set(values) - {f.name for f in fields(kind)}
    if unknown:
        raise SettingsError(f"unknown keys {sorted(unknown)} for {kind.__name__.lower()}")
    return values
