"""Following a URL to a body of audio: redirects and simple playlists by hand, with the same checks at every hop."""

from __future__ import annotations

import base64
import http.client
from dataclasses import dataclass
from typing import cast
from urllib.parse import SplitResult, quote, unquote, urljoin, urlsplit, urlunsplit

from recognizer.errors import SourceError
from worker.net.addresses import resolve
from worker.net.connection import Connection
from worker.sources import SourceOptions

MAX_HOPS = 5
PLAYLIST_LIMIT_BYTES = 65_536
PLAYLIST_TYPES = frozenset(
    f"{kind}/{name}"
    for kind in ("audio", "application")
    for name in ("mpegurl", "x-mpegurl", "vnd.apple.mpegurl", "x-scpls", "scpls", "pls+xml")
)
PLAYLIST_ENDINGS = (".m3u", ".m3u8", ".pls")
NOT_AUDIO = ("text/", "image/", "application/json", "application/xml", "application/xhtml", "application/pdf")
SAFE = "%/:@!$&'()*+,;=~-._"
USER_AGENT = "live-cover-recognizer/0.1"


@dataclass(slots=True)
class Fetched:
    """An open body.

    Attributes
    ----------
    response : http.client.HTTPResponse
        Positioned at the body.
    connection : Connection
        To be closed by the caller.
    finite : bool
        Whether the server said how long the body is.
    metaint : int
        Bytes between ICY metadata blocks, 0 without (it is never asked for).
    """

    response: http.client.HTTPResponse
    connection: Connection
    finite: bool
    metaint: int


def invalid(message: str, *, retryable: bool = False) -> SourceError:
    """An error that shows the feed as ``invalid_source``."""
    return SourceError(message, state="invalid_source", retryable=retryable)


def parse(url: str) -> SplitResult:
    """Split and check an address.

    Raises
    ------
    SourceError
        When it is not an http(s) URL with a host.
    """
    shown = url[:100]
    if any(ord(character) <= 32 or ord(character) == 127 for character in url):
        raise invalid(f"the address {shown!r} contains spaces or control characters; encode them")
    try:
        parts = urlsplit(url)
        _ = parts.port
    except ValueError as error:
        raise invalid(f"the address {shown!r} is not a URL: {error}") from error
    if parts.scheme not in ("http", "https"):
        raise invalid(f"the address {shown!r} has the scheme {parts.scheme!r}, expected http or https")
    if not parts.hostname:
        raise invalid(f"the address {shown!r} names no host")
    return parts


def without_credentials(parts: SplitResult) -> str:
    """The URL as it may be shown and logged."""
    return urlunsplit(parts._replace(netloc=parts.netloc.rpartition("@")[2], query="", fragment=""))


def _port(parts: SplitResult) -> int:
    return parts.port or (443 if parts.scheme == "https" else 80)


def _origin(parts: SplitResult) -> tuple[str, str | None, int]:
    return parts.scheme, parts.hostname, _port(parts)


def fetch(url: str, options: SourceOptions) -> Fetched:
    """Follow ``url`` to audio.

    Credentials in the URL go to that origin alone: a redirect or playlist entry elsewhere gets none.

    Raises
    ------
    SourceError
        With the state that the feed should show.
    """
    first = parts = parse(url)
    in_playlist = False
    for _ in range(MAX_HOPS + 1):
        authorization = _authorization(first) if _origin(parts) == _origin(first) else None
        connection, response = _request(parts, authorization, options)
        try:
            following = _next_hop(parts, response, in_playlist)
        except BaseException:
            response.close()
            connection.close()
            raise
        if following is None:
            return _body(connection, response)
        response.close()
        connection.close()
        location, in_playlist = following
        parts = parse(location)
    raise invalid(f"{without_credentials(first)} redirects more than {MAX_HOPS} times")


def _authorization(parts: SplitResult) -> str | None:
    if parts.username is None:
        return None
    pair = f"{unquote(parts.username)}:{unquote(parts.password or '')}"
    return "Basic " + base64.b64encode(pair.encode()).decode()


def _request(
    parts: SplitResult, authorization: str | None, options: SourceOptions
) -> tuple[Connection, http.client.HTTPResponse]:
    host, port, tls = cast(str, parts.hostname), _port(parts), parts.scheme == "https"
    endpoints = resolve(host, port, allow_private=options.allow_private, lookup=options.resolve)
    headers = {
        "User-Agent": USER_AGENT,
        "Accept": "audio/*, application/ogg, */*;q=0.1",
        "Accept-Encoding": "identity",
    }
    if authorization is not None:
        headers["Authorization"] = authorization
    target = quote(parts.path or "/", safe=SAFE) + ("?" + quote(parts.query, safe=SAFE + "?") if parts.query else "")
    connection = Connection(host, port, endpoints, tls, options.connect_timeout_s, options.read_timeout_s)
    shown = without_credentials(parts)
    try:
        connection.request("GET", target, headers=headers)
        return connection, connection.getresponse()
    except SourceError:
        connection.close()
        raise
    except (OSError, http.client.HTTPException, ValueError) as error:
        connection.close()
        reason = str(error) or type(error).__name__
        raise SourceError(f"{shown} cannot be reached ({reason}); is the server up?") from error


def _next_hop(parts: SplitResult, response: http.client.HTTPResponse, in_playlist: bool) -> tuple[str, bool] | None:
    """Where a response sends us and whether a playlist did, or None when it is the audio."""
    shown, status = without_credentials(parts), response.status
    here = urlunsplit(parts._replace(netloc=parts.netloc.rpartition("@")[2]))
    if status in (301, 302, 303, 307, 308):
        location = response.getheader("Location")
        if not location:
            raise invalid(f"{shown} answers {status} without saying where to go", retryable=True)
        return urljoin(here, location.strip()), in_playlist
    if status in (401, 403):
        raise SourceError(f"{shown} answers {status}: it wants other credentials than given", state="auth_failed")
    if status == 429 or status >= 500:
        raise SourceError(f"{shown} answers {status}; waiting to connect again")
    if status != 200:
        raise invalid(f"{shown} answers {status}, expected 200; check the address", retryable=True)
    kind = (response.getheader("Content-Type") or "").partition(";")[0].strip().lower()
    if kind in PLAYLIST_TYPES or (kind != "audio/mpeg" and parts.path.lower().endswith(PLAYLIST_ENDINGS)):
        if in_playlist:
            raise invalid(f"{shown} is a playlist inside a playlist; give the address of the stream itself")
        return urljoin(here, playlist_entry(response.read(PLAYLIST_LIMIT_BYTES), shown)), True
    if kind.startswith(NOT_AUDIO):
        raise invalid(f"{shown} is {kind}, expected audio; give the address of the stream itself", retryable=True)
    if (response.getheader("Content-Encoding") or "identity").strip().lower() != "identity":
        raise invalid(f"{shown} is compressed, which was not asked for", retryable=True)
    return None


def playlist_entry(data: bytes, shown: str) -> str:
    """The first http(s) entry of an M3U or PLS playlist.

    Raises
    ------
    SourceError
        When there is none, or for HLS.
    """
    text = data.decode("utf-8", "replace")
    if "#EXT-X-" in text:
        raise invalid(f"{shown} is an HLS playlist, which is not supported; give an Icecast or plain HTTP stream")
    for line in text.splitlines():
        entry = line.strip()
        name, equals, value = entry.partition("=")
        if equals and name.strip().lower().startswith("file") and name.strip()[4:].isdigit():
            entry = value.strip()
        if entry.lower().startswith(("http://", "https://")):
            return entry
    raise invalid(f"{shown} is a playlist without an http or https entry", retryable=True)


def _body(connection: Connection, response: http.client.HTTPResponse) -> Fetched:
    metaint = response.getheader("icy-metaint") or "0"
    return Fetched(
        response,
        connection,
        finite=response.length is not None,
        metaint=int(metaint) if metaint.isdigit() and len(metaint) < 8 else 0,
    )
