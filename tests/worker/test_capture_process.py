from __future__ import annotations

import json
import os
import resource
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

import numpy as np
import pytest

from recognizer.timeline import AudioChunk, SourceEnd, SourceGap, SourceState, StreamState
from recognizer.wire import Keys, decode_item
from tests.services import end, wait_until, write_wav
from tests.worker.counting import RATE_HZ
from worker.capture_process import EXIT_REFUSED
from worker.settings import Settings
from worker.sources.stdin import wav_header


@pytest.fixture
def wav(tmp_path) -> Path:
    pcm = np.random.default_rng(0).integers(-9000, 9000, 30 * RATE_HZ).astype(np.int16)
    return write_wav(tmp_path / "noise.wav", pcm, RATE_HZ)


def settings(server, keys) -> Settings:
    return Settings(
        server.url, model="unused", rate_hz=RATE_HZ, cache_dir="unused", prefix=keys.prefix, lease_ttl_ms=2000
    )


def configure(client, keys, feed="a", **fields):
    client.hset(keys.feeds, feed, json.dumps({"title": feed, **fields}))


def spawn(server, keys, feed="a", parent=None, owner="me", **options):
    chosen = settings(server, keys)
    argument = chosen.argument(feed=feed, owner=owner, parent=os.getpid() if parent is None else parent)
    return subprocess.Popen(
        [sys.executable, "-m", "worker.capture_process", argument], env=chosen.environment(), **options
    )


def items(client, keys: Keys, feed="a"):
    return [decode_item(fields) for _, fields in client.xrange(keys.feed(feed, "audio"))]


def assert_complete(found):
    position = 0
    for item in found:
        if isinstance(item, AudioChunk | SourceGap):
            assert item.start_sample == position
            position = item.end_sample
    return position


def test_a_file_is_published_with_its_clock_and_health(server, client, keys, wav):
    configure(client, keys, source=str(wav), realtime=False)
    before_ms = time.time() * 1000
    process = spawn(server, keys)
    wait_until(lambda: client.get(keys.feed("a", "capture")), 20)
    health = json.loads(client.get(keys.feed("a", "capture")))
    assert process.wait(20) == 0
    found = items(client, keys)
    assert assert_complete(found) == 30 * RATE_HZ
    assert isinstance(found[-1], SourceEnd)
    assert {"state", "detail", "level_dbfs", "at_ms", "last_audio_at_ms"} <= health.keys()
    clock = json.loads(client.get(keys.feed("a", "clock")))
    assert clock["rate_hz"] == RATE_HZ
    assert before_ms - 2000 < clock["started_at_ms"] < before_ms + 5000


@pytest.mark.slow
def test_a_killed_capture_continues_with_a_gap_or_less(server, client, keys, wav):
    configure(client, keys, source=str(wav), realtime=True)
    process = spawn(server, keys)
    wait_until(lambda: client.xlen(keys.feed("a", "audio")) >= 4, 20)
    end(process, signal.SIGKILL)
    process = spawn(server, keys)
    wait_until(lambda: max(i.epoch for i in items(client, keys) if isinstance(i, AudioChunk)) == 1, 20)
    wait_until(lambda: client.xlen(keys.feed("a", "audio")) >= 8, 20)
    end(process)
    assert process.returncode == 0
    found = items(client, keys)
    assert assert_complete(found) >= 4 * RATE_HZ
    assert not any(isinstance(item, SourceGap) for item in found), "a file waits for us"
    whole = np.concatenate([item.pcm for item in found if isinstance(item, AudioChunk)])
    original = np.fromfile(wav, dtype="<i2", offset=44)
    assert np.array_equal(whole, original[: len(whole)])


def test_an_unpaced_file_waits_for_its_worker(server, client, keys, tmp_path, monkeypatch):
    long = write_wav(tmp_path / "long.wav", np.zeros(400 * RATE_HZ, np.int16), RATE_HZ)
    configure(client, keys, source=str(long), realtime=False)
    process = spawn(server, keys)
    wait_until(lambda: client.xlen(keys.feed("a", "audio")) >= 100, 20)
    time.sleep(1.0)
    waiting_at = client.xlen(keys.feed("a", "audio"))
    assert waiting_at <= 200
    for _ in range(200):
        newest = client.xrevrange(keys.feed("a", "audio"), count=1)[0][0]
        client.hset(keys.feed("a", "state"), "cursor", newest)
        if process.poll() is not None:
            break
        time.sleep(0.1)
    assert process.wait(20) == 0
    assert client.xlen(keys.feed("a", "audio")) >= 400


def test_a_refused_source_ends_with_its_state(server, client, keys):
    configure(client, keys, source="http://127.0.0.1:1/x")
    process = spawn(server, keys)
    assert process.wait(20) == EXIT_REFUSED
    found = items(client, keys)
    states = [item.state for item in found if isinstance(item, SourceState)]
    assert states == [StreamState.CONNECTING, StreamState.INVALID_SOURCE]
    assert isinstance(found[-1], SourceEnd)
    assert "allow_private" in found[-1].reason


def test_a_removed_feed_is_ended_on_its_timeline(server, client, keys, wav):
    configure(client, keys, source=str(wav))
    process = spawn(server, keys)
    wait_until(lambda: client.xlen(keys.feed("a", "audio")) >= 3, 20)
    client.hdel(keys.feeds, "a")
    end(process)
    last = items(client, keys)[-1]
    assert isinstance(last, SourceEnd)
    assert last.reason == "feed removed"


def test_sigterm_during_a_read_is_quiet_and_quick(server, client, keys):
    from tests.worker.scripted import serve

    release = threading.Event()

    def stalling(path, connection):
        size = 60 * RATE_HZ * 2
        connection.sendall(b"HTTP/1.0 200 OK\r\nContent-Type: audio/wav\r\n\r\n" + wav_header(RATE_HZ, 1))
        connection.sendall(np.zeros(size // 20, np.int16).tobytes())
        release.wait(30)

    with serve(stalling) as radio:
        configure(client, keys, source=radio.url(), allow_private=True)
        process = spawn(server, keys, stderr=subprocess.PIPE)
        wait_until(lambda: client.xlen(keys.feed("a", "audio")) >= 3, 20)
        time.sleep(1)
        began_s = time.monotonic()
        process.terminate()
        _, logged = process.communicate(timeout=20)
        release.set()
    assert process.returncode == 0
    assert time.monotonic() - began_s < 4
    assert b"Traceback" not in logged


def test_it_does_not_outlive_its_parent(server, client, keys, wav):
    configure(client, keys, source=str(wav))
    parent = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(60)"])
    orphan = spawn(server, keys, parent=parent.pid)
    assert orphan.wait(40) == 0, "its parent is not the one it was told of"
    end(parent, signal.SIGKILL)
    script = f"""
import subprocess, sys, os, time
from worker.settings import Settings
s = Settings({server.url!r}, "m", {RATE_HZ}, "c", {keys.prefix!r})
argument = s.argument(feed="a", owner="x", parent=os.getpid())
p = subprocess.Popen([sys.executable, "-m", "worker.capture_process", argument], env=s.environment())
print(p.pid, flush=True)
time.sleep(60)
"""
    middle = subprocess.Popen([sys.executable, "-c", script], stdout=subprocess.PIPE, text=True)
    assert middle.stdout is not None
    child = int(middle.stdout.readline())
    wait_until(lambda: client.xlen(keys.feed("a", "audio")) >= 2, 20)
    end(middle, signal.SIGKILL)
    wait_until(lambda: not Path(f"/proc/{child}").exists() or "Z" in status(child), 10, "the child's end")


@pytest.mark.slow
def test_two_supervisors_do_not_capture_one_feed_twice(server, client, keys, wav):
    configure(client, keys, source=str(wav))
    first = spawn(server, keys, owner="one")
    wait_until(lambda: client.xlen(keys.feed("a", "audio")) >= 3, 20)
    second = spawn(server, keys, owner="two")
    time.sleep(3.5)
    assert second.poll() is None, "it stands by"
    epochs = {item.epoch for item in items(client, keys) if isinstance(item, AudioChunk)}
    assert epochs == {0}
    end(first, signal.SIGKILL)
    wait_until(lambda: any(i.epoch == 1 for i in items(client, keys) if isinstance(i, AudioChunk)), 20)
    end(second)
    assert assert_complete(items(client, keys)) >= 4 * RATE_HZ


@pytest.mark.slow
def test_a_capture_waits_for_redis_and_heals_an_emptied_one(server, client, keys, wav):
    configure(client, keys, source=str(wav))
    config = client.hget(keys.feeds, "a")
    server.kill()
    process = spawn(server, keys)
    time.sleep(2)
    assert process.poll() is None
    server.start()
    wait_until(lambda: client.xlen(keys.feed("a", "audio")) >= 3, 20)
    clock = client.get(keys.feed("a", "clock"))
    client.flushall()
    client.hset(keys.feeds, "a", config)
    wait_until(lambda: client.get(keys.feed("a", "clock")) == clock, 20)
    wait_until(lambda: client.xlen(keys.feed("a", "audio")) >= 3, 20)
    end(process)


def status(pid):
    try:
        return Path(f"/proc/{pid}/stat").read_text().split()[2]
    except FileNotFoundError:
        return "Z"


def test_memory_is_bounded():
    script = """
from worker.lifeline import limit
limit(1 << 30)
try:
    bytearray(2 << 30)
except MemoryError:
    print("bounded")
"""
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, timeout=20)
    assert done.stdout.strip() == "bounded"
    assert resource.getrlimit(resource.RLIMIT_DATA)[0] != 1 << 30
