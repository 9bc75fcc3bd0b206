"""Puts a catalogue into Redis, where workers follow it.

Files first, each under its hash; then the manifest and a log entry in one transaction; then what neither this nor the
previous publication names is deleted. A replica that is still reading the previous one finds all its files.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path
from typing import cast

import redis

from recognizer.catalogue import Catalogue, manifest_files
from recognizer.catalogue.directory import MANIFEST_NAME, exists
from recognizer.catalogue.segment import verified
from recognizer.errors import CatalogueCorrupt, CatalogueError
from recognizer.wire import Keys

LOG_ENTRIES = 1_000
POLL_S = 1.0
RETRY_S = 5.0
_ATTEMPTS = 10


def publish(client: redis.Redis, catalogue_dir: Path, keys: Keys) -> int:
    """Publish the newest generation of a catalogue; does nothing when it is published already.

    Parameters
    ----------
    client : redis.Redis
        Without ``decode_responses``.
    catalogue_dir : Path
    keys : Keys

    Returns
    -------
    int
        The published generation.

    Raises
    ------
    CatalogueError
        When there is no catalogue, or a file of it is damaged; Redis keeps what it has.
    redis.RedisError
        When Redis fails; workers keep what they have, and publishing again completes it.
    """
    return Catalogue.open(catalogue_dir).retrying(lambda at: _publish(client, at, keys))


def _publish(client: redis.Redis, catalogue: Catalogue, keys: Keys) -> int:
    for _ in range(_ATTEMPTS):
        with client.pipeline() as pipe:
            pipe.watch(keys.catalogue_manifest)  # type: ignore[no-untyped-call]
            before = cast("bytes | None", pipe.get(keys.catalogue_manifest))
            _put_files(client, catalogue, keys)
            if before != catalogue.manifest_bytes:
                pipe.multi()
                pipe.set(keys.catalogue_manifest, catalogue.manifest_bytes)
                pipe.xadd(keys.catalogue_log, {"generation": catalogue.manifest.generation}, maxlen=LOG_ENTRIES)
                try:
                    pipe.execute()
                except redis.WatchError:  # somebody else published meanwhile
                    continue
                _forget(client, keys, catalogue, before)
        return catalogue.manifest.generation
    raise CatalogueError("others publish to the same Redis again and again; publish from one place, or use --prefix")


def _put_files(client: redis.Redis, catalogue: Catalogue, keys: Keys) -> None:
    for file in catalogue.manifest.files():
        key = keys.catalogue_file(file.sha256)
        if client.strlen(key) != file.size_bytes:
            client.set(key, verified(file, catalogue.read))


def _forget(client: redis.Redis, keys: Keys, catalogue: Catalogue, before: bytes | None) -> None:
    keep = {file.sha256 for file in catalogue.manifest.files()}
    try:
        keep.update(manifest_files(before) if before else [])
    except CatalogueCorrupt:  # what was there is of no use to anybody
        pass
    start = keys.catalogue_file("")
    escaped = "".join(f"\\{c}" if c in "*?[]\\^" else c for c in start)
    for key in client.scan_iter(match=f"{escaped}*", count=1000):
        if cast(bytes, key).decode("utf-8", "replace").removeprefix(start) not in keep:
            client.unlink(key)


def watch(
    client: redis.Redis,
    catalogue_dir: Path,
    keys: Keys,
    *,
    stop: Callable[[float], bool],
    report: Callable[[str], None],
) -> None:
    """Publish, and again whenever the catalogue changes or Redis has lost it, until ``stop`` says so.

    Parameters
    ----------
    client : redis.Redis
    catalogue_dir : Path
        May not exist yet.
    keys : Keys
    stop : callable
        Waits for the given seconds; returns whether to end.
    report : callable
        Told, in a sentence, what happened when it changes.
    """
    said, seen, published_s = "", None, float("-inf")
    while True:
        pause_s = POLL_S
        try:
            stamp = _stamp(catalogue_dir)
            if stamp is None:
                now = f"waiting for a catalogue in {catalogue_dir}"
            else:
                # Now and then also without a change: a Redis that was emptied is filled again.
                if stamp != seen or time.monotonic() - published_s > RETRY_S:
                    now = f"published generation {publish(client, catalogue_dir, keys)} of {catalogue_dir}"
                    seen, published_s = stamp, time.monotonic()
        except (CatalogueError, redis.RedisError, OSError) as error:
            now, seen, pause_s = f"cannot publish: {error}; trying again", None, RETRY_S
        if now != said:
            said = now
            report(now)
        if stop(pause_s):
            return


def _stamp(catalogue_dir: Path) -> tuple[int, int] | None:
    if not exists(catalogue_dir):
        return None
    status = (catalogue_dir / MANIFEST_NAME).stat()
    return status.st_mtime_ns, status.st_ino
