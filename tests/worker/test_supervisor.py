from __future__ import annotations

import contextlib
import json
import os
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

import numpy as np
import pytest

import worker.children
import worker.supervisor
from recognizer.released import default_model_path
from recognizer.timeline import AudioChunk, SourceEnd, SourceState, StreamState
from recognizer.wire import decode_item
from tests.services import end, wait_until, write_wav
from tests.worker.counting import RATE_HZ
from worker.children import Child
from worker.feeds import FeedConfig
from worker.settings import Settings
from worker.supervisor import Supervisor


@pytest.fixture
def wav(tmp_path) -> Path:
    pcm = np.random.default_rng(0).integers(-9000, 9000, 300 * RATE_HZ).astype(np.int16)
    return write_wav(tmp_path / "noise.wav", pcm, RATE_HZ)


def settings(server, keys, tmp_path, **changes) -> Settings:
    fields = {"rate_hz": RATE_HZ, "cache_dir": str(tmp_path / "cache"), "prefix": keys.prefix, "lease_ttl_ms": 2000}
    return Settings(server.url, str(default_model_path()), **{**fields, **changes})


@contextlib.contextmanager
def supervised(chosen, feeds, processes=0):
    """A supervisor in a thread of its own, which its children live and die with."""
    supervisor, stop = Supervisor(chosen, processes=processes), threading.Event()
    supervisor.put_feeds(feeds)
    thread = threading.Thread(target=supervisor.run, args=(stop,))
    thread.start()
    try:
        yield supervisor
    finally:
        stop.set()
        thread.join(30)
        assert not thread.is_alive()
        assert supervisor.pids() == []


def items(client, keys, feed="a"):
    return [decode_item(fields) for _, fields in client.xrange(keys.feed(feed, "audio"))]


def health(client, keys, feed="a"):
    return json.loads(client.get(keys.feed(feed, "capture")) or b"{}")


def running(pid) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except FileNotFoundError:
        return False


def children_of(pid) -> list[int]:
    return [int(child) for child in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]


@pytest.mark.slow
def test_captures_follow_the_feeds_hash(server, client, keys, tmp_path, wav):
    feeds = [FeedConfig("a", str(wav), "A"), FeedConfig("b", str(wav), "B")]
    with supervised(settings(server, keys, tmp_path), feeds) as supervisor:
        for feed in "ab":
            wait_until(lambda feed=feed: client.xlen(keys.feed(feed, "audio")) >= 3, 20)
        assert len(supervisor.pids()) == 2
        client.hdel(keys.feeds, "b")
        wait_until(lambda: len(supervisor.pids()) == 1, 20)
        assert items(client, keys, "b")[-1].reason == "feed removed"
        client.hset(keys.feeds, "c", FeedConfig("c", str(wav), "C").to_json())
        wait_until(lambda: client.xlen(keys.feed("c", "audio")) >= 3, 20)
        client.hset(keys.feeds, "d", '{"source": "exec:ls"}')
        wait_until(lambda: health(client, keys, "d").get("state") == "invalid_source", 20)


@pytest.mark.slow
def test_a_killed_capture_is_started_again(server, client, keys, tmp_path, wav):
    with supervised(settings(server, keys, tmp_path), [FeedConfig("a", str(wav), "A")]) as supervisor:
        wait_until(lambda: client.xlen(keys.feed("a", "audio")) >= 3, 20)
        os.kill(supervisor.pids()[0], signal.SIGKILL)
        wait_until(lambda: any(i.epoch == 1 for i in items(client, keys) if isinstance(i, AudioChunk)), 20)
    positions = [item.start_sample for item in items(client, keys) if isinstance(item, AudioChunk)]
    assert positions == [n * RATE_HZ for n in range(len(positions))]


@pytest.mark.slow
def test_a_hung_capture_is_killed_and_started_again(server, client, keys, tmp_path, wav, monkeypatch):
    monkeypatch.setattr(worker.supervisor, "SILENT_HEARTBEAT_S", 3.0)
    with supervised(settings(server, keys, tmp_path), [FeedConfig("a", str(wav), "A")]) as supervisor:
        wait_until(lambda: client.xlen(keys.feed("a", "audio")) >= 3, 20)
        first = supervisor.pids()[0]
        os.kill(first, signal.SIGSTOP)
        wait_until(lambda: supervisor.pids() not in ([first], []), 30)
        wait_until(lambda: any(i.epoch == 1 for i in items(client, keys) if isinstance(i, AudioChunk)), 20)


@pytest.mark.slow
def test_one_that_crashes_again_and_again_is_shown_as_failed(server, client, keys, tmp_path, wav, monkeypatch):
    monkeypatch.setattr(worker.children, "RESTARTS_PER_MINUTE", 3)
    broken = settings(server, keys, tmp_path, rate_hz=-1)
    with supervised(broken, [FeedConfig("a", str(wav), "A")]):
        wait_until(lambda: health(client, keys).get("state") == "failed", 40)
        assert "again" in health(client, keys)["detail"]


@pytest.mark.slow
def test_a_file_is_read_once(server, client, keys, tmp_path):
    short = write_wav(tmp_path / "short.wav", np.zeros(3 * RATE_HZ, np.int16), RATE_HZ)
    feed = FeedConfig("a", str(short), "A", realtime=False)
    chosen = settings(server, keys, tmp_path)
    with supervised(chosen, [feed]):
        wait_until(lambda: health(client, keys).get("state") == "paused", 20)
    length = client.xlen(keys.feed("a", "audio"))
    assert isinstance(items(client, keys)[-1], SourceEnd)
    with supervised(chosen, [feed]):
        client.delete(keys.feed("a", "capture"))
        wait_until(lambda: health(client, keys).get("state") == "paused", 20)
        assert client.xlen(keys.feed("a", "audio")) == length
        client.hset(keys.feeds, "a", FeedConfig("a", str(short), "Another title", realtime=False).to_json())
        wait_until(lambda: (client.get(keys.feed("a", "config")) or b"").find(b"Another") > 0, 20)
        wait_until(lambda: client.xlen(keys.feed("a", "audio")) == length, 20)
    assert items(client, keys)[0] == SourceState(StreamState.CONNECTING, 0)


def test_restarts_are_paced(tmp_path):
    child = Child("x", "no.such.module", [])
    starts = 0
    deadline = time.monotonic() + 3
    while time.monotonic() < deadline:
        before = child.started_s
        child.tend()
        starts += child.started_s != before
        time.sleep(0.02)
    child.wait()
    assert 2 <= starts <= 3, "0 s, 0.5 s, 1.5 s"


def start_worker(server, keys, tmp_path, wav, **options):
    feeds = tmp_path / "feeds.toml"
    feeds.write_text(f'[[feeds]]\nid = "a"\nsource = "{wav}"\n[[feeds]]\nid = "b"\nsource = "{wav}"\n')
    command = [Path(sys.executable).parent / "worker", "--redis-url", server.url, "--feeds", feeds]
    command += ["--prefix", keys.prefix, "--processes", "2", "--cache", tmp_path / "cache", "--log-json"]
    return subprocess.Popen(command, stderr=subprocess.PIPE, text=True, **options)


@pytest.mark.slow
@pytest.mark.parametrize("with_signal", [signal.SIGINT, signal.SIGTERM, signal.SIGKILL])
def test_nothing_is_left_when_it_ends(server, client, keys, tmp_path, wav, with_signal):
    process = start_worker(server, keys, tmp_path, wav)
    try:
        for feed in "ab":
            wait_until(lambda feed=feed: client.get(keys.feed(feed, "status")), 40)
        children = children_of(process.pid)
        assert len(children) == 4
    finally:
        process.send_signal(with_signal)
        _, logged = process.communicate(timeout=30)
    wait_until(lambda: not any(running(child) for child in children), 15, "the children's end")
    if with_signal != signal.SIGKILL:
        assert process.returncode == 0
        assert client.hlen(keys.workers) == 0
        assert client.get(keys.feed("a", "lease")) is None
    records = [json.loads(line) for line in logged.splitlines()]
    assert {"time", "level", "message", "pid"} <= records[0].keys()
    assert any(record.get("feed") == "a" for record in records)


def test_wrong_use_is_one_sentence_and_exit_status_2(tmp_path):
    program = Path(sys.executable).parent / "worker"
    bad = tmp_path / "feeds.toml"
    bad.write_text('[[feeds]]\nid = "a"\n')
    done = subprocess.run([program, "--feeds", bad], capture_output=True, text=True, timeout=30)
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr.startswith("worker: ")
    assert "no source" in done.stderr
    assert "Traceback" not in done.stderr
    done = subprocess.run([program, "--redis-url", "nonsense"], capture_output=True, text=True, timeout=30)
    assert done.returncode == 2
    assert "--redis-url" in done.stderr


def test_no_redis_is_one_sentence(tmp_path, wav):
    feeds = tmp_path / "feeds.toml"
    feeds.write_text(f'[[feeds]]\nid = "a"\nsource = "{wav}"\n')
    command = [
        Path(sys.executable).parent / "worker",
        "--redis-url",
        "redis://u:secret@127.0.0.1:1/0",
        "--feeds",
        feeds,
    ]
    done = subprocess.run(command, capture_output=True, text=True, timeout=30)
    assert done.returncode == 1
    assert "no Redis answers" in done.stderr
    assert "secret" not in done.stderr


def test_help_teaches():
    program = Path(sys.executable).parent / "worker"
    done = subprocess.run([program, "--help"], capture_output=True, text=True, timeout=30)
    assert done.returncode == 0
    assert "[[feeds]]" in done.stdout


def test_a_child_that_ignores_sigterm_is_killed(tmp_path, monkeypatch):
    (tmp_path / "stubborn.py").write_text("import signal, time\nsignal.signal(15, signal.SIG_IGN)\ntime.sleep(60)\n")
    child = Child("stubborn", "stubborn", [], {**os.environ, "PYTHONPATH": str(tmp_path)})
    child.tend()
    pid = child.pid
    time.sleep(0.5)
    worker.children.end_all([child], timeout_s=0.5)
    assert not running(pid)
    end(None)
