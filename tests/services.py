"""Real services for tests, started on free ports in temporary directories: Redis, Icecast, PulseAudio.

Each is a context manager, so a test can also kill and restart it in the middle::

    with redis_server(tmp_path) as server:
        client = server.client()
        server.kill()      # SIGKILL: what a power cut leaves
        server.start()     # same port, same files
"""

from __future__ import annotations

import contextlib
import os
import shutil
import signal
import socket
import subprocess
import time
import wave
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import redis


def require(program: str, package: str) -> str:
    """Path of a program; skips the test without it, except in CI where that is a failure."""
    found = shutil.which(program)
    if found:
        return found
    reason = f"{program} is not installed; install the Debian package {package} to run this test"
    if os.environ.get("CI") == "true":
        pytest.fail(reason)
    pytest.skip(reason)


def free_port() -> int:
    """A TCP port on 127.0.0.1 that nothing listens on."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def wait_until(condition: Callable[[], Any], timeout_s: float = 40.0, what: str = "the condition") -> Any:
    """Poll until ``condition()`` is true and return its value; fail the test when it stays false.

    Patience costs nothing where the condition comes true, and a busy machine needs it: a Python that loads its
    libraries beside others may take ten seconds. Give ``timeout_s`` where time is what is tested.
    """
    deadline = time.monotonic() + timeout_s
    while time.monotonic() < deadline:
        value = condition()
        if value:
            return value
        time.sleep(0.05)
    raise AssertionError(f"{what} did not come true within {timeout_s} s")


def end(process: subprocess.Popen[Any] | None, with_signal: int = signal.SIGTERM, timeout_s: float = 10.0) -> None:
    """Signal a child, wait for it, and close its pipes."""
    if process is None:
        return
    if process.poll() is None:
        process.send_signal(with_signal)
        try:
            process.wait(timeout_s)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
    for pipe in (process.stdin, process.stdout, process.stderr):
        if pipe is not None:
            pipe.close()


def write_wav(path: Path, pcm: np.ndarray[Any, Any], rate_hz: int, channels: int = 1) -> Path:
    """Write interleaved int16 samples as a WAV file."""
    with wave.open(str(path), "wb") as out:
        out.setnchannels(channels)
        out.setsampwidth(2)
        out.setframerate(rate_hz)
        out.writeframes(np.asarray(pcm, dtype="<i2").tobytes())
    return path


class RedisServer:
    """A redis-server on 127.0.0.1 with an append-only file synced at every write."""

    def __init__(self, directory: Path) -> None:
        self.directory = directory
        self.port = free_port()
        self.url = f"redis://127.0.0.1:{self.port}/0"
        self._process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        """Start (again) on the same port and files, and wait until it answers."""
        program = require("redis-server", "redis-server")
        options = [
            "--port",
            str(self.port),
            "--bind",
            "127.0.0.1",
            "--dir",
            str(self.directory),
            "--save",
            "",
        ]
        options += ["--appendonly", "yes", "--appendfsync", "always"]
        self._process = subprocess.Popen([program, *options], stdout=subprocess.DEVNULL)
        wait_until(self._answers, what="redis-server answering")

    def _answers(self) -> bool:
        with contextlib.closing(redis.Redis.from_url(self.url)) as client:
            try:
                return bool(client.ping())
            except (redis.ConnectionError, redis.exceptions.BusyLoadingError):
                return False

    def kill(self) -> None:
        """SIGKILL."""
        end(self._process, signal.SIGKILL)

    def stop(self) -> None:
        """SIGTERM: Redis saves and leaves."""
        end(self._process)

    def client(self) -> redis.Redis:
        """A client returning bytes; the caller closes it."""
        return redis.Redis.from_url(self.url)


@contextlib.contextmanager
def redis_server(directory: Path) -> Iterator[RedisServer]:
    """A running `RedisServer` keeping its files in ``directory/redis``."""
    files = directory / "redis"
    files.mkdir(parents=True, exist_ok=True)
    server = RedisServer(files)
    server.start()
    try:
        yield server
    finally:
        server.stop()


ICECAST_CONFIG = """<icecast>
  <limits><clients>20</clients><sources>4</sources><queue-size>524288</queue-size>
    <source-timeout>5</source-timeout><burst-size>65536</burst-size></limits>
  <authentication><source-password>secret</source-password><admin-user>admin</admin-user>
    <admin-password>secret</admin-password></authentication>
  <hostname>127.0.0.1</hostname>
  <listen-socket><port>{port}</port><bind-address>127.0.0.1</bind-address></listen-socket>
  <paths><basedir>{directory}</basedir><logdir>{directory}</logdir><webroot>{directory}</webroot>
    <adminroot>{directory}</adminroot></paths>
  <logging><accesslog>access.log</accesslog><errorlog>error.log</errorlog><loglevel>3</loglevel></logging>
  <security><chroot>0</chroot>{owner}</security>
</icecast>
"""


class Icecast:
    """An Icecast server on 127.0.0.1 and the ffmpeg sources that play into it."""

    def __init__(self, directory: Path) -> None:
        self.directory = directory
        self.port = free_port()
        self._process: subprocess.Popen[bytes] | None = None
        self._sources: list[subprocess.Popen[bytes]] = []

    def url(self, mount: str = "live") -> str:
        """Where listeners connect."""
        return f"http://127.0.0.1:{self.port}/{mount}"

    def start(self) -> None:
        """Start and wait until the port is open."""
        program = require("icecast2", "icecast2")
        root = os.geteuid() == 0  # Icecast refuses to run as root and must be told whom to become
        owner = "<changeowner><user>nobody</user><group>nogroup</group></changeowner>" if root else ""
        self.directory.chmod(0o777)
        config = self.directory / "icecast.xml"
        config.write_text(ICECAST_CONFIG.format(port=self.port, directory=self.directory, owner=owner))
        self._process = subprocess.Popen([program, "-c", str(config)], stderr=subprocess.DEVNULL)
        wait_until(self._open, what="icecast accepting connections")

    def _open(self) -> bool:
        with socket.socket() as probe:
            return probe.connect_ex(("127.0.0.1", self.port)) == 0

    def play(self, audio: Path, mount: str = "live", *, codec: str = "libmp3lame", loop: bool = True) -> Any:
        """Broadcast a file in real time at 128 kbit/s; returns ffmpeg's process, for `end`."""
        program = require("ffmpeg", "ffmpeg")
        kind, container = {"libmp3lame": ("audio/mpeg", "mp3"), "libvorbis": ("application/ogg", "ogg")}[codec]
        command = [
            program,
            "-nostdin",
            "-loglevel",
            "error",
            "-re",
            *(["-stream_loop", "-1"] if loop else []),
        ]
        command += ["-i", str(audio), "-ar", "44100", "-ac", "2", "-c:a", codec, "-b:a", "128k"]
        command += ["-content_type", kind, "-f", container]
        source = subprocess.Popen([*command, f"icecast://source:secret@127.0.0.1:{self.port}/{mount}"])
        self._sources.append(source)
        return source

    def stop(self) -> None:
        """Stop the sources and the server."""
        for source in self._sources:
            end(source, signal.SIGKILL)
        end(self._process)


@contextlib.contextmanager
def icecast(directory: Path) -> Iterator[Icecast]:
    """A running `Icecast` keeping its files in ``directory/icecast``."""
    files = directory / "icecast"
    files.mkdir(parents=True, exist_ok=True)
    for parent in files.parents:  # "nobody" must be able to reach its log directory
        if parent.owner() != "root" or parent == Path("/"):
            break
        parent.chmod(parent.stat().st_mode | 0o011)
    server = Icecast(files)
    server.start()
    try:
        yield server
    finally:
        server.stop()


PULSE_SINK = "studio"
PULSE_DEVICE = "studio_monitor"


class PulseAudio:
    """A PulseAudio daemon whose null sink's monitor is the microphone ``studio_monitor`` of ALSA programs.

    ``env`` must be in the environment of every process that plays or records.
    """

    def __init__(self, directory: Path) -> None:
        self.directory = directory
        self.socket = directory / "native"
        alsa = directory / "alsa.conf"
        alsa.write_text(
            "</usr/share/alsa/alsa.conf>\n"
            f'pcm.{PULSE_DEVICE} {{ type pulse\n device "{PULSE_SINK}.monitor" }}\n'
            "pcm.!default { type pulse }\nctl.!default { type pulse }\n"
        )
        self.env = {
            **os.environ,
            "HOME": str(directory),
            "XDG_RUNTIME_DIR": str(directory),
            "PULSE_RUNTIME_PATH": str(directory),
            "PULSE_SERVER": f"unix:{self.socket}",
            "ALSA_CONFIG_PATH": str(alsa),
        }
        self._process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        """Start the daemon and wait for its socket."""
        program = require("pulseaudio", "pulseaudio")
        modules = [
            f"module-null-sink sink_name={PULSE_SINK} rate=44100 channels=2",
            f"module-native-protocol-unix auth-anonymous=1 socket={self.socket}",
        ]
        command = [program, "-n", "--system=no", "--daemonize=no", "--use-pid-file=no", "--exit-idle-time=-1"]
        command += ["--disable-shm=yes", "--log-target=stderr", "--log-level=error"]
        command += [f"--load={module}" for module in modules]
        self._process = subprocess.Popen(command, env=self.env, stderr=subprocess.DEVNULL)
        wait_until(self.socket.exists, what="PulseAudio's socket")

    def play(self, wav: Path) -> subprocess.Popen[bytes]:
        """Play a WAV file into the null sink; returns the player's process, for `end`."""
        program = require("paplay", "pulseaudio-utils")
        return subprocess.Popen([program, f"--device={PULSE_SINK}", str(wav)], env=self.env)

    def stop(self) -> None:
        """Stop the daemon."""
        end(self._process)


@contextlib.contextmanager
def pulseaudio(directory: Path) -> Iterator[PulseAudio]:
    """A running `PulseAudio` keeping its files in ``directory/pulse``."""
    files = directory / "pulse"
    files.mkdir(parents=True, exist_ok=True)
    files.chmod(0o700)
    server = PulseAudio(files)
    server.start()
    try:
        yield server
    finally:
        server.stop()
