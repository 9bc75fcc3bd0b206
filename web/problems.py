"""Errors of the API as RFC 9457 ``application/problem+json``."""

from __future__ import annotations

from http import HTTPStatus

from starlette.requests import Request
from starlette.responses import Response

from web import parse


class Problem(Exception):
    """An error to be told to the client.

    Parameters
    ----------
    status : int
        HTTP status.
    detail : str
        One sentence: what was seen, what was expected.
    """

    def __init__(self, status: int, detail: str, headers: dict[str, str] | None = None) -> None:
        super().__init__(detail)
        self.status = status
        self.detail = detail
        self.headers = headers or {}


def problem_response(status: int, detail: str, headers: dict[str, str] | None = None) -> Response:
    """Render a problem."""
    body = {"type": "about:blank", "title": HTTPStatus(status).phrase, "status": status, "detail": detail}
    return Response(parse.dumps(body), status, headers, media_type="application/problem+json")


async def on_problem(request: Request, error: Exception) -> Response:
    """Exception handler for `Problem`."""
    assert isinstance(error, Problem)
    return problem_response(error.status, error.detail, error.headers)


async def on_http_error(request: Request, error: Exception) -> Response:
    """Exception handler for Starlette's own errors (404, 405)."""
    status = int(getattr(error, "status_code", 500))
    detail = {404: "There is nothing at this address.", 405: "This address does not take that method."}
    return problem_response(status, detail.get(status, str(error)), dict(getattr(error, "headers", None) or {}))


async def on_crash(request: Request, error: Exception) -> Response:
    """Exception handler for what nobody foresaw; the traceback goes to the log, not to the client."""
    return problem_response(500, "The server failed on this request; its log says more.")
