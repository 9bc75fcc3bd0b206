"""Many clients at once, and unfriendly ones: nobody may disturb the others."""

from __future__ import annotations

import contextlib
import json
import socket

from websockets.exceptions import ConnectionClosed

from recognizer.events import OPENED
from tests.services import wait_until
from tests.web.talk import Talk, seqs


def test_messages_that_make_no_sense_are_answered_then_ended(stage, serve):
    web = serve(stage)
    with Talk(web.ws_url) as talk:
        talk.until("snapshot")
        for text in (
            "[]",
            "{",
            '{"type":"restart"}',
            '{"type":"subscribe","since":-1}',
            '{"type":"subscribe","streams":5}',
        ):
            talk.socket.send(text)
            assert talk.until("error")["detail"]
        talk.socket.send("x" * 100)
        assert talk.closed() == 4400


def test_a_huge_message_ends_its_own_connection_only(stage, serve):
    radio = stage.feed("radio1")
    web = serve(stage)
    with Talk(web.ws_url) as other, Talk(web.ws_url) as talk:
        other.until("snapshot")
        talk.until("snapshot")
        with contextlib.suppress(ConnectionClosed):  # it may be ended before the message is out
            talk.socket.send("x" * 1_000_000)
        assert talk.closed() == 1009
        radio.open("Still here", None)
        assert other.events(1)[0]["data"]["title"] == "Still here"


def test_a_binary_message_and_a_flood_are_ended(stage, serve):
    web = serve(stage)
    with Talk(web.ws_url) as talk:
        talk.until("snapshot")
        talk.socket.send(b"\x00\x01")
        assert talk.closed() == 4400
    with Talk(web.ws_url) as talk:
        talk.until("snapshot")
        with contextlib.suppress(ConnectionClosed):  # the flood may be ended before it is out
            for _ in range(60):
                talk.socket.send('{"type":"auth","token":"x"}')
        assert talk.closed() == 4429


def stuck_client(port: int) -> socket.socket:
    """A client that shakes hands and never reads again, with a tiny receive buffer."""
    sock = socket.socket()
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 2048)
    sock.connect(("127.0.0.1", port))
    request = (
        f"GET /api/v1/events HTTP/1.1\r\nHost: 127.0.0.1:{port}\r\n"
        "Upgrade: websocket\r\nConnection: Upgrade\r\n"
        "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n\r\n"
    )
    sock.sendall(request.encode())
    return sock


def test_a_client_that_stops_reading_is_cut_and_others_go_on(stage, serve):
    radio = stage.feed("radio1")
    web = serve(stage, write_stall_s=1.0)
    with Talk(web.ws_url) as other:
        other.until("snapshot")
        stuck = stuck_client(web.port)
        wait_until(lambda: web.live.connected == 2, what="both being connected")
        sent = 0
        long_title = "A very long title " * 2000

        def flooded_out() -> bool:
            nonlocal sent
            radio.open(f"{long_title}{sent}", None, s_ago=1 + sent)
            sent += 1
            return web.live.connected == 1

        wait_until(flooded_out, 40, "the stuck client being cut")
        assert web.live.dropped["stalled"] == 1
        assert seqs(other.events(sent)) == list(range(1, sent + 1))
        stuck.close()


def test_a_client_that_falls_too_far_behind_is_dropped_with_a_code(stage, serve):
    radio = stage.feed("radio1")
    web = serve(stage, max_lag_events=20, write_stall_s=30)
    with Talk(web.ws_url, max_queue=1) as talk:
        talk.until("snapshot")
        title = "Long " * 20_000
        for number in range(120):
            radio.open(f"{title}{number}", None, s_ago=1 + number)
        assert talk.closed(20) == 4408
    assert web.live.dropped["too_slow"] == 1


def test_more_viewers_than_allowed_are_turned_away(stage, serve):
    web = serve(stage, max_clients=2)
    with Talk(web.ws_url) as one, Talk(web.ws_url) as two:
        one.until("snapshot")
        two.until("snapshot")
        with Talk(web.ws_url) as three:
            assert three.closed() == 4429


def test_two_hundred_clients_that_come_at_once_all_get_the_event(stage, serve):
    radio = stage.feed("radio1")
    web = serve(stage)
    talks = [Talk(web.ws_url) for _ in range(200)]
    try:
        for talk in talks:
            talk.until("snapshot", 20)
        radio.open("For all", None)
        assert all(talk.events(1)[0]["type"] == OPENED for talk in talks)
        assert web.live.connected == 200
    finally:
        for talk in talks:
            talk.leave()
    wait_until(lambda: web.live.connected == 0, what="all being gone")


def test_malformed_entries_in_redis_are_skipped_and_counted(stage, serve):
    radio = stage.feed("radio1")
    web = serve(stage)
    with Talk(web.ws_url) as talk:
        talk.until("snapshot")
        bad = [
            {"seq": "x", "feed": "radio1", "type": "t", "json": "{}"},
            {"seq": 1, "feed": "radio1", "type": "t", "json": "not json"},
            {
                "seq": 1,
                "feed": "radio1",
                "type": "t",
                "json": json.dumps({"type": 5, "data": {}, "time": "t"}),
            },
            {"nothing": "here"},
            {"seq": 1, "feed": b"\xff\xfe", "type": "t", "json": b"\xff\xfe"},
        ]
        for fields in bad:
            stage.redis.xadd(stage.keys.events, fields)
        radio.open("Good", None)
        assert talk.events(1)[0]["data"]["title"] == "Good"
    assert web.hub.malformed_events == len(bad)


def test_a_request_that_never_becomes_whole_is_hung_up_on(stage, serve, monkeypatch):
    monkeypatch.setattr("web.sockets.HEAD_S", 1.5)
    web = serve(stage)
    for drips in (b"", b"GET / HTTP/1.1\r\nHost: x\r\n"):
        with socket.create_connection(("127.0.0.1", web.port), timeout=5) as sock:
            sock.sendall(drips)
            with contextlib.suppress(ConnectionResetError):
                assert sock.recv(65536) == b""
    with Talk(web.ws_url) as talk:
        talk.until("snapshot")
        assert talk.quiet(2.5) == []
        assert talk.next()["type"] == "system.stats", "an open live channel is not a late request"
