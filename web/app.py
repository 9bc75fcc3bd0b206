"""Puts the web edge together: pages, REST, live channel and metrics over one hub."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.middleware import Middleware
from starlette.requests import Request
from starlette.responses import FileResponse, Response
from starlette.routing import BaseRoute, Mount, Route, WebSocketRoute
from starlette.staticfiles import StaticFiles

from web.access import Access
from web.headers import SecurityHeaders
from web.history import Snapshots
from web.hub import Hub
from web.live_route import LiveRoute
from web.problems import Problem, on_crash, on_http_error, on_problem
from web.rest import Rest
from web.settings import Settings
from web.store import Store
from web.version import STATIC


def create_app(settings: Settings) -> Starlette:
    """The ASGI application; connects to Redis when it is served, and serves whether Redis answers or not.

    Raises
    ------
    recognizer.errors.UsageError
        When the settings are unsafe or cannot work.
    """
    settings.check()
    access = Access(settings)
    hub = Hub(settings, Store(settings.redis_url, settings.prefix))
    live = LiveRoute(settings, hub, access, Snapshots(hub))

    @asynccontextmanager
    async def lifespan(app: Starlette) -> AsyncIterator[None]:
        hub.start()
        yield
        await hub.stop()

    routes: list[BaseRoute] = [
        *Rest(hub, access, live).routes(),
        WebSocketRoute("/api/v1/events", live.serve),
        Route("/", _page(STATIC / "dashboard.html")),
        Route("/kiosk/{feed:path}", _page(STATIC / "kiosk.html")),
        Mount("/static", StaticFiles(directory=STATIC)),
    ]
    app = Starlette(
        routes=routes,
        lifespan=lifespan,
        middleware=[Middleware(SecurityHeaders, access=access)],
        exception_handlers={Problem: on_problem, HTTPException: on_http_error, Exception: on_crash},
    )
    app.state.hub, app.state.live = hub, live
    return app


def _page(path: Path):  # type: ignore[no-untyped-def]
    async def serve(request: Request) -> Response:
        return FileResponse(path, media_type="text/html; charset=utf-8")

    return serve
