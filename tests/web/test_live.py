"""The live channel: order, replay, filters, tokens and unfriendly clients."""

from __future__ import annotations

import contextlib
import time

import pytest
from websockets.exceptions import InvalidStatus

from tests.web.stage import Heartbeats
from tests.web.talk import Talk, seqs

TOKEN = "correct-horse-battery-staple"


def test_hello_snapshot_then_events_in_order(stage, serve):
    radio = stage.feed("radio1", title="Radio One")
    radio.beat()
    radio.played("Old song", "Somebody", 120, 60)
    radio.gap(300, 290)
    stage.catalogue()
    opened = radio.open("Greensleeves", "Trad.")
    web = serve(stage)
    with Talk(web.ws_url) as talk:
        assert talk.next()["type"] == "hello"
        snapshot = talk.until("snapshot")
        assert [view["id"] for view in snapshot["streams"]] == ["radio1"]
        assert {d["data"]["state"] for d in snapshot["detections"]} == {"open", "closed"}
        assert len(snapshot["gaps"]) == 1
        assert snapshot["seq"] == 4
        assert snapshot["stats"]["catalogue"]["generation"] == 7
        radio.close(radio.update(opened, confidence=0.97))
        events = talk.events(2)
    assert [event["type"] for event in events] == ["detection.updated", "detection.closed"]
    assert seqs(events) == [5, 6]
    assert events[1]["data"]["detection_id"] == opened.detection_id
    assert events[0]["data"]["confidence"] == 0.97


def test_since_replays_each_event_once_and_goes_on_live(stage, serve):
    radio = stage.feed("radio1")
    for number in range(30):
        radio.gap(30 - number, 29.5 - number)
    web = serve(stage)
    with Talk(f"{web.ws_url}?since=12") as talk:
        assert seqs(talk.events(18)) == list(range(13, 31))
        for number in range(5):
            radio.gap(0.5 - number / 100, 0.4 - number / 100)
        assert seqs(talk.events(5)) == list(range(31, 36))
        assert talk.quiet(0.5) == []
        talk.say(type="subscribe", streams=None, since=33)
        assert seqs(talk.events(2)) == [34, 35]
    assert not any(message["type"] == "snapshot" for message in talk.messages)


def test_events_written_while_a_client_replays_are_neither_lost_nor_doubled(stage, serve):
    radio = stage.feed("radio1")
    for number in range(200):
        radio.gap(300 - number, 299.5 - number)
    web = serve(stage)
    with Talk(f"{web.ws_url}?since=0") as talk:
        for number in range(200):
            radio.gap(90 - number / 10, 89.95 - number / 10)
        assert seqs(talk.events(400)) == list(range(1, 401))


@pytest.mark.parametrize("since", [3, 10_000])
def test_since_outside_what_is_kept_asks_for_a_resync(stage, serve, since):
    radio = stage.feed("radio1")
    for number in range(40):
        radio.gap(60 - number, 59.5 - number)
    web = serve(stage, replay_events=16)
    with Talk(f"{web.ws_url}?since={since}") as talk:
        resync = talk.until("resync_required")
        assert resync["reason"] == "out_of_range"
        assert (resync["oldest_seq"], resync["seq"]) == (25, 40)
        radio.gap(1, 0.5)
        assert talk.quiet(1.0) == [], "no events before the client subscribed anew"
        talk.say(type="subscribe", streams=None, since=None)
        assert talk.until("snapshot")["seq"] == 41


def test_since_id_of_another_history_asks_for_a_resync(stage, serve):
    radio = stage.feed("radio1")
    first = radio.open("A", None)
    radio.update(first)
    web = serve(stage)
    with Talk(f"{web.ws_url}?since=1&since_id={first.detection_id}-1") as talk:
        assert seqs(talk.events(1)) == [2]
    with Talk(f"{web.ws_url}?since=1&since_id=another-event") as talk:
        assert talk.until("resync_required")["reason"] == "out_of_range"


def test_a_subscription_shows_its_streams_only(stage, serve):
    one, two = stage.feed("one"), stage.feed("two")
    one.beat()
    two.beat()
    web = serve(stage)
    with Talk(web.ws_url) as talk:
        talk.until("snapshot")
        talk.say(type="subscribe", streams=["two"], since=None)
        snapshot = talk.until("snapshot")
        assert [view["id"] for view in snapshot["streams"]] == ["two"]
        one.open("Not for you", None)
        two.open("For you", None)
        assert [event["data"]["title"] for event in talk.events(1)] == ["For you"]
        talk.messages.clear()
        one.beat(level_dbfs=-3)
        two.beat(level_dbfs=-4)
        status = talk.until("stream.status")
        assert [part["id"] for part in status["streams"]] == ["two"]


def test_status_is_pushed_at_most_once_a_second_and_only_the_newest(stage, serve):
    radio = stage.feed("radio1")
    radio.beat()
    web = serve(stage)
    with Talk(web.ws_url) as talk:
        talk.until("snapshot")
        started = time.monotonic()
        while time.monotonic() - started < 3.5:
            radio.beat(level_dbfs=-float(int(time.monotonic() * 1000) % 60))
            try:
                talk.next(0.05)
            except TimeoutError:
                continue
        ended_s = time.monotonic() - started
        statuses = [message for message in talk.messages if message["type"] == "stream.status"]
    assert 2 <= len(statuses) <= 1 + ended_s
    assert set(statuses[-1]["streams"][0]) >= {"id", "level_dbfs", "gate", "health", "stale", "heard_ms"}
    assert not any("seq" in part for part in statuses[-1]["streams"])


def test_a_feed_without_heartbeat_is_pushed_as_stale(stage, serve):
    radio = stage.feed("radio1")
    with contextlib.ExitStack() as exits:
        with Heartbeats({radio: {}}):  # a busy machine may need longer than 3 s to serve the first page
            web = serve(stage, stale_after_s=3)
            talk = exits.enter_context(Talk(web.ws_url))
            assert talk.until("snapshot")["streams"][0]["stale"] is None
        status = talk.until(lambda m: m["type"] == "stream.status" and m["streams"][0]["stale"] is not None)
    assert status["streams"][0]["stale"] == "both"
    assert status["streams"][0]["health"] == "down"


def test_a_new_feed_and_a_removed_one_are_told(stage, serve):
    stage.feed("one").beat()
    web = serve(stage)
    with Talk(web.ws_url) as talk:
        talk.until("snapshot")
        stage.feed("two").beat()
        talk.until(lambda m: m["type"] == "stream.status" and any(s["id"] == "two" for s in m["streams"]))
        stage.redis.hdel(stage.keys.feeds, "one")
        assert talk.until(lambda m: m["type"] == "stream.status" and m["removed"])["removed"] == ["one"]


# --- tokens and origins


def test_without_the_token_nothing_is_told(stage, serve):
    stage.feed("radio1").open("Secret", None)
    web = serve(stage, token=TOKEN, auth_timeout_s=0.5)
    for first in ({"type": "auth", "token": "wrong-token-entirely"}, {"type": "subscribe"}, None):
        with Talk(web.ws_url) as talk:
            hello = talk.next()
            assert hello["auth"] is True and hello["seq"] is None
            if first is not None:
                talk.say(**first)
            assert talk.closed() == 4401
            assert len(talk.messages) == 1
    patient = serve(stage, token=TOKEN)  # a busy machine may say the token later than after half a second
    with Talk(patient.ws_url) as talk:
        talk.say(type="auth", token=TOKEN)
        assert talk.until("snapshot")["detections"][0]["data"]["title"] == "Secret"


def test_a_kiosk_token_opens_its_stream_alone(stage, serve):
    one, two = stage.feed("one"), stage.feed("two")
    kiosk = "kiosk-token-for-stream-one"
    web = serve(stage, token=TOKEN, kiosk_tokens={"one": kiosk})
    with Talk(web.ws_url) as talk:
        talk.say(type="auth", token=kiosk)
        assert [view["id"] for view in talk.until("snapshot")["streams"]] == ["one"]
        two.open("Hidden", None)
        one.open("Shown", None)
        assert talk.events(1)[0]["data"]["title"] == "Shown"
        talk.say(type="subscribe", streams=["one", "two"], since=None)
        assert talk.closed() == 4403


def test_guessing_tokens_is_slowed_down(stage, serve):
    web = serve(stage, token=TOKEN)
    codes = []
    for number in range(12):
        with Talk(web.ws_url) as talk:
            talk.say(type="auth", token=f"guess-number-{number:06}")
            codes.append(talk.closed())
    assert codes == [4401] * 10 + [4429] * 2


@pytest.mark.parametrize("origin", ["https://evil.example", "null", "http://127.0.0.1:1"])
def test_pages_of_other_origins_are_refused(stage, serve, origin):
    web = serve(stage)
    with pytest.raises(InvalidStatus) as refused, Talk(web.ws_url, origin=origin):
        pass
    assert refused.value.response.status_code == 403


def test_own_and_allowed_origins_may_connect(stage, serve):
    web = serve(stage, allow_origins=("https://wall.example",))
    for origin in (web.url, "https://wall.example"):
        with Talk(web.ws_url, origin=origin) as talk:
            assert talk.next()["type"] == "hello"
