from __future__ import annotations

import json
import logging
import random
import signal
import subprocess
import sys
import threading
import time

import pytest

import worker.line
from recognizer.events import FeedClock
from recognizer.timeline import SourceEnd, SourceGap, SourceState, StreamState
from recognizer.wire import encode_item
from tests.services import end, wait_until
from tests.worker.counting import (
    POISON_EMBED,
    POISON_EXIT,
    POISON_PUSH,
    POISON_STEP,
    RATE_HZ,
    CountingEmbedder,
    CountingLine,
    fill,
    no_view,
    published,
    second,
    undisturbed,
)
from worker.bus import Bus
from worker.line import LineWorker
from worker.roster import share

PROGRAMME = [
    SourceState(StreamState.RUNNING, 0),
    *[second(n) for n in range(25)],
    SourceGap(25 * RATE_HZ, 27 * RATE_HZ, "disconnected"),
    *[second(n) for n in range(27, 60)],
    SourceEnd(60 * RATE_HZ, "end of the source"),
]


def ended(client, keys, feed):
    return lambda: client.hget(keys.feed(feed, "state"), "ended") == b"1"


def make_worker(client, keys, name="w", embedder=None, **options):
    return LineWorker(Bus(client, keys, name, 2_000), embedder or CountingEmbedder(), no_view, CountingLine, **options)


class Running:
    """A worker in a thread."""

    def __init__(self, worker):
        self.stop = threading.Event()
        self.thread = threading.Thread(target=worker.run, args=(self.stop,))

    def __enter__(self):
        self.thread.start()
        return self

    def __exit__(self, *_):
        self.stop.set()
        self.thread.join(20)
        assert not self.thread.is_alive()


def spawn(server, keys, name, pause_s=0.0, lease_ms=1_500):
    arguments = [server.url, keys.prefix, name, str(pause_s), str(lease_ms)]
    return subprocess.Popen([sys.executable, "-m", "tests.worker.counting", *arguments])


def test_everything_is_processed_once_and_in_order(client, keys):
    for feed in ("a", "b", "c"):
        fill(client, keys, feed, PROGRAMME)
    embedder = CountingEmbedder()
    with Running(make_worker(client, keys, embedder=embedder)):
        for feed in ("a", "b", "c"):
            wait_until(ended(client, keys, feed))
    for feed in ("a", "b", "c"):
        assert published(client, keys, feed) == undisturbed(feed, PROGRAMME)
    assert max(embedder.batches) == 3, "steps of all feeds go into one call"


def test_a_drained_worker_leaves_no_trace_and_the_next_continues(client, keys):
    fill(client, keys, "a", PROGRAMME[:20])
    with Running(make_worker(client, keys)):
        wait_until(lambda: client.hget(keys.feed("a", "state"), "cursor"))
    assert client.get(keys.feed("a", "lease")) is None
    assert client.hgetall(keys.workers) == {}
    fill(client, keys, "a", PROGRAMME[20:], first=21)
    with Running(make_worker(client, keys, "w2")):
        wait_until(ended(client, keys, "a"))
    assert published(client, keys, "a") == undisturbed("a", PROGRAMME)


@pytest.mark.slow
def test_sigkill_in_the_middle_loses_and_doubles_nothing(server, client, keys):
    """Workers are killed again and again while they work; the events are those of an undisturbed run."""
    feeds = ["a", "b", "c"]
    for feed in feeds:
        fill(client, keys, feed, PROGRAMME)
    workers = {f"w{n}": spawn(server, keys, f"w{n}", pause_s=0.1, lease_ms=700) for n in range(2)}
    rng = random.Random(1)
    killed = 0

    def holder() -> str | None:
        """A worker that holds a feed and is at work on it."""
        for feed in feeds:
            lease = client.get(keys.feed(feed, "lease"))
            if lease and client.hget(keys.feed(feed, "state"), "cursor") and json.loads(lease)["owner"] in workers:
                return str(json.loads(lease)["owner"])
        return None

    try:
        for round_number in range(4):
            wait_until(lambda: holder() or all(ended(client, keys, feed)() for feed in feeds), 40)
            time.sleep(rng.uniform(0.1, 0.6))
            victim = holder()
            if victim is not None:
                end(workers.pop(victim), signal.SIGKILL)
                killed += 1
                workers[f"again{round_number}"] = spawn(server, keys, f"again{round_number}", pause_s=0.1, lease_ms=700)
        for feed in feeds:
            wait_until(ended(client, keys, feed), 40)
    finally:
        for process in workers.values():
            end(process)
    assert killed >= 2
    assert sum(int(client.get(keys.feed(feed, "fence"))) for feed in feeds) >= len(feeds) + 2
    for feed in feeds:
        assert published(client, keys, feed) == undisturbed(feed, PROGRAMME)


@pytest.mark.slow
def test_a_stopped_worker_that_wakes_up_is_ignored(server, client, keys):
    """SIGSTOP is a worker that hangs longer than its lease; when it goes on, its commits have no effect."""
    fill(client, keys, "a", PROGRAMME)
    hung = spawn(server, keys, "hung", pause_s=0.2, lease_ms=700)
    wait_until(lambda: len(published(client, keys, "a")) >= 2)
    hung.send_signal(signal.SIGSTOP)
    other = spawn(server, keys, "other", lease_ms=700)
    try:
        wait_until(ended(client, keys, "a"), 20)
        hung.send_signal(signal.SIGCONT)
        time.sleep(1.5)
    finally:
        end(hung)
        end(other)
    assert published(client, keys, "a") == undisturbed("a", PROGRAMME)


@pytest.mark.slow
def test_redis_killed_and_restarted_in_the_middle(server, client, keys):
    fill(client, keys, "a", PROGRAMME)
    with Running(make_worker(client, keys, embedder=CountingEmbedder(0.1))):
        wait_until(lambda: len(published(client, keys, "a")) >= 2)
        server.kill()
        time.sleep(1.0)
        server.start()
        wait_until(ended(client, keys, "a"), 30)
    assert published(client, keys, "a") == undisturbed("a", PROGRAMME)


@pytest.mark.parametrize("poison", [POISON_PUSH, POISON_STEP, POISON_EMBED])
def test_poison_costs_its_chunk_and_nobody_else(client, keys, caplog, poison):
    items = [second(n, poison if n == 7 else None) for n in range(20)]
    fill(client, keys, "bad", [*items, SourceEnd(20 * RATE_HZ, "end")])
    fill(client, keys, "good", PROGRAMME)
    with caplog.at_level(logging.ERROR), Running(make_worker(client, keys)):
        wait_until(ended(client, keys, "bad"))
        wait_until(ended(client, keys, "good"))
    assert published(client, keys, "good") == undisturbed("good", PROGRAMME)
    events = published(client, keys, "bad")
    gaps = [event["data"] for event in events if event["type"] == "stream.gap"]
    assert [gap["reason"] for gap in gaps] == ["unprocessable"]
    assert (gaps[0]["start_ms"], gaps[0]["end_ms"]) == (7000, 8000)
    assert any(record.exc_info for record in caplog.records), "with a traceback"
    assert events[-1]["data"].get("start_ms", 0) > 8000, "the feed went on"


@pytest.mark.slow
def test_an_entry_that_kills_every_worker_is_skipped(server, client, keys):
    items = [second(n, POISON_EXIT if n == 7 else None) for n in range(20)]
    fill(client, keys, "bad", [*items, SourceEnd(20 * RATE_HZ, "end")])
    deaths, process = 0, None
    deadline = time.monotonic() + 60
    while not ended(client, keys, "bad")():
        assert time.monotonic() < deadline
        if process is None or process.poll() is not None:
            deaths += process is not None
            process = spawn(server, keys, f"w{deaths}", lease_ms=300)
        time.sleep(0.1)
    end(process)
    assert 3 <= deaths <= 12
    gaps = [event["data"] for event in published(client, keys, "bad") if event["type"] == "stream.gap"]
    assert gaps
    assert all(5000 <= gap["start_ms"] and gap["end_ms"] <= 8000 for gap in gaps)


def test_a_feed_that_cannot_be_worked_on_leaves_the_others_alone(client, keys):
    fill(client, keys, "bad", PROGRAMME)
    fill(client, keys, "good", PROGRAMME)
    client.hset(keys.feed("bad", "state"), mapping={"cursor": "3-0", "blob": b"{"})

    def make(clock, blob):
        if clock.feed == "bad":
            raise RuntimeError("no line for this one")
        return CountingLine(clock, blob)

    with Running(LineWorker(Bus(client, keys, "w", 2_000), CountingEmbedder(), no_view, make)):
        wait_until(ended(client, keys, "good"))
    assert published(client, keys, "good") == undisturbed("good", PROGRAMME)
    assert client.get(keys.feed("bad", "lease")) is None


def test_a_state_that_cannot_be_read_starts_afresh_and_closes_what_was_open(client, keys):
    fill(client, keys, "a", PROGRAMME)
    opened = FeedClock("a", RATE_HZ, 0).envelope(
        "detection.opened", "d1-1", 0,
        {"detection_id": "d1", "revision": 1, "state": "open", "start_ms": 500, "end_ms": None, "end_time": None},
    )  # fmt: skip
    client.hset(keys.feed("a", "state"), mapping={"cursor": "0-0", "blob": b"\xff not a state"})
    client.hset(keys.feed("a", "open"), "d1", json.dumps(opened))
    with Running(make_worker(client, keys)):
        wait_until(ended(client, keys, "a"))
    closed, *rest = published(client, keys, "a")
    assert (closed["type"], closed["id"], closed["data"]["close_reason"]) == ("detection.closed", "d1-2", "line_reset")
    assert closed["data"]["end_ms"] == 500
    assert rest == undisturbed("a", PROGRAMME)
    assert client.hlen(keys.feed("a", "open")) == 0


def test_malformed_entries_are_passed_over(client, keys):
    fill(client, keys, "a", [second(0), second(1)])
    audio = keys.feed("a", "audio")
    broken = [{"h": b"{"}, {"x": b"y"}, {"h": b'{"kind":"audio","epoch":0,"start":0}', "pcm": b"odd"}, {"h": b"[]"}]
    for number, fields in enumerate(broken, 3):
        client.xadd(audio, fields, id=f"{number}-0")
    rest = [second(n) for n in range(2, 12)]
    fill(client, keys, "a", [*rest, SourceEnd(12 * RATE_HZ, "end")], first=7)
    with Running(make_worker(client, keys)):
        wait_until(ended(client, keys, "a"))
    assert published(client, keys, "a") == undisturbed("a", [second(0), second(1), *rest])


def test_trimmed_audio_becomes_a_gap(client, keys):
    fill(client, keys, "a", [second(n) for n in range(4)])
    with Running(make_worker(client, keys)):
        wait_until(lambda: client.hget(keys.feed("a", "state"), "cursor") == b"4-0")
    fill(client, keys, "a", [second(n) for n in range(4, 30)], first=5)
    client.xtrim(keys.feed("a", "audio"), maxlen=10, approximate=False)
    client.xadd(keys.feed("a", "audio"), encode_item(SourceEnd(30 * RATE_HZ, "end")), id="31-0")
    with Running(make_worker(client, keys)):
        wait_until(ended(client, keys, "a"))
    gaps = [event["data"] for event in published(client, keys, "a") if event["type"] == "stream.gap"]
    assert [(gap["start_ms"], gap["end_ms"], gap["reason"]) for gap in gaps] == [(4000, 20_000, "overload")]


def test_workers_share_feeds_fairly(client, keys):
    feeds = [f"f{n}" for n in range(6)]
    for feed in feeds:
        fill(client, keys, feed, [second(0)])

    def held():
        return sorted(len(json.loads(raw)["feeds"]) for raw in client.hvals(keys.workers))

    with Running(make_worker(client, keys, "one")):
        wait_until(lambda: held() == [6])
        with Running(make_worker(client, keys, "two")):
            wait_until(lambda: held() == [3, 3], 20)
        wait_until(lambda: held() == [6], 20)


def test_a_share_is_even_and_bounded():
    assert share("abcde", "", 2, 64).room == 3
    assert share("abcde", "abcde", 2, 64).surplus == 2
    assert share("abcde", "ab", 1, 2).room == 0
    assert share("", "", 3, 64).candidates == []
    assert sorted(share("abc", "b", 1, 64).candidates) == ["a", "c"]


@pytest.mark.slow
def test_a_removed_feed_is_ended_and_forgotten(client, keys, monkeypatch):
    monkeypatch.setattr(worker.line, "REMOVED_IDLE_S", 1.0)
    fill(client, keys, "a", PROGRAMME[:12])
    with Running(make_worker(client, keys)):
        wait_until(lambda: client.hget(keys.feed("a", "state"), "cursor"))
        client.hdel(keys.feeds, "a")
        wait_until(lambda: not client.exists(keys.feed("a", "state")), 20)
    left = {key.decode() for key in client.keys("*")}
    assert keys.feed("a", "audio") not in left
    assert keys.feed("a", "lease") not in left


def test_status_says_who_and_when(client, keys):
    fill(client, keys, "a", PROGRAMME[:5])
    with Running(make_worker(client, keys, "me")):
        wait_until(lambda: client.get(keys.feed("a", "status")))
    status = json.loads(client.get(keys.feed("a", "status")))
    assert status["worker"] == "me"
    assert abs(status["at_ms"] - time.time() * 1000) < 10_000
    assert status["lag_ms"] == 0
