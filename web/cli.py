"""The ``web`` command."""

from __future__ import annotations

import logging
import signal
import socket
import sys
from pathlib import Path
from types import FrameType
from typing import Annotated, NoReturn

import typer

from recognizer.errors import UsageError
from recognizer.wire import DEFAULT_PREFIX
from web.server import build_server
from web.settings import Settings

app = typer.Typer(add_completion=False, pretty_exceptions_enable=False)

EPILOG = """
Example: [bold]web --redis-url redis://localhost:6379[/bold] then open http://127.0.0.1:8321/

Pages: / is the dashboard, /kiosk/FEED a full-screen view of one feed (with a kiosk token:
/kiosk/FEED#token=…). For programs: /api/v1/openapi.json, the live channel at /api/v1/events, /metrics for
Prometheus.
"""


@app.command(epilog=EPILOG)
def serve(
    redis_url: Annotated[
        str,
        typer.Option(envvar="RECOGNIZER_REDIS_URL", help="redis://host:port/0, rediss://… or unix:///path."),
    ] = "redis://127.0.0.1:6379/0",
    host: Annotated[
        str,
        typer.Option(envvar="RECOGNIZER_WEB_HOST", help="Address to listen on; beyond loopback a token is needed."),
    ] = "127.0.0.1",
    port: Annotated[
        int, typer.Option(envvar="RECOGNIZER_WEB_PORT", min=0, max=65535, help="Port; 0 picks a free one.")
    ] = 8321,
    token: Annotated[
        str | None,
        typer.Option(
            envvar="RECOGNIZER_WEB_TOKEN",
            help="Opens everything. Prefer the environment variable: command lines can be read by others.",
        ),
    ] = None,
    token_file: Annotated[Path | None, typer.Option(help="File that holds the token (first line).")] = None,
    kiosk_token: Annotated[
        list[str] | None,
        typer.Option(metavar="STREAM=TOKEN", help="Opens one stream, read-only; may be repeated."),
    ] = None,
    allow_origin: Annotated[
        list[str] | None,
        typer.Option(metavar="ORIGIN", help="Other origin whose pages may connect; may be repeated."),
    ] = None,
    stale_after: Annotated[float, typer.Option(min=1, help="Seconds until a silent feed is shown as stale.")] = 10.0,
    max_clients: Annotated[int, typer.Option(min=1, help="Live connections served at once.")] = 1000,
    trusted_proxies: Annotated[
        str | None, typer.Option(metavar="IPS", help="Reverse proxies whose X-Forwarded-For is believed.")
    ] = None,
    prefix: Annotated[str, typer.Option(help="Start of every Redis key.")] = DEFAULT_PREFIX,
    verbose: Annotated[bool, typer.Option("--verbose", "-v", help="Log more.")] = False,
    quiet: Annotated[bool, typer.Option("--quiet", "-q", help="Do not say where the dashboard is.")] = False,
) -> None:
    """Serve the dashboard, the kiosk, the API and the live events.

    Reads Redis, never writes to it. Comes up without Redis, says so, and fills in when it returns.
    """
    settings = Settings(
        redis_url=redis_url,
        host=host,
        port=port,
        token=read_token(token, token_file),
        kiosk_tokens=_kiosk_tokens(kiosk_token or []),
        allow_origins=tuple(allow_origin or ()),
        prefix=prefix,
        stale_after_s=stale_after,
        max_clients=max_clients,
    )
    logging.basicConfig(level=logging.INFO if verbose else logging.WARNING, format="%(name)s: %(message)s")
    server = build_server(
        settings,
        (lambda url: None) if quiet else _say_ready,
        log_level="info" if verbose else "warning",
        trusted_proxies=trusted_proxies,
    )
    signal.signal(signal.SIGTERM, _leave)
    with _listen(host, port) as listener:
        try:
            server.run(sockets=[listener])
        except KeyboardInterrupt:
            return


def _listen(host: str, port: int) -> socket.socket:
    listener = None
    try:
        found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)
        family, kind, protocol, _, address = found[0]
        listener = socket.socket(family, kind, protocol)
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind(address)
    except OSError as error:
        if listener is not None:
            listener.close()
        why = error.strerror or str(error)
        raise UsageError(f"cannot listen on {host} port {port} ({why}); use another --host or --port") from error
    return listener


def _say_ready(url: str) -> None:
    typer.echo(f"Dashboard on {url} (Ctrl-C stops it)")
    sys.stdout.flush()


def _leave(signum: int, frame: FrameType | None) -> NoReturn:
    """A wanted end is a success; uvicorn has closed everything before it passes the signal on."""
    raise SystemExit(0)


def read_token(token: str | None, path: Path | None) -> str | None:
    """The token given, or the first line of a file.

    Raises
    ------
    UsageError
    """
    if path is None:
        return token or None
    if token:
        raise UsageError("both a token and a token file are given; give one of them")
    try:
        lines = path.read_text(encoding="utf-8").splitlines()
    except (OSError, ValueError) as error:
        raise UsageError(f"the token file {path} cannot be read ({error}); check --token-file") from error
    if not lines or not lines[0].strip():
        raise UsageError(f"the token file {path} is empty; put the token on its first line")
    return lines[0].strip()


def _kiosk_tokens(pairs: list[str]) -> dict[str, str]:
    tokens: dict[str, str] = {}
    for pair in pairs:
        stream, equals, token = pair.partition("=")
        if not (stream and equals and token):
            raise UsageError("a kiosk token is not written STREAM=TOKEN; write it so")
        tokens[stream] = token
    return tokens


def main() -> None:
    """Entry point: one sentence and exit code 2 when the request is wrong."""
    try:
        app()
    except UsageError as error:
        typer.echo(f"web: {error}", err=True)
        raise SystemExit(2) from None


if __name__ == "__main__":
    main()
