"""Every part of the system on one machine: embedded Redis, publisher, workers and web, each a process of its own."""

from __future__ import annotations

import contextlib
import os
import socket
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from recognizer.errors import RecognizerError, UsageError
from web.cli import read_token
from web.settings import Settings as WebSettings
from worker.children import Child, end_all
from worker.feeds import load as load_feeds
from worker.redis_server import embedded_redis

START_S = 40.0


@dataclass(frozen=True, slots=True)
class StackSettings:
    """What to start.

    Attributes
    ----------
    data_dir, catalogue : Path
    model : Path or None
        None for the released one.
    feeds : Path or None
        TOML file of feeds; None leaves the feeds of an earlier run.
    redis_url : str or None
        None starts an embedded Redis.
    host : str
    port : int
        0 takes a free one.
    processes : int
        Line processes.
    token_file : Path or None
        Holds the token that the web part needs beyond loopback.
    """

    data_dir: Path
    catalogue: Path
    model: Path | None = None
    feeds: Path | None = None
    redis_url: str | None = None
    host: str = "127.0.0.1"
    port: int = 8321
    processes: int = 1
    token_file: Path | None = None


class Stack:
    """The running parts.

    Attributes
    ----------
    redis_url : str
    url : str
        Of the dashboard.
    """

    def __init__(self, redis_url: str, url: str, children: list[Child]) -> None:
        self.redis_url = redis_url
        self.url = url
        self._children = children

    def tend(self) -> None:
        """Start again what ended.

        Raises
        ------
        RecognizerError
            When a part keeps ending: the user must see why.
        """
        for child in self._children:
            child.tend()
            if child.failed:
                raise RecognizerError(
                    f"{child.name} ended again and again (exit status {child.status}); its messages above say why"
                )


def check(settings: StackSettings) -> None:
    """Refuse what no part could work with, before any of them is started.

    Raises
    ------
    UsageError
    """
    if settings.feeds is not None:
        load_feeds(settings.feeds)
    token = read_token(os.environ.get("RECOGNIZER_WEB_TOKEN"), settings.token_file)
    url = settings.redis_url or "unix:///embedded"
    WebSettings(redis_url=url, host=settings.host, port=settings.port, token=token).check()


def free_port(host: str, wanted: int) -> int:
    """``wanted``, or a free port when it is 0.

    Raises
    ------
    UsageError
        When it is taken.
    """
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    with socket.socket(family, socket.SOCK_STREAM) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((host, wanted))
        except OSError as error:
            raise UsageError(f"port {wanted} on {host} cannot be used ({error.strerror}); choose --port") from error
        return int(probe.getsockname()[1])


@contextlib.contextmanager
def running(settings: StackSettings) -> Iterator[Stack]:
    """Start everything, and end everything with the context, Redis last.

    Raises
    ------
    RecognizerError
        When something cannot be started.
    """
    check(settings)
    port = free_port(settings.host, settings.port)
    with contextlib.ExitStack() as exits:
        url = settings.redis_url or exits.enter_context(embedded_redis(settings.data_dir)).url
        children = _children(settings, url, port)
        exits.callback(end_all, children)
        # Redis first learns the catalogue, then workers start to listen.
        for child in children:
            child.tend()
        stack = Stack(url, f"http://{_shown(settings.host)}:{port}/", children)
        _wait_for_web(stack)
        yield stack


def _children(settings: StackSettings, redis_url: str, port: int) -> list[Child]:
    model = ["--model", str(settings.model)] if settings.model else []
    feeds = ["--feeds", str(settings.feeds)] if settings.feeds else []
    token = ["--token-file", str(settings.token_file)] if settings.token_file else []
    publish = ["publish", "--watch", "--catalogue", str(settings.catalogue)]
    worker = ["--processes", str(settings.processes), "--catalogue-wait", *feeds, *model]
    web = ["--host", settings.host, "--port", str(port), "--quiet", *token]
    # Command lines can be read by everybody on the machine, and the address may hold a password.
    environment = {**os.environ, "RECOGNIZER_REDIS_URL": redis_url}
    return [
        Child("the catalogue publisher", "indexer.cli", publish, environment),
        Child("the worker", "worker.cli", worker, environment),
        Child("the web server", "web.cli", web, environment),
    ]


def _shown(host: str) -> str:
    if host in ("0.0.0.0", "::"):
        return "127.0.0.1"
    return f"[{host}]" if ":" in host else host


def _wait_for_web(stack: Stack) -> None:
    """Until the web server answers, whatever it says about health."""
    deadline = time.monotonic() + START_S
    while time.monotonic() < deadline:
        stack.tend()
        try:
            with urllib.request.urlopen(f"{stack.url}api/v1/healthz", timeout=2):
                return
        except urllib.error.HTTPError as answer:
            answer.close()
            return
        except OSError:
            time.sleep(0.2)
    raise RecognizerError(f"the web server did not answer at {stack.url} within {START_S:.0f} s")
