"""A worker's copy of the published catalogue: built aside from verified files, then swapped in.

Files are named by their content, so those that a new generation shares with the old one are not fetched again: they
are kept in a folder and checked again whenever they are read. A publication that does not hold changes nothing.
"""

from __future__ import annotations

import hashlib
import logging
import os
import tempfile
import threading
import time
from pathlib import Path
from typing import cast

import redis

from recognizer.catalogue import CatalogueView
from recognizer.contract import ModelContract
from recognizer.errors import CatalogueCorrupt, CatalogueError
from recognizer.events import CATALOGUE_CHANGED, SCHEMA, Event, stable_id, utc
from recognizer.hubs import warm
from recognizer.wire import Keys
from worker.bus import Bus

log = logging.getLogger(__name__)

POLL_S = 1.0
RETRY_S = 10.0


class CatalogueReplica:
    """Follows the published catalogue.

    Parameters
    ----------
    bus : Bus
        With a client of its own: the replica works in its own thread.
    contract : ModelContract
    model_id : str
        Of the model in use; catalogues of other models are refused.
    cache : Path
        Folder for the files.

    Attributes
    ----------
    view : CatalogueView
        The newest good generation; replaced as a whole, never changed.
    error : str or None
        Why the published catalogue is not in use, for people.
    ready : threading.Event
        Set once there is a first published generation.
    """

    def __init__(self, bus: Bus, contract: ModelContract, model_id: str, cache: Path) -> None:
        self._bus, self._model_id, self._model_name, self._cache = bus, model_id, contract.name, cache
        self._keys: Keys = bus.keys
        self._tried: bytes | None = None  # digest of the manifest that was loaded, or refused, last
        self._tried_s = 0.0
        self.view = CatalogueView.empty(contract, model_id)
        self.error: str | None = None
        self.ready = threading.Event()

    def follow(self, stop: threading.Event) -> None:
        """Poll until ``stop`` is set; for a thread of its own."""
        while not stop.wait(POLL_S):
            try:
                self.poll()
            except redis.RedisError as error:
                log.debug("Redis is away: %s", error)
            except Exception:
                log.exception("the catalogue replica failed; keeping generation %d", self.view.generation)
                stop.wait(RETRY_S)

    def poll(self) -> bool:
        """Look for a new publication and load it; True when the view changed."""
        manifest = cast("bytes | None", self._bus.client.get(self._keys.catalogue_manifest))
        if manifest is None:
            return False
        digest = hashlib.sha256(manifest).digest()
        again = self.error is not None and time.monotonic() - self._tried_s > RETRY_S
        if digest == self._tried and not again:
            return False
        self._tried, self._tried_s = digest, time.monotonic()
        try:
            view = self._build(manifest)
        except CatalogueError as error:
            if str(error) != self.error:
                log.error("the published catalogue is refused: %s", error)
            self.error = str(error)
            return False
        self.view, self.error = view, None
        self.ready.set()
        log.info("catalogue generation %d: %d tracks", view.generation, len(view.tracks))
        self._bus.announce(f"catalogue:{digest.hex()[:32]}", _changed(view))
        return True

    def _build(self, manifest: bytes) -> CatalogueView:
        read: set[str] = set()

        def fetch(sha256: str) -> bytes:
            read.add(sha256)
            return self._fetch(sha256)

        view = CatalogueView.from_files(manifest, fetch)
        view.require_model(self._model_id, self._model_name)
        warm(view)  # here, where nothing waits, rather than at the first search of a feed
        self._forget_all_but(read)
        return view

    def _fetch(self, sha256: str) -> bytes:
        if len(sha256) != 64 or not set(sha256) <= set("0123456789abcdef"):
            raise CatalogueCorrupt(f"the manifest names a file {sha256[:80]!r}, expected a SHA-256")
        path = self._cache / sha256
        try:
            kept = path.read_bytes()
            if hashlib.sha256(kept).hexdigest() == sha256:
                return kept
        except FileNotFoundError:
            pass
        content = cast("bytes | None", self._bus.client.get(self._keys.catalogue_file(sha256)))
        if content is None:
            raise CatalogueCorrupt(f"file {sha256[:12]}… of the published catalogue is not in Redis; publish again")
        if hashlib.sha256(content).hexdigest() == sha256:
            self._keep(path, content)
        return content

    def _keep(self, path: Path, content: bytes) -> None:
        try:
            self._cache.mkdir(mode=0o700, parents=True, exist_ok=True)
            handle, name = tempfile.mkstemp(dir=self._cache, prefix=".new-")
            with os.fdopen(handle, "wb") as file:
                file.write(content)
            os.replace(name, path)
        except OSError as error:
            log.warning("%s cannot be written (%s); files will be fetched again next time", self._cache, error)

    def _forget_all_but(self, wanted: set[str]) -> None:
        if not self._cache.is_dir():
            return
        for path in self._cache.iterdir():
            if len(path.name) == 64 and path.name not in wanted:
                path.unlink(missing_ok=True)


def _changed(view: CatalogueView) -> Event:
    """The ``catalogue.version_changed`` envelope."""
    data = {
        "schema": SCHEMA,
        "seq": None,
        "index_version": view.generation,
        "model_id": view.model_id,
        "tracks": len(view.tracks),
        "works": view.works,
        "windows": len(view.vectors),
    }
    now_ms = time.time_ns() // 1_000_000
    return {
        "specversion": "1.0",
        "type": CATALOGUE_CHANGED,
        "id": stable_id("catalogue", view.generation, view.model_id, now_ms),
        "source": "/catalogue",
        "time": utc(now_ms),
        "data": data,
    }
