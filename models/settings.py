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
        Works in a batch; works whose first views share one style, whose second views share another, and so on.
    human : float
        Probability of pairing two human-made versions where a work has them.
    versions : float
        Relative share of works that have them, on top of ``weights``.
    recent, begun : float
        Share of groups whose second views are cut as a feed cuts them, see `models.data.interrupted`.
    helpers : int
        Low-priority processes that make batches ahead; 0 for runs that can be repeated bit by bit.
    views, windows : int
        Performances of a work in a batch; windows of each, one after the other (only for losses that read them so).
    bank : str
        Views made once and gone through again (`models.data.bank`) in place of new ones; empty for new ones.
    neighbours : str
        A file of `models.neighbours`; empty for groups of random works.
    recordings : str
        A file of `models.data.recorded`; empty for scores alone.
    recorded_works : int
        How many works of a batch, in whole groups, come from it.
    """

    manifest: str = ""
    store: str = ""
    collections: tuple[str, ...] = ()
    weights: dict[str, float] = field(default_factory=dict)
    works_per_batch: int = 96
    group: int = 8
    human: float = 0.75
    versions: float = 1.0
    recent: float = 0.0
    begun: float = 0.0
    helpers: int = 1
    views: int = 2
    windows: int = 1
    bank: str = ""
    neighbours: str = ""
    recordings: str = ""
    recorded_works: int = 0


@dataclass(frozen=True, slots=True)
class Front:
    """What the front end learns from, and its width.

    Attributes
    ----------
    shards : str
        Folder made by ``python -m models.prepare audio``.
    held_out : int
        Last shards of each kind that are validated on.
    truth : float
        Share of exact truth in the target of renders; the teacher has the rest.
    rooms, lines : float
        Share of chunks heard in a room, and through a narrow line (`models.data.damage`).
    pieces, frames : int
        Chunks in a batch; frames of 1/8 s in a chunk.
    width : int
        Channels, see `models.nets.salience.SalienceConfig`.
    """

    shards: str = ""
    held_out: int = 1
    truth: float = 0.5
    rooms: float = 0.0
    lines: float = 0.0
    pieces: int = 12
    frames: int = 48
    width: int = 16


@dataclass(frozen=True, slots=True)
class Heard:
    """What is played and heard, for a stage that learns by ear (`models.heard`); works come from ``data``.

    Attributes
    ----------
    sounds, recordings : str
        Files made by ``python -m models.prepare sounds`` and ``spectra``; without recordings there are scores alone.
    front : str
        Checkpoint of the front end to start from, seen from the folder of all runs.
    pieces : int
        Parts of a batch that are made one by one, each from its share of the works.
    helpers : int
        Processes for each of them.
    recorded_works : int
        How many works of a piece, in whole groups, are recordings.
    begun, recent : float
        Share of second views that begin with other music; share of works whose newest ten seconds must be found, too.
    truth : float
        Weight of the front end's own task, to tell the pitches that sound.
    """

    sounds: str = ""
    recordings: str = ""
    front: str = ""
    pieces: int = 1
    helpers: int = 1
    recorded_works: int = 0
    begun: float = 0.1
    recent: float = 0.5
    truth: float = 0.5


@dataclass(frozen=True, slots=True)
class Sequence:
    """What the pitch sequence learns from, and its loss (`models.losses.alignment`); works come from ``data``.

    Attributes
    ----------
    pairs : str
        Folder made by ``python -m models.passages``.
    sounds : str
        File made by ``python -m models.prepare sounds``, to make it from.
    front : str
        Checkpoint of the front end that hears them, seen from the folder of all runs.
    batches, held_out : int
        How many batches of ``data.works_per_batch`` pairs are made, of the split ``train`` and of ``val``.
    frames : int
        Length of a view in frames of 1/8 s.
    tempo_spread : float
        As in `models.data.views.Recipe`.
    width : int
        Channels, see `models.nets.sequence.SequenceConfig`.
    temperature : float
        Divides the cosine similarities.
    strangers : int
        Other works that a frame is compared with.
    """

    pairs: str = ""
    sounds: str = ""
    front: str = ""
    batches: int = 96
    held_out: int = 4
    frames: int = 192
    tempo_spread: float = 0.14
    width: int = 12
    temperature: float = 0.08
    strangers: int = 6


@dataclass(frozen=True, slots=True)
class Net:
    """Shape of the embedding network, see `models.nets.embedding.EmbeddingConfig`."""

    widths: tuple[int, ...] = (24, 48, 96, 128)
    dimension: int = 128
    hidden: int = 256


@dataclass(frozen=True, slots=True)
class Loss:
    """Which loss, and its numbers; every file of `models.losses` says what they mean.

    ``kind`` is ``contrastive`` (temperature, memory), ``triplet`` (margin), ``softmax``, ``angular`` (scale, margin,
    angle, grow) or ``clews`` (gamma, epsilon, pairs).
    """

    kind: str = "contrastive"
    temperature: float = 0.07
    memory: int = 0
    margin: float = 0.2
    angle: float = 0.0
    grow: int = 0
    scale: float = 24.0
    gamma: float = 5.0
    epsilon: float = 1e-6
    pairs: int = 2


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
        Convolve in bfloat16 (processors with avx512_bf16 or amx, and GPUs); needs no scaling of the loss.
    clip : float
        Longest gradient of the network; longer ones are shortened to it.
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
    clip: float = 5.0
    save_s: float = 180.0
    probe_steps: int = 500
    seed: int = 1


@dataclass(frozen=True, slots=True)
class Settings:
    """A whole stage.

    ``kind`` is ``embedding`` (reads ``data``, ``net`` and ``loss``), ``front`` (reads ``front``), ``heard``, both in
    one (reads ``data``, ``heard``, ``net`` and ``loss``), or ``sequence`` (reads ``data`` and ``sequence``). ``start``
    names a checkpoint of the same kind, seen from the folder of all runs, whose weights are the beginning (empty:
    random).
    """

    name: str
    schedule: Schedule
    kind: str = "embedding"
    data: Data = field(default_factory=Data)
    front: Front = Front()
    heard: Heard = Heard()
    sequence: Sequence = Sequence()
    net: Net = Net()
    loss: Loss = Loss()
    start: str = ""

    def within(self, folder: Path) -> Settings:
        """The same settings with relative data paths put under ``folder``."""

        def under(path: str) -> str:
            return str(folder / path) if path else ""

        paths: dict[str, Any] = {name: under(getattr(self.data, name)) for name in _PATHS}
        heard = replace(self.heard, sounds=under(self.heard.sounds), recordings=under(self.heard.recordings))
        front = replace(self.front, shards=under(self.front.shards))
        sequence = replace(self.sequence, pairs=under(self.sequence.pairs), sounds=under(self.sequence.sounds))
        return replace(self, data=replace(self.data, **paths), front=front, heard=heard, sequence=sequence)


_PATHS = ("manifest", "store", "bank", "neighbours", "recordings")
_PARTS: dict[str, type[Any]] = {
    "data": Data, "front": Front, "heard": Heard, "sequence": Sequence, "schedule": Schedule, "net": Net, "loss": Loss,
}  # fmt: skip
_NEEDED = {
    "embedding": (("data", "manifest"), ("data", "store")),
    "front": (("front", "shards"),),
    "heard": (("data", "manifest"), ("data", "store"), ("heard", "sounds")),
    "sequence": (("data", "manifest"), ("data", "store"), ("sequence", "pairs"), ("sequence", "sounds")),
}


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
        settings = Settings(**_checked(Settings, parts))
    except TypeError as error:
        raise SettingsError(f"{path}: {error}") from error
    _check_kind(path, settings)
    return settings


def _check_kind(path: Path, settings: Settings) -> None:
    if settings.kind not in _NEEDED:
        raise SettingsError(f"{path}: kind is {settings.kind!r}, expected one of {sorted(_NEEDED)}")
    missing = [f"{part}.{key}" for part, key in _NEEDED[settings.kind] if not getattr(getattr(settings, part), key)]
    if missing:
        raise SettingsError(f"{path}: a stage of kind {settings.kind!r} needs {' and '.join(missing)}")


def _part(kind: type[Any], raw: dict[str, Any]) -> Any:
    values = {key: tuple(value) if isinstance(value, list) else value for key, value in raw.items()}
    return kind(**_checked(kind, values))


def _checked(kind: type[Any], values: dict[str, Any]) -> dict[str, Any]:
    unknown = set(values) - {f.name for f in fields(kind)}
    if unknown:
        raise SettingsError(f"unknown keys {sorted(unknown)} for {kind.__name__.lower()}")
    return values
