"""``/api/v1``: read-only JSON over the same picture and history the live channel uses."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from prometheus_client import CONTENT_TYPE_LATEST
from starlette.requests import Request
from starlette.responses import FileResponse, Response, StreamingResponse
from starlette.routing import Route

from web import asrun, catalogue, health, metrics, parse
from web.access import Access, Viewer
from web.history import DetectionQuery, detections, page, utc_ms
from web.hub import Hub, wall_ms
from web.live_route import LiveRoute
from web.problems import Problem
from web.store import REDIS_ERRORS
from web.streams import Json
from web.version import STATIC, server_version

DEFAULT_LIMIT, MAX_LIMIT = 50, 500
STATES = frozenset({"open", "closed", "retracted"})


class Rest:
    """The handlers, over one hub."""

    def __init__(self, hub: Hub, access: Access, live: LiveRoute) -> None:
        self.hub = hub
        self.access = access
        self.live = live

    def routes(self) -> list[Route]:
        """Every REST address, GET (and HEAD) only."""
        return [
            Route("/api/v1/streams", self.streams),
            Route("/api/v1/streams/{feed:path}", self.stream),
            Route("/api/v1/detections", self.detections),
            Route("/api/v1/detections.csv", self.detections_csv),
            Route("/api/v1/catalogue", self.catalogue),
            Route("/api/v1/healthz", self.healthz),
            Route("/api/v1/livez", self.livez),
            Route("/api/v1/openapi.json", self.openapi),
            Route("/metrics", self.metrics),
        ]

    def _viewer(self, request: Request) -> Viewer:
        """Who is asking.

        Raises
        ------
        Problem
            401 without a right token, 429 after too many wrong ones.
        """
        if not self.access.token_needed:
            return Viewer(None)
        address = request.client.host if request.client else "?"
        wait_s = self.access.failures.wait_s(address)
        if wait_s > 0:
            raise Problem(429, "Too many wrong tokens came from this address.", {"Retry-After": str(int(wait_s) + 1)})
        scheme, _, token = request.headers.get("authorization", "").partition(" ")
        viewer = self.access.viewer(token.strip()) if scheme.lower() == "bearer" else None
        if viewer is None:
            if scheme:
                self.access.failures.add(address)
            raise Problem(401, "A token is needed: Authorization: Bearer …", {"WWW-Authenticate": "Bearer"})
        return viewer

    def _everything(self, request: Request) -> None:
        if self._viewer(request).feeds is not None:
            raise Problem(403, "This token opens one stream; what was asked for spans all of them.")

    def _known(self) -> None:
        if self.hub.picture.refreshed_ms is None:
            raise Problem(503, "Redis has not answered yet.", {"Retry-After": "2"})

    async def streams(self, request: Request) -> Response:
        """All feeds, worst first."""
        viewer = self._viewer(request)
        self._known()
        return _json({"now_ms": wall_ms(), "items": self.hub.picture.views(viewer.feeds)})

    async def stream(self, request: Request) -> Response:
        """One feed, with its open detections."""
        viewer, feed = self._viewer(request), request.path_params["feed"]
        if not viewer.may_see(feed):
            raise Problem(403, "This token does not open that stream.")
        self._known()
        shown = self.hub.picture.shown.get(feed)
        if shown is None:
            raise Problem(404, "There is no stream with this id; GET /api/v1/streams lists them.")
        rows = await self._rows(DetectionQuery(frozenset({feed}), state="open"))
        return _json({"now_ms": wall_ms(), **shown.view, "now_playing": rows})

    async def detections(self, request: Request) -> Response:
        """Detections, newest first, in pages."""
        query = self._query(request)
        limit = _limit(request.query_params.get("limit"))
        rows = await self._rows(query)
        try:
            items, cursor = page(rows, limit, request.query_params.get("cursor"))
        except ValueError as error:
            raise Problem(400, f"{error}.") from error
        return _json({"items": items, "next_cursor": cursor})

    async def detections_csv(self, request: Request) -> Response:
        """The same as an as-run log, oldest first."""
        rows = await self._rows(self._query(request))
        lines = asrun.rows_to_csv(reversed(rows))
        headers = {"Content-Disposition": 'attachment; filename="as-run.csv"'}
        return StreamingResponse(lines, media_type="text/csv; charset=utf-8", headers=headers)

    async def _rows(self, query: DetectionQuery) -> list[Json]:
        self._known()
        try:
            return await detections(self.hub.store, self.hub.picture.feeds, query)
        except REDIS_ERRORS as error:
            raise Problem(503, "Redis does not answer; try again shortly.", {"Retry-After": "2"}) from error

    def _query(self, request: Request) -> DetectionQuery:
        viewer, params = self._viewer(request), request.query_params
        wanted = frozenset(params.getlist("feed")) or None
        if wanted is not None and not all(viewer.may_see(feed) for feed in wanted):
            raise Problem(403, "This token does not open that stream.")
        state = params.get("state")
        if state is not None and state not in STATES:
            raise Problem(400, f"state is not one of {', '.join(sorted(STATES))}.")
        return DetectionQuery(viewer.narrowed(wanted), _time(params, "from"), _time(params, "to"), state)

    async def catalogue(self, request: Request) -> Response:
        """What is published, without its tracks."""
        self._viewer(request)
        self._known()
        return _json(catalogue.summary(self.hub.picture.catalogue))

    async def healthz(self, request: Request) -> Response:
        """200 when the system does its work, 503 when not, with reasons; needs no token."""
        healthy, body = health.report(self.hub.picture, wall_ms())
        return _json({**body, "server": server_version()}, 200 if healthy else 503)

    async def livez(self, request: Request) -> Response:
        """200 while this process serves; says nothing about the others."""
        return _json({"status": "pass", "server": server_version()})

    async def openapi(self, request: Request) -> Response:
        """The description of this API."""
        return FileResponse(STATIC / "openapi.json", media_type="application/json")

    async def metrics(self, request: Request) -> Response:
        """Prometheus text."""
        self._everything(request)
        return Response(metrics.render(self.hub, self.live), headers={"Content-Type": CONTENT_TYPE_LATEST})


def _json(body: Json, status: int = 200) -> Response:
    return Response(parse.dumps(body), status, media_type="application/json")


def _limit(raw: str | None) -> int:
    if raw is None:
        return DEFAULT_LIMIT
    if not raw.isascii() or not raw.isdigit() or not 1 <= int(raw[:6]) <= MAX_LIMIT:
        raise Problem(400, f"limit is not a number from 1 to {MAX_LIMIT}.")
    return int(raw)


def _time(params: Mapping[str, Any], name: str) -> int | None:
    raw = params.get(name)
    found = utc_ms(raw)
    if raw is not None and found is None:
        raise Problem(400, f"{name} is not a time with an offset, such as 2026-11-22T12:00:00Z.")
    return found
