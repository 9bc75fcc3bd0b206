"""Names and layouts in Redis, shared by the edges that meet there (capture, worker, web, publisher).

Only strings and bytes live here: no Redis client is imported. Every key starts with ``PREFIX`` so that a deployment
can share a server; keys of one feed carry the hash tag ``{feed}``.

========================== ======== ===========================================================================
key                        type     content
========================== ======== ===========================================================================
``feeds``                  hash     feed id → JSON config (``source``, ``allow_private``, ``title`` …)
``{feed}:audio``           stream   capture → worker; entries as in ``encode_item``; MAXLEN-bounded
``{feed}:lease``           string   JSON ``{"owner", "token"}`` with a TTL
``{feed}:fence``           integer  last fencing token handed out
``{feed}:state``           hash     ``cursor`` (last audio id), ``blob`` (line state), ``fence``, ``ended``, ``tries``
``{feed}:config``          string   the configuration that this timeline was captured with
``{feed}:capturing``       string   the right to capture, with a TTL
``{feed}:status``          string   JSON, the newest picture of a feed: `FeedLine.status` and ``at_ms, lag_ms, worker``
``{feed}:open``            hash     detection id → JSON event envelope (newest revision) while open
``{feed}:closed``          list     newest first, JSON envelopes of closed detections, bounded
``{feed}:gaps``            list     newest first, JSON envelopes of stream.gap, bounded
``{feed}:capture``         string   JSON written by capture every second: ``state, detail, level_dbfs, at_ms``; TTL
``{feed}:clock``           string   JSON ``{"started_at_ms", "rate_hz"}``, set once by capture: UTC of position 0
``events``                 stream   all event envelopes in order: fields ``seq, feed, type, json``; MAXLEN-bounded
``events:seq``             integer  last sequence number
``announced:<guard>``      string   says that something was told once (a catalogue version), with a TTL
``workers``                hash     worker id → JSON ``{"pid","feeds","at_ms","generation","embed_ms"…}``
``catalogue:manifest``     string   JSON manifest of the published catalogue (see ``recognizer.catalogue``)
``catalogue:file:<sha>``   string   content of one published file, addressed by its SHA-256
``catalogue:log``          stream   one entry per publication: ``generation``; MAXLEN-bounded
========================== ======== ===========================================================================
"""

from __future__ import annotations

import json
from collections.abc import Mapping

import numpy as np

from recognizer.timeline import AudioChunk, SourceEnd, SourceGap, SourceItem, SourceState, StreamState

DEFAULT_PREFIX = "rc:"
AUDIO_RETENTION_ENTRIES = 900  # 15 minutes of 1 s chunks: what a feed may lag before its oldest audio becomes a gap
EVENT_RETENTION_ENTRIES = 20_000
CLOSED_RETENTION = 500


class Keys:
    """Builds key names under one prefix."""

    def __init__(self, prefix: str = DEFAULT_PREFIX) -> None:
        self.prefix = prefix
        self.feeds = f"{prefix}feeds"
        self.events = f"{prefix}events"
        self.events_seq = f"{prefix}events:seq"
        self.workers = f"{prefix}workers"
        self.catalogue_manifest = f"{prefix}catalogue:manifest"
        self.catalogue_log = f"{prefix}catalogue:log"

    def catalogue_file(self, sha256: str) -> str:
        """Key of a published catalogue file."""
        return f"{self.prefix}catalogue:file:{sha256}"

    def feed(self, feed: str, part: str) -> str:
        """Key of one part (``audio``, ``lease``, ``state`` …) of a feed."""
        return f"{self.prefix}{{{feed}}}:{part}"


def encode_item(item: SourceItem) -> dict[str, bytes]:
    """The fields of an ``{feed}:audio`` stream entry for a source item."""
    if isinstance(item, AudioChunk):
        header: dict[str, object] = {"kind": "audio", "epoch": item.epoch, "start": item.start_sample}
        return {"h": json.dumps(header).encode(), "pcm": item.pcm.astype("<i2").tobytes()}
    if isinstance(item, SourceGap):
        header = {"kind": "gap", "start": item.start_sample, "end": item.end_sample, "reason": item.reason}
    elif isinstance(item, SourceState):
        header = {"kind": "state", "state": item.state.value, "at": item.at_sample, "detail": item.detail}
    else:
        header = {"kind": "end", "at": item.at_sample, "reason": item.reason}
    return {"h": json.dumps(header).encode()}


def decode_item(fields: Mapping[bytes, bytes]) -> SourceItem:
    """Inverse of `encode_item`.

    Raises
    ------
    ValueError
        When the entry is malformed; the caller drops it and advances.
    """
    try:
        header = json.loads(fields[b"h"])
        kind = header["kind"]
        if kind == "audio":
            pcm = np.frombuffer(fields[b"pcm"], dtype="<i2").astype(np.int16)
            return AudioChunk(int(header["epoch"]), int(header["start"]), pcm)
        if kind == "gap":
            return SourceGap(int(header["start"]), int(header["end"]), str(header["reason"]))
        if kind == "state":
            return SourceState(StreamState(header["state"]), int(header["at"]), header["detail"])
        if kind == "end":
            return SourceEnd(int(header["at"]), str(header["reason"]))
    except (KeyError, TypeError) as error:
        raise ValueError(f"malformed audio entry: {error!r}") from error
    raise ValueError(f"unknown audio entry kind {kind!r}")
