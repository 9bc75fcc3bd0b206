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
from playwright.sync_api import Browser, Page, expect, sync_playwright

from tests.services import RedisServer, redis_server, require, wait_until
from tests.web.stage import Stage
from web.server import build_server
from web.settings import Settings

_numbers = itertools.count()
expect.set_options(timeout=20_000)  # a busy machine paints later; a page that is right is not waited for


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


FLAGS = ["--no-sandbox", "--disable-gpu", "--no-first-run", "--disable-background-networking"]
FLAGS += ["--disable-component-update", "--disable-sync"]
DESKTOP = (1360, 900)


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    program = require("chromium", "chromium")
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=program, args=FLAGS)
        yield browser
        browser.close()


@pytest.fixture
def visit(browser: Browser) -> Iterator[Callable[..., Page]]:
    """Open an address; a page that logs an error or throws fails the test, unless told to expect lost connections."""
    pages: list[Page] = []
    complaints: list[str] = []
    lossy: list[bool] = []

    def note(text: str) -> None:
        expected = (
            "WebSocket connection" in text or "ERR_CONNECTION_REFUSED" in text or "Failed to load resource" in text
        )
        if not (lossy and expected):
            complaints.append(text)

    def open_page(url: str, size: tuple[int, int] = DESKTOP, *, may_lose: bool = False, **options: Any) -> Page:
        if may_lose:
            lossy.append(True)
        page = browser.new_page(viewport={"width": size[0], "height": size[1]}, **options)
        page.on("console", lambda message: note(message.text) if message.type == "error" else None)
        page.on("pageerror", lambda error: note(str(error)))
        pages.append(page)
        page.goto(url)
        return page

    yield open_page
    for page in pages:
        page.close()
    assert complaints == []
