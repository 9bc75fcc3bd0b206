"""Redis is absent at the start, killed in the middle, comes back with its data or with another history."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path

import httpx
import pytest
import redis

from recognizer.events import gap_event
from tests.services import RedisServer, end, free_port, redis_server, require, wait_until
from tests.web.stage import Stage
from tests.web.talk import Talk, seqs


@pytest.fixture
def own_redis(tmp_path: Path):
    with redis_server(tmp_path) as server:
        yield server


def stage_on(server: RedisServer) -> Stage:
    return Stage(server.client(), "rc:")


def titles_told(talk: Talk) -> list[str]:
    """Titles of all detections this client has heard of, in a snapshot or as an event."""
    shown = [d for message in talk.messages if message["type"] == "snapshot" for d in message["detections"]]
    events = [message for message in talk.messages if "specversion" in message]
    return [told["data"]["title"] for told in shown + events]


def test_comes_up_without_redis_and_fills_in_when_it_appears(tmp_path, serve):
    server = RedisServer(tmp_path)
    web = serve(None, with_redis=False, redis_url=server.url)
    assert httpx.get(web.url + "/").status_code == 200
    assert httpx.get(web.url + "/api/v1/streams").status_code == 503
    health = httpx.get(web.url + "/api/v1/healthz")
    assert health.status_code == 503
    assert health.json()["checks"]["redis"]["reason"] == "Redis does not answer"
    with Talk(web.ws_url) as talk:
        assert talk.next()["seq"] is None
        assert talk.until("system.stats")["redis"] is False
        server.start()
        stage = stage_on(server)
        try:
            stage.feed("radio1").beat()
            stage.feed("radio1").open("First", None)
            talk.until("snapshot", 15)
            talk.until(lambda m: m["type"] == "system.stats" and m["redis"] is True, 15)
            # The snapshot may be read between the beat and the opening; then the event follows it, before or after
            # the statistics. Either way it is told once.
            while not (told := titles_told(talk)):
                talk.next()
            assert told == ["First"]
        finally:
            stage.redis.close()
            server.stop()


def test_killed_and_restarted_with_its_data_loses_and_doubles_nothing(own_redis, serve):
    stage = stage_on(own_redis)
    radio = stage.feed("radio1")
    radio.beat()
    web = serve(stage, redis_url=own_redis.url)
    with Talk(web.ws_url) as talk:
        talk.until("snapshot")
        radio.gap(9, 8)
        assert seqs(talk.events(1)) == [1]
        own_redis.kill()
        talk.until(lambda m: m["type"] == "system.stats" and m["redis"] is False, 15)
        assert httpx.get(web.url + "/api/v1/detections").status_code == 503
        own_redis.start()
        stage.redis.close()
        stage = stage_on(own_redis)
        again = stage.feed("radio1")
        again.gap(7, 6)
        again.gap(5, 4)
        assert seqs(talk.events(2)) == [2, 3]
        assert not any(message["type"] == "resync_required" for message in talk.messages)
    wait_until(lambda: httpx.get(web.url + "/api/v1/detections").status_code == 200, what="REST answering again")
    stage.redis.close()


def test_another_history_makes_every_client_start_over(own_redis, serve):
    stage = stage_on(own_redis)
    radio = stage.feed("radio1")
    for number in range(5):
        radio.gap(9 - number, 8.5 - number)
    web = serve(stage, redis_url=own_redis.url)
    with Talk(web.ws_url) as talk:
        assert talk.until("snapshot")["seq"] == 5
        stage.redis.flushall()
        stage.feed("radio1").open("After the loss", None)
        resync = talk.until("resync_required", 15)
        assert resync["reason"] == "history_replaced"
        talk.say(type="subscribe", streams=None, since=None)
        snapshot = talk.until("snapshot")
        assert snapshot["seq"] == 1 and snapshot["gaps"] == []
        assert [d["data"]["title"] for d in snapshot["detections"]] == ["After the loss"]
        stage.feed("radio1").gap(3, 2)
        assert seqs(talk.events(1)) == [2]
    stage.redis.close()


def test_a_new_history_that_is_already_longer_is_noticed_too(own_redis, serve):
    stage = stage_on(own_redis)
    radio = stage.feed("radio1")
    for number in range(3):
        radio.gap(9 - number, 8.5 - number)
    web = serve(stage, redis_url=own_redis.url)
    with Talk(web.ws_url) as talk:
        talk.until("snapshot")
        pipe = stage.redis.pipeline(transaction=True)  # at once: nobody sees the moment in between
        pipe.flushall()
        for seq in range(1, 10):
            event = gap_event(radio.clock, radio.sample(60 - seq), radio.sample(59.5 - seq), "new")
            fields = {"seq": seq, "feed": "radio1", "type": event["type"], "json": json.dumps(event)}
            pipe.xadd(stage.keys.events, fields)
        pipe.set(stage.keys.events_seq, 9)
        pipe.execute()
        assert talk.until("resync_required", 15)["reason"] == "history_replaced"
    stage.redis.close()


def test_serves_over_a_unix_socket(tmp_path, serve):
    path = tmp_path / "redis.sock"
    command = [require("redis-server", "redis-server"), "--port", "0", "--unixsocket", str(path), "--save", ""]
    process = subprocess.Popen([*command, "--dir", str(tmp_path)], stdout=subprocess.DEVNULL)
    try:
        wait_until(path.exists, what="the socket")
        with redis.Redis.from_url(f"unix://{path}") as client:
            stage = Stage(client, "rc:")
            stage.feed("radio1").beat()
            web = serve(stage, redis_url=f"unix://{path}")
            assert [row["id"] for row in httpx.get(web.url + "/api/v1/streams").json()["items"]] == ["radio1"]
    finally:
        end(process)


def test_a_port_where_nothing_listens_is_said_once_and_pages_stay_up(serve, caplog):
    web = serve(None, with_redis=False, redis_url=f"redis://127.0.0.1:{free_port()}/0")
    wait_until(lambda: web.hub.picture.redis_error and "Redis does not answer" in caplog.text)
    assert caplog.text.count("Redis does not answer") == 1
    assert httpx.get(web.url + "/kiosk/any").status_code == 200


def test_a_history_that_went_back_is_noticed_even_when_nothing_new_happens(own_redis, serve):
    stage = stage_on(own_redis)
    radio = stage.feed("radio1")
    radio.gap(9, 8)
    web = serve(stage, redis_url=own_redis.url)
    with Talk(web.ws_url) as talk:
        talk.until("snapshot")
        stage.redis.flushall()
        assert talk.until("resync_required", 10)["reason"] == "history_replaced"
    stage.redis.close()


def test_a_feed_added_while_a_snapshot_is_read_is_in_it(stage, serve, monkeypatch):
    stage.feed("radio1").open("Just now", None)
    web = serve(stage)
    real, calls = web.hub.store.feeds, []

    async def late() -> list[str]:
        calls.append(1)
        return [] if len(calls) == 1 else await real()

    monkeypatch.setattr(web.hub.store, "feeds", late)
    with Talk(web.ws_url) as talk:
        assert [d["data"]["title"] for d in talk.until("snapshot")["detections"]] == ["Just now"]
