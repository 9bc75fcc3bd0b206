"""A process that runs the lines of many feeds: ``python -m worker.line_process SETTINGS``."""

from __future__ import annotations

import logging
import signal
import socket
import sys
import threading
from pathlib import Path
from typing import Any, cast

import redis

from recognizer.embedder import Embedder
from recognizer.errors import UsageError
from recognizer.events import FeedClock
from recognizer.pipeline import FeedLine
from recognizer.profiles import default_profile, profile
from recognizer.wire import Keys
from worker import lifeline
from worker.bus import Bus, connect
from worker.feeds import FeedConfig
from worker.leased import Line, LineFactory
from worker.line import LineWorker
from worker.logs import setup
from worker.replica import CatalogueReplica
from worker.settings import Settings

log = logging.getLogger("worker.line_process")


def line_factory(client: redis.Redis, keys: Keys, embedder: Embedder) -> LineFactory:
    """Makes `FeedLine`s for one model, with the profile that each feed's configuration names."""

    def make(clock: FeedClock, blob: bytes | None) -> Line:
        if clock.rate_hz != embedder.contract.sample_rate_hz:
            raise UsageError(
                f"feed {clock.feed!r} was captured at {clock.rate_hz} Hz, the model takes "
                f"{embedder.contract.sample_rate_hz} Hz; remove the feed and add it again"
            )
        raw = cast("bytes | None", client.hget(keys.feeds, clock.feed))
        chosen = default_profile()
        if raw is not None:
            try:
                chosen = profile(FeedConfig.from_json(clock.feed, raw.decode()).mode)
            except UsageError as error:
                log.error("%s; using the profile %s", error, chosen.name, extra={"feed": clock.feed})
        return FeedLine(clock, embedder.contract, blob, chosen)

    return make


def work(settings: Settings, worker: str, stop: threading.Event) -> None:
    """Run lines until ``stop`` is set."""
    keys = Keys(settings.prefix)
    embedder = Embedder(Path(settings.model))
    client, replica_client = connect(settings.redis_url), connect(settings.redis_url)
    bus = Bus(client, keys, worker, settings.lease_ttl_ms)
    replica = CatalogueReplica(
        Bus(replica_client, keys, worker), embedder.contract, embedder.model_id, Path(settings.cache_dir)
    )

    def about() -> dict[str, Any]:
        return {
            "host": socket.gethostname(),
            "generation": replica.view.generation,
            "catalogue_error": replica.error,
            "model_id": embedder.model_id,
        }

    follower = threading.Thread(target=replica.follow, args=(stop,), name="replica", daemon=True)
    follower.start()
    if settings.catalogue_wait:
        while not stop.is_set() and not replica.ready.wait(0.5):
            pass
    line = LineWorker(
        bus,
        embedder,
        lambda: replica.view,
        line_factory(client, keys, embedder),
        max_feeds=settings.max_feeds,
        about=about,
    )
    line.run(stop)
    follower.join(5.0)
    client.close()
    replica_client.close()


def main() -> int:
    """Entry of the child process; settings in ``argv[1]``."""
    settings, (worker, parent) = Settings.from_argument(sys.argv[1], "worker", "parent")
    lifeline.die_with_parent(parent)
    setup(settings.log_json)
    stop = threading.Event()
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is the parent's business
    signal.signal(signal.SIGTERM, lambda *_: stop.set())

    def leave_when_orphaned() -> None:
        while not stop.wait(1.0):
            if lifeline.orphaned(parent):
                stop.set()

    threading.Thread(target=leave_when_orphaned, name="lifeline", daemon=True).start()
    work(settings, worker, stop)
    return 0


if __name__ == "__main__":
    sys.exit(main())
