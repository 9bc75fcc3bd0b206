"""A Redis for the whole run (each test has its own key prefix) and web servers in threads."""

from __future__ import annotations

import contextlib
import itertools
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import redis

from tests.services import RedisServer, redis_server, wait_until
from tests.web.stage import Stage
from web.server import build_server
from web.settings import Settings

_numbers = itertools.count()


@pytest.fixture(scope="session")
def shared_redis(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RedisServer]:
    with redis_server(tmp_path_factory.mktemp("web")) as server:
        yield server


@pytest.fixture
def stage(shared_redis: RedisServer) -> Iterator[Stage]:
    client: redis.Redis = shared_redis.client()
    with contextlib.closing(client):
        yield Stage(client, f"test{next(_numbers)}:")


class RunningWeb:
    """A web server on a free port in a thread."""

    def __init__(self, settings: Settings) -> None:
        self.settings = settings
        self.url = ""
        self.server = build_server(settings, self._ready)
        self.thread = threading.Thread(target=self.server.run, daemon=True)

    def _ready(self, url: str) -> None:
        self.url = url.rstrip("/")

    @property
    def hub(self) -> Any:
        return self.server.config.app.state.hub  # type: ignore[union-attr]

    @property
    def live(self) -> Any:
        return self.server.config.app.state.live  # type: ignore[union-attr]

    @property
    def ws_url(self) -> str:
        return self.url.replace("http", "ws", 1) + "/api/v1/events"

    @property
    def port(self) -> int:
        return int(self.url.rsplit(":", 1)[1])

    def start(self, *, with_redis: bool = True) -> None:
        self.thread.start()
        wait_until(lambda: self.url, what="the web server listening")
        if with_redis:
            wait_until(lambda: self.hub.ready and self.hub.picture.refreshed_ms, what="the hub being ready")

    def stop(self) -> None:
        self.server.should_exit = True
        self.thread.join(15)
        assert not self.thread.is_alive(), "the web server did not stop"


@pytest.fixture
def serve(shared_redis: RedisServer) -> Iterator[Callable[..., RunningWeb]]:
    """Starts servers: ``serve(stage, token=…)``; all are stopped at the end."""
    running: list[RunningWeb] = []

    def start(stage: Stage | None, *, with_redis: bool = True, **settings: Any) -> RunningWeb:
        chosen = {"redis_url": shared_redis.url, "port": 0, **settings}
        if stage is not None:
            chosen["prefix"] = stage.prefix
        web = RunningWeb(Settings(**chosen))
        running.append(web)
        web.start(with_redis=with_redis)
        return web

    yield start
    for web in running:
        if web.thread.is_alive():
            web.stop()


@pytest.fixture
def artefacts() -> Path:
    """Where screenshots are kept (ignored by git)."""
    folder = Path(__file__).parents[2] / "artefacts"
    folder.mkdir(exist_ok=True)
    return folder
