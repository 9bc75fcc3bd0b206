"""The real line under kill -9, SIGTERM and a restarted Redis: the events are those of an undisturbed run."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

import numpy as np
import pytest

from indexer.publish import publish
from recognizer.catalogue import Catalogue
from recognizer.embedder import Embedder
from recognizer.events import CLOSED, OPENED, FeedClock
from recognizer.pipeline import FeedLine
from recognizer.released import baseline_model_path
from recognizer.replay import events_of
from recognizer.timeline import AudioChunk, SourceEnd, SourceState, StreamState
from recognizer.wire import encode_item
from tests.services import end, wait_until
from tests.worker.counting import published
from tests.worker.music import RATE_HZ, add_tunes, programme
from worker.settings import Settings

STARTED_MS = 1_700_000_000_000


@pytest.fixture(scope="module")
def embedder():
    return Embedder(baseline_model_path())


@pytest.fixture(scope="module")
def catalogue(embedder, tmp_path_factory) -> Path:
    directory = tmp_path_factory.mktemp("catalogue") / "c"
    add_tunes(directory, embedder, range(2, 6))
    return directory


@pytest.fixture(scope="module")
def items():
    seconds = np.split(programme(), len(programme()) // RATE_HZ)
    chunks = [AudioChunk(0, n * RATE_HZ, pcm) for n, pcm in enumerate(seconds)]
    return [SourceState(StreamState.RUNNING, 0), *chunks, SourceEnd(len(chunks) * RATE_HZ, "end of the source")]


@pytest.fixture(scope="module")
def expected(catalogue, embedder, items):
    """What an undisturbed line says, without Redis."""
    line = FeedLine(FeedClock("a", RATE_HZ, STARTED_MS), embedder.contract)
    events = list(events_of(line, items, embedder, Catalogue.open(catalogue).view()))
    kinds = [event["type"] for event in events]
    assert kinds.count(OPENED) >= 2
    assert kinds.count(CLOSED) == kinds.count(OPENED)
    return [{**event, "data": {**event["data"], "seq": None}} for event in events]


class Stage:
    """A feed that is published at twenty times real time, and workers to be mistreated."""

    def __init__(self, server, client, keys, items, cache):
        self.server, self.client, self.keys = server, client, keys
        self._items, self._cache = items, cache
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._publish)
        self.workers: list[subprocess.Popen[bytes]] = []

    def __enter__(self):
        self.client.hset(self.keys.feeds, "a", json.dumps({"source": "a.wav", "title": "A"}))
        clock = {"started_at_ms": STARTED_MS, "rate_hz": RATE_HZ}
        self.client.set(self.keys.feed("a", "clock"), json.dumps(clock))
        self._thread.start()
        return self

    def _publish(self):
        import redis

        with self.server.client() as client:
            number = 0
            while number < len(self._items) and not self._stop.wait(0.05):
                try:
                    item = encode_item(self._items[number])
                    client.xadd(self.keys.feed("a", "audio"), item, id=f"{number + 1}-0")
                except redis.ResponseError:
                    pass  # it did arrive before Redis was killed
                except redis.RedisError:
                    continue
                number += 1

    def __exit__(self, *_):
        self._stop.set()
        self._thread.join(10)
        for worker in self.workers:
            end(worker)

    def spawn(self):
        chosen = Settings(
            self.server.url, str(baseline_model_path()), RATE_HZ, str(self._cache), self.keys.prefix,
            catalogue_wait=True, lease_ttl_ms=1000,
        )  # fmt: skip
        argument = chosen.argument(worker=f"w{len(self.workers)}", parent=0)
        command = [sys.executable, "-m", "worker.line_process", argument]
        self.workers.append(subprocess.Popen(command, env=chosen.environment()))
        return self.workers[-1]

    def detection_is_open(self):
        return self.client.hlen(self.keys.feed("a", "open")) == 1

    def finished(self):
        return self.client.hget(self.keys.feed("a", "state"), "ended") == b"1"

    def events(self):
        """The feed's events; the catalogue's announcement goes to no feed."""
        return published(self.client, self.keys, "a")


@pytest.fixture
def stage(server, client, keys, items, catalogue, tmp_path):
    publish(client, catalogue, keys)
    with Stage(server, client, keys, items, tmp_path / "cache") as prepared:
        yield prepared


def assert_same(events, expected):
    assert [(e["type"], e["id"]) for e in events] == [(e["type"], e["id"]) for e in expected]
    assert events == expected


def test_an_undisturbed_worker_says_what_a_line_says(stage, expected):
    stage.spawn()
    wait_until(stage.finished, 40)
    assert_same(stage.events(), expected)


@pytest.mark.slow
def test_sigkill_in_the_middle_of_each_detection(stage, expected):
    first, _ = stage.spawn(), stage.spawn()
    wait_until(stage.detection_is_open, 40)
    killed = 0
    for _ in range(2):
        holder = json.loads(wait_until(lambda: stage.client.get(stage.keys.feed("a", "lease"))))["owner"]
        end(stage.workers[int(holder[1:])], signal.SIGKILL)
        killed += 1
        stage.spawn()
        open_now = stage.client.hkeys(stage.keys.feed("a", "open"))
        wait_until(
            lambda now=open_now: stage.client.hkeys(stage.keys.feed("a", "open")) not in ([], now) or stage.finished(),
            40,
        )
        if stage.finished():
            break
    wait_until(stage.finished, 40)
    assert first is not None
    assert killed == 2
    assert int(stage.client.get(stage.keys.feed("a", "fence"))) >= 3
    assert_same(stage.events(), expected)


@pytest.mark.slow
def test_redis_killed_in_the_middle_of_a_detection(stage, expected):
    stage.spawn()
    wait_until(stage.detection_is_open, 40)
    stage.server.kill()
    time.sleep(1)
    stage.server.start()
    wait_until(stage.finished, 40)
    assert_same(stage.events(), expected)


@pytest.mark.slow
def test_sigterm_hands_an_open_detection_over(stage, expected):
    first = stage.spawn()
    wait_until(stage.detection_is_open, 40)
    end(first)
    assert first.returncode == 0
    assert stage.client.get(stage.keys.feed("a", "lease")) is None
    stage.spawn()
    wait_until(stage.finished, 40)
    assert_same(stage.events(), expected)
