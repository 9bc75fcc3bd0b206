from __future__ import annotations

import io
import socket
import subprocess
import threading
import time

import numpy as np
import pytest

import worker.net.connection
import worker.sources.http
from recognizer.errors import SourceError
from tests.services import require, write_wav
from tests.worker.scripted import RATE_HZ, answer, serve
from worker.net.fetch import playlist_entry
from worker.sources import SourceOptions, open_source

LOCAL = SourceOptions(allow_private=True, connect_timeout_s=10.0, read_timeout_s=10.0)
IMPATIENT = SourceOptions(allow_private=True, connect_timeout_s=10.0, read_timeout_s=1.0)


@pytest.fixture(scope="module")
def mp3(tmp_path_factory) -> bytes:
    """Twenty seconds of a gliding tone as MP3."""
    folder = tmp_path_factory.mktemp("mp3")
    time_s = np.arange(20 * RATE_HZ) / RATE_HZ
    pcm = (9000 * np.sin(2 * np.pi * (200 * time_s + 10 * time_s**2))).astype(np.int16)
    wav = write_wav(folder / "a.wav", pcm, RATE_HZ)
    command = [
        require("ffmpeg", "ffmpeg"),
        "-nostdin",
        "-loglevel",
        "error",
        "-i",
        wav,
        "-b:a",
        "64k",
        folder / "a.mp3",
    ]
    subprocess.run(command, check=True)
    return (folder / "a.mp3").read_bytes()


@pytest.fixture(autouse=True)
def no_noise(capfd):
    """Failures are raised; nothing is written past us by the decoder's callbacks."""
    yield
    assert "Traceback" not in capfd.readouterr().err


def read(url, options=LOCAL, limit_s=None):
    """Samples of a source up to its end or ``limit_s``."""
    parts, samples = [], 0
    with open_source(url, rate_hz=RATE_HZ, options=options) as stream:
        for block in stream:
            parts.append(block)
            samples += len(block)
            if limit_s is not None and samples >= limit_s * RATE_HZ:
                break
        return np.concatenate(parts), stream.live


def failure(url, options=LOCAL):
    with pytest.raises(SourceError) as caught:
        read(url, options)
    return caught.value


def constant(data: bytes):
    return lambda path, connection: connection.sendall(data)


def test_a_body_of_known_length_is_a_file(mp3):
    headers = f"Content-Type: audio/mpeg\r\nContent-Length: {len(mp3)}\r\n"
    with serve(constant(answer(headers=headers, body=mp3))) as server:
        pcm, live = read(server.url("/a.mp3"))
        assert server.requests[0][1].get("Icy-MetaData") is None
    assert not live
    assert len(pcm) == pytest.approx(20 * RATE_HZ, abs=RATE_HZ // 5)
    assert np.abs(pcm).max() > 5000


def test_a_body_without_length_is_live(mp3):
    with serve(constant(answer(headers="Content-Type: audio/mpeg\r\n", body=mp3))) as server:
        _, live = read(server.url())
    assert live


def test_chunked_bodies_are_read(mp3):
    pieces = [mp3[at : at + 1000] for at in range(0, len(mp3), 1000)]
    body = b"".join(f"{len(piece):x}\r\n".encode() + piece + b"\r\n" for piece in pieces) + b"0\r\n\r\n"
    head = b"HTTP/1.1 200 OK\r\nContent-Type: audio/mpeg\r\nTransfer-Encoding: chunked\r\n\r\n"
    with serve(constant(head + body)) as server:
        pcm, live = read(server.url())
    assert live
    assert len(pcm) == pytest.approx(20 * RATE_HZ, abs=RATE_HZ // 5)


def test_shoutcast_status_line_and_unasked_metadata(mp3):
    metaint = 4096
    body = b""
    for at in range(0, len(mp3), metaint):
        text = b"StreamTitle='x';".ljust(32, b"\0")
        piece = mp3[at : at + metaint]
        body += piece + (bytes([2]) + text if len(piece) == metaint else b"")
    head = f"ICY 200 OK\r\nicy-metaint: {metaint}\r\nContent-Type: audio/mpeg\r\n\r\n".encode()
    with serve(constant(head + body)) as server:
        noisy, _ = read(server.url())
    with serve(constant(answer(headers="Content-Type: audio/mpeg\r\n", body=mp3))) as server:
        clean, _ = read(server.url())
    assert np.array_equal(noisy, clean)


@pytest.mark.parametrize(
    ("status", "state", "retryable"),
    [
        ("401 Unauthorized", "auth_failed", True),
        ("403 Forbidden", "auth_failed", True),
        ("404 Not Found", "invalid_source", True),
        ("410 Gone", "invalid_source", True),
        ("204 No Content", "invalid_source", True),
        ("429 Slow", "reconnecting", True),
        ("500 Oops", "reconnecting", True),
        ("503 Busy", "reconnecting", True),
    ],
)
def test_statuses_become_states(status, state, retryable):
    with serve(constant(answer(status))) as server:
        error = failure(server.url())
    assert (error.state, error.retryable) == (state, retryable)
    assert status[:3] in str(error)


@pytest.mark.parametrize("kind", ["text/html", "text/html; charset=utf-8", "application/json", "image/png"])
def test_a_page_instead_of_audio(kind):
    with serve(constant(answer(headers=f"Content-Type: {kind}\r\n", body=b"<html>not found</html>"))) as server:
        error = failure(server.url())
    assert error.state == "invalid_source"
    assert kind.partition(";")[0] in str(error)


def test_html_that_says_it_is_audio():
    body = b"<html><body>Sorry</body></html>" * 500
    with serve(constant(answer(headers="Content-Type: audio/mpeg\r\n", body=body))) as server:
        error = failure(server.url())
    assert error.state == "invalid_source"


def test_endless_noise_is_given_up(monkeypatch):
    monkeypatch.setattr(worker.sources.http, "SILENT_BYTES", 200_000)

    def noise(path, connection):
        connection.sendall(answer(headers="Content-Type: audio/mpeg\r\n"))
        while True:
            connection.sendall(b"\x00" * 65_536)

    with serve(noise) as server:
        error = failure(server.url())
    assert error.state == "invalid_source"


def test_a_compressed_body_is_refused():
    with serve(constant(answer(headers="Content-Encoding: gzip\r\n", body=b"x"))) as server:
        assert failure(server.url()).state == "invalid_source"


def test_a_stall_is_noticed(mp3):
    release = threading.Event()

    def stall(path, connection):
        connection.sendall(answer(headers="Content-Type: audio/mpeg\r\n", body=mp3[:60_000]))
        release.wait(20)

    with serve(stall) as server:
        began = time.monotonic()
        error = failure(server.url(), IMPATIENT)
        release.set()
    assert error.state == "stalled"
    assert 0.9 < time.monotonic() - began < 5


def test_a_drip_is_a_stall(mp3):
    def drip(path, connection):
        connection.sendall(answer(headers="Content-Type: audio/mpeg\r\n", body=mp3[:60_000]))
        for byte in mp3[60_000:]:
            connection.sendall(bytes([byte]))
            time.sleep(0.1)

    with serve(drip) as server:
        error = failure(server.url(), IMPATIENT)
    assert error.state == "stalled"
    assert "bytes" in str(error)


def test_dripping_headers_have_one_deadline(monkeypatch):
    monkeypatch.setattr(worker.net.connection, "HEADER_DEADLINE_S", 1.0)

    def drip(path, connection):
        connection.sendall(b"HTTP/1.0 200 OK\r\n")
        while True:
            connection.sendall(b"X")
            time.sleep(0.05)

    with serve(drip) as server:
        began = time.monotonic()
        error = failure(server.url())
    assert error.state == "stalled"
    assert time.monotonic() - began < 4


@pytest.mark.parametrize(
    "flood", [b"X-A: " + b"a" * 60_000 + b"\r\n", b"X: y\r\n" * 90 + b"X: " + b"b" * 600 + b"\r\n"]
)
def test_endless_headers_are_refused(flood):
    def endless(path, connection):
        connection.sendall(b"HTTP/1.0 200 OK\r\n")
        while True:
            connection.sendall(flood)

    with serve(endless) as server:
        error = failure(server.url())
    assert error.state in ("invalid_source", "reconnecting")


def test_a_reset_in_the_middle_is_an_outage(mp3):
    def reset(path, connection):
        connection.sendall(answer(headers="Content-Type: audio/mpeg\r\nContent-Length: 900000\r\n", body=mp3[:60_000]))
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\x01\0\0\0\0\0\0\0")

    with serve(reset) as server:
        error = failure(server.url())
    assert (error.state, error.retryable) == ("reconnecting", True)


def test_nobody_listens():
    with serve(constant(b"")) as server:
        url = server.url()
    error = failure(url)
    assert (error.state, error.retryable) == ("reconnecting", True)


def redirecting(mp3, target, status=302):
    def script(path, connection):
        if path == "/end":
            connection.sendall(answer(headers="Content-Type: audio/mpeg\r\n", body=mp3))
        else:
            connection.sendall(answer(f"{status} Found", f"Location: {target}\r\n"))

    return script


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
def test_redirects_are_followed(mp3, status):
    with serve(redirecting(mp3, "/end", status)) as server:
        pcm, _ = read(server.url("/start"), limit_s=1)
    assert len(pcm)


@pytest.mark.parametrize(
    "target",
    [
        "file:///etc/passwd",
        "ftp://example.org/",
        "http://169.254.169.254/",
        "gopher://127.0.0.1/",
        "http://[::]/x",
        "//0/",
    ],
)
def test_redirects_to_forbidden_places(mp3, target):
    with serve(redirecting(mp3, target)) as server:
        error = failure(server.url("/start"))
    assert (error.state, error.retryable) == ("invalid_source", False)


def test_a_redirect_from_a_public_host_to_a_private_one(mp3):
    # "public.example" passes the check because its address is public; the connection is then led to the test server.
    with serve(redirecting(mp3, "http://10.0.0.1/secret")) as server:
        real = worker.net.connection.Connection.connect

        def connect(self):
            endpoint = type(self._endpoints[0])(socket.AF_INET, ("127.0.0.1", server.port))
            assert self._endpoints[0].sockaddr[0] == "1.1.1.1"
            self._endpoints = [endpoint]
            real(self)

        def lookup(host, port, type):
            address = "1.1.1.1" if host == "public.example" else host
            return [(socket.AF_INET, type, 6, "", (address, port))]

        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(worker.net.connection.Connection, "connect", connect)
            error = failure("http://public.example/start", SourceOptions(resolve=lookup))
    assert "10.0.0.1" in str(error)
    assert (error.state, error.retryable) == ("invalid_source", False)


def test_redirect_loops_end():
    with serve(redirecting(b"", "/again")) as server:
        error = failure(server.url("/start"))
        assert len(server.requests) == 6
    assert "redirects" in str(error)


def test_credentials_stay_with_their_origin(mp3):
    with serve(redirecting(mp3, "/end")) as other:
        with serve(redirecting(mp3, f"http://a:b@127.0.0.1:{other.port}/end")) as first:
            read(first.url("/start").replace("//", "//user:p%40ss@"), limit_s=1)
            assert first.requests[0][1]["Authorization"] == "Basic dXNlcjpwQHNz"
        assert "Authorization" not in other.requests[0][1]
    with serve(redirecting(mp3, "/end")) as same:
        read(same.url("/start").replace("//", "//user:p%40ss@"), limit_s=1)
        assert [headers.get("Authorization") for _, headers in same.requests] == ["Basic dXNlcjpwQHNz"] * 2


def test_credentials_are_not_in_messages():
    with serve(constant(answer("404 Not Found"))) as server:
        error = failure(server.url("/x?token=secret").replace("//", "//user:hunter2@"))
    assert "hunter2" not in str(error)
    assert "secret" not in str(error)


M3U = b"#EXTM3U\n#EXTINF:-1,Radio\n{}\nhttp://other.example/\n"
PLS = b"[playlist]\nNumberOfEntries=1\nFile1={}\nTitle1=Radio\n"


@pytest.mark.parametrize(
    ("path", "kind", "text"),
    [
        ("/radio.m3u", "audio/x-mpegurl", M3U),
        ("/radio", "audio/mpegurl", M3U),
        ("/radio.m3u", "text/plain", M3U),
        ("/radio.pls", "audio/x-scpls", PLS),
        ("/radio.pls", "application/octet-stream", PLS),
    ],
)
def test_simple_playlists_lead_to_their_first_entry(mp3, path, kind, text):
    def script(asked, connection):
        if asked == "/end":
            connection.sendall(answer(headers="Content-Type: audio/mpeg\r\n", body=mp3))
        else:
            body = text.replace(b"{}", server.url("/end").encode())
            connection.sendall(answer(headers=f"Content-Type: {kind}\r\n", body=body))

    with serve(script) as server:
        pcm, _ = read(server.url(path), limit_s=1)
    assert len(pcm)


@pytest.mark.parametrize(
    "entry",
    ["file:///etc/passwd", "/etc/passwd", "ftp://x/", "", "concat:a|b", "#EXT-X-VERSION:3\nhttp://x/a.ts"],
)
def test_playlists_with_other_things_are_refused(entry):
    with pytest.raises(SourceError):
        playlist_entry(f"#EXTM3U\n{entry}\n".encode(), "x")


def test_a_playlist_in_a_playlist_is_refused():
    def script(path, connection):
        body = server.url("/again.m3u").encode()
        connection.sendall(answer(headers="Content-Type: audio/x-mpegurl\r\n", body=body))

    with serve(script) as server:
        error = failure(server.url("/a.m3u"))
        assert len(server.requests) == 2
    assert "playlist inside a playlist" in str(error)


def test_ipv6(mp3):
    script = constant(answer(headers="Content-Type: audio/mpeg\r\n", body=mp3))
    with serve(script, socket.AF_INET6) as server:
        pcm, _ = read(f"http://[::1]:{server.port}/", limit_s=1)
    assert len(pcm)


def test_reads_return_what_is_there():
    """A live body is handed on as it arrives, not when a buffer is full."""
    release = threading.Event()

    def slow(path, connection):
        connection.sendall(answer(headers="Content-Type: audio/mpeg\r\n", body=b"x" * 100))
        release.wait(5)

    from worker.net.fetch import fetch

    with serve(slow) as server:
        fetched = fetch(server.url(), LOCAL)
        body = worker.sources.http.Body(fetched)
        assert isinstance(body, io.RawIOBase)
        assert body.read(65_536) == b"x" * 100
        release.set()
        fetched.response.close()
        fetched.connection.close()
