from __future__ import annotations

import time

import redis

from recognizer.timeline import AudioChunk, SourceGap, SourceState, StreamState
from recognizer.wire import AUDIO_RETENTION_ENTRIES, decode_item
from tests.services import wait_until
from tests.worker.counting import RATE_HZ, second
from worker.bus import connect
from worker.publisher import Buffer, Publisher, resume_point


def stored(client, keys, feed="a"):
    return [(entry.decode(), decode_item(fields)) for entry, fields in client.xrange(keys.feed(feed, "audio"))]


def assert_complete(items):
    position = items[0][1].start_sample
    for number, (entry, item) in enumerate(items, int(items[0][0].split("-")[0])):
        assert entry == f"{number}-0"
        if isinstance(item, AudioChunk | SourceGap):
            assert item.start_sample == position
            position = item.end_sample
    return position


def start(server, keys, feed="a"):
    publisher = Publisher(connect(server.url), keys, feed, lambda: {"state": "running", "at_ms": 1})
    publisher.start()
    return publisher


def test_items_arrive_in_order_with_consecutive_ids(server, client, keys):
    publisher = start(server, keys)
    for n in range(5):
        publisher.put(second(n))
    publisher.stop(5)
    assert assert_complete(stored(client, keys)) == 5 * RATE_HZ
    assert client.get(keys.feed("a", "capture"))
    assert 0 < client.ttl(keys.feed("a", "capture")) <= 10


def test_the_stream_is_bounded(server, client, keys):
    publisher = start(server, keys)
    for n in range(AUDIO_RETENTION_ENTRIES + 300):
        publisher.put(SourceGap(n, n + 1, "x"))
        if n % 50 == 0:
            wait_until(lambda: publisher.waiting < 100)
    publisher.stop(10)
    assert AUDIO_RETENTION_ENTRIES <= client.xlen(keys.feed("a", "audio")) <= AUDIO_RETENTION_ENTRIES + 128


def test_redis_killed_and_restarted_costs_nothing(server, client, keys):
    publisher = start(server, keys)
    for n in range(3):
        publisher.put(second(n))
    wait_until(lambda: publisher.waiting == 0)
    server.kill()
    for n in range(3, 20):
        publisher.put(second(n))
    time.sleep(0.5)
    server.start()
    wait_until(lambda: publisher.waiting == 0, 20)
    publisher.stop(5)
    assert assert_complete(stored(client, keys)) == 20 * RATE_HZ


def test_entries_that_redis_forgot_are_sent_again(server, client, keys):
    """With appendfsync everysec a killed Redis forgets its last second."""
    publisher = start(server, keys)
    for n in range(10):
        publisher.put(second(n))
    wait_until(lambda: publisher.waiting == 0)
    server.kill()
    publisher.put(second(10))
    time.sleep(0.5)
    for path in server.directory.glob("appendonlydir/*.incr.aof"):
        content = path.read_bytes()
        path.write_bytes(content[: len(content) * 7 // 10])  # a torn write: Redis truncates to the last whole command
    server.start()
    wait_until(lambda: publisher.waiting == 0, 20)
    publisher.stop(5)
    assert assert_complete(stored(client, keys)) == 11 * RATE_HZ


def test_an_append_whose_answer_was_lost_is_not_doubled(server, client, keys, monkeypatch):
    publisher = Publisher(connect(server.url), keys, "a", dict)
    real, calls = redis.client.Pipeline.execute, []

    def lossy(self, *args, **kwargs):
        result = real(self, *args, **kwargs)
        calls.append(result)
        if len(calls) == 1:
            raise redis.ConnectionError("the answer was lost")
        return result

    monkeypatch.setattr(redis.client.Pipeline, "execute", lossy)
    publisher.start()
    for n in range(5):
        publisher.put(second(n))
    wait_until(lambda: publisher.waiting == 0)
    publisher.stop(5)
    assert assert_complete(stored(client, keys)) == 5 * RATE_HZ


def test_too_long_an_outage_becomes_a_gap():
    buffer = Buffer(7, limit=20)
    for n in range(100):
        buffer.put(second(n))
        if n == 2:
            buffer.put(SourceState(StreamState.RUNNING, 3 * RATE_HZ))
    assert len(buffer) <= 20
    items = [(f"{number}-0", item) for number, item in buffer.batch()]
    gap = items[0][1]
    assert isinstance(gap, SourceGap)
    assert (gap.start_sample, gap.reason) == (0, "redis_unavailable")
    assert items[0][0] == "8-0"
    assert assert_complete(items) == 100 * RATE_HZ
    assert any(isinstance(item, SourceState) for _, item in items), "the newest state survives"


def test_a_capture_resumes_behind_what_is_stored(client, keys):
    from tests.worker.counting import fill

    assert resume_point(client, keys, "a", 0) is None
    fill(client, keys, "a", [second(0), second(1), SourceGap(2 * RATE_HZ, 5 * RATE_HZ, "x")])
    resume = resume_point(client, keys, "a", 1_700_000_000_000 + 9_500)
    assert resume is not None
    assert (resume.end_sample, resume.epoch, resume.elapsed_s) == (5 * RATE_HZ, 0, 9.5)
