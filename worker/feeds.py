"""Feeds and how they are written down: ``feeds.toml`` for people, the ``feeds`` hash in Redis as the truth.

::

    [[feeds]]
    id = "radio1"                         # letters, digits, '.', '_', '-'; names the feed everywhere
    title = "Radio One"                   # shown to people (default: the id)
    source = "https://example.org/live"   # mic, mic:NAME, http(s)://…, file:PATH or a path
    allow_private = false                 # may the source be on this machine or the local network?
    realtime = true                       # pace a file as if it were broadcast (default), or read it at full speed
    live = true                           # does the end of the data mean an outage? (default: the source knows)
    mode = "monitoring"                   # how sure is sure enough: monitoring (default), kiosk, or either at a
                                          # confidence of one's own: "monitoring@0.75"
"""

from __future__ import annotations

import json
import re
import tomllib
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from recognizer.errors import SourceError, UsageError
from worker.sources import SourceOptions, kind_of

ID = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}")
TYPES: dict[str, tuple[type, ...]] = {
    "source": (str,),
    "title": (str,),
    "allow_private": (bool,),
    "realtime": (bool,),
    "live": (bool, type(None)),
    "mode": (str,),
}


@dataclass(frozen=True, slots=True)
class FeedConfig:
    """One feed, checked."""

    id: str
    source: str
    title: str
    allow_private: bool = False
    realtime: bool = True
    live: bool | None = None
    mode: str = "monitoring"

    def options(self) -> SourceOptions:
        """How its source is opened."""
        return SourceOptions(allow_private=self.allow_private, realtime=self.realtime, live=self.live)

    def to_json(self) -> str:
        """The value in the ``feeds`` hash."""
        fields = asdict(self)
        del fields["id"]
        return json.dumps(fields, sort_keys=True)

    @classmethod
    def from_json(cls, feed: str, text: str) -> FeedConfig:
        """Check a value of the ``feeds`` hash.

        Raises
        ------
        UsageError
            When it is not a feed's configuration.
        """
        try:
            fields = json.loads(text)
        except ValueError as error:
            raise UsageError(f"the configuration of feed {feed!r} is not JSON: {error}") from error
        return cls.from_fields(feed, fields)

    @classmethod
    def from_fields(cls, feed: object, fields: object) -> FeedConfig:
        """Check fields from wherever they come; fields unknown to this version are refused.

        Raises
        ------
        UsageError
            Saying which field is wrong and what was expected.
        """
        if not isinstance(feed, str) or not ID.fullmatch(feed):
            raise UsageError(f"feed id {feed!r}: expected 1 to 64 letters, digits, '.', '_' or '-'")
        if not isinstance(fields, dict) or "source" not in fields:
            raise UsageError(f'feed {feed!r} has no source; add source = "…"')
        for name, value in fields.items():
            if name not in TYPES:
                raise UsageError(f"feed {feed!r} has an unknown field {name!r}; known are id, {', '.join(TYPES)}")
            if not isinstance(value, TYPES[name]):
                raise UsageError(f"feed {feed!r}: {name} is {value!r}, expected a {TYPES[name][0].__name__}")
        config = cls(feed, **{"title": feed, **fields})
        try:
            kind = kind_of(config.source)
        except SourceError as error:
            raise UsageError(f"feed {feed!r}: {error}") from error
        if kind == "stdin":
            raise UsageError(f"feed {feed!r}: standard input cannot be a feed; use recognizer listen -")
        return config


def parse(text: str) -> list[FeedConfig]:
    """The feeds of a TOML text; paths stay as they are.

    Raises
    ------
    UsageError
        When the text is not such a file; nothing is taken from it.
    """
    try:
        document = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise UsageError(f"not TOML: {error}") from error
    tables = document.get("feeds")
    if set(document) != {"feeds"} or not isinstance(tables, list) or not all(isinstance(t, dict) for t in tables):
        raise UsageError("expected one or more [[feeds]] tables and nothing else")
    configs = [_from_table(table) for table in tables]
    repeated = {config.id for config in configs if sum(other.id == config.id for other in configs) > 1}
    if repeated:
        raise UsageError(f"feed ids must differ; repeated: {', '.join(sorted(repeated))}")
    return configs


def _from_table(table: dict[str, Any]) -> FeedConfig:
    # Here and not above: captures read configurations too, and have no use for the index that profiles bring along.
    from recognizer.profiles import profile

    config = FeedConfig.from_fields(table.get("id"), {k: v for k, v in table.items() if k != "id"})
    try:
        profile(config.mode)
    except UsageError as error:
        raise UsageError(f"feed {config.id!r}: {error}") from error
    return config


def load(path: Path) -> list[FeedConfig]:
    """The feeds of a TOML file; relative paths of sources are taken from the file's folder.

    Raises
    ------
    UsageError
        When the file cannot be read or is not valid.
    """
    try:
        configs = parse(path.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError) as error:
        raise UsageError(f"{path} cannot be read: {error}") from error
    except UsageError as error:
        raise UsageError(f"{path}: {error}") from error
    return [_anchored(config, path.resolve().parent) for config in configs]


def _anchored(config: FeedConfig, folder: Path) -> FeedConfig:
    if kind_of(config.source) != "file" or config.source.lower().startswith("file:/"):
        return config
    plain = config.source.removeprefix("file:")
    return FeedConfig(**{**asdict(config), "source": f"file:{folder / Path(plain).expanduser()}"})
