from __future__ import annotations

import json
import time

import pytest

from recognizer.events import CATALOGUE_CHANGED, CLOSED, OPENED, RETRACTED, UPDATED, FeedClock, gap_event
from recognizer.wire import CLOSED_RETENTION
from tests.services import wait_until
from tests.worker.counting import fill, published, second
from worker.bus import Bus, Commit, LeaseLost, around_seq

CLOCK = FeedClock("radio", 16_000, 1_700_000_000_000)


LONG_MS = 60_000  # a lease that no pause of a busy machine outlasts


def run_out(client, keys):
    """Let the time of the lease be over now."""
    assert client.pexpire(keys.feed("radio", "lease"), 1)
    wait_until(lambda: not client.exists(keys.feed("radio", "lease")), what="the lease's end")


def dump(client):
    """Everything in Redis but the time left of leases."""
    return {key: client.dump(key) for key in sorted(client.keys("*"))}


def detection(kind, number, revision=1):
    data = {"detection_id": f"d{number}", "revision": revision, "title": 'A "seq":null song', "alternatives": []}
    return CLOCK.envelope(kind, f"d{number}-{revision}", 16_000, data)


def change(expected, cursor, *events, blob=b"\x00blob", ended=False):
    return Commit(expected, cursor, blob, ended, {"feed": "radio", "state": "running"}, events)


def test_a_lease_is_held_by_one_and_tokens_grow(client, keys):
    first, second_bus = Bus(client, keys, "a", LONG_MS), Bus(client, keys, "b", LONG_MS)
    lease = first.acquire("radio")
    assert lease is not None
    assert second_bus.acquire("radio") is None
    assert 0 < client.pttl(keys.feed("radio", "lease")) <= LONG_MS
    client.pexpire(keys.feed("radio", "lease"), LONG_MS // 3)  # two thirds of its time are over
    assert first.renew(lease)
    assert LONG_MS // 3 < client.pttl(keys.feed("radio", "lease")) <= LONG_MS
    assert second_bus.acquire("radio") is None, "renewed in time"
    run_out(client, keys)
    later = second_bus.acquire("radio")
    assert later is not None
    assert later.token > lease.token
    assert not first.renew(lease)
    assert not first.release(lease)
    assert second_bus.release(later)
    assert first.acquire("radio").token > later.token


def test_the_same_worker_twice_is_two_holders(client, keys):
    bus = Bus(client, keys, "a", LONG_MS)
    old = bus.acquire("radio")
    run_out(client, keys)
    new = bus.acquire("radio")
    with pytest.raises(LeaseLost):
        bus.commit(old, change("0-0", "1-0"))
    bus.commit(new, change("0-0", "1-0"))


def test_a_stale_worker_changes_nothing(client, keys):
    stale, fresh = Bus(client, keys, "stale", LONG_MS), Bus(client, keys, "fresh", LONG_MS)
    lease = stale.acquire("radio")
    stale.commit(lease, change("0-0", "3-0", detection(OPENED, 1)))
    run_out(client, keys)
    newer = fresh.acquire("radio")
    fresh.commit(newer, change("3-0", "5-0", detection(UPDATED, 1, 2)))
    before = dump(client)
    with pytest.raises(LeaseLost, match="lease"):
        stale.commit(lease, change("3-0", "9-0", detection(CLOSED, 1, 2), gap_event(CLOCK, 0, 5, "x"), blob=b"old"))
    assert not stale.renew(lease, {"feed": "radio", "state": "stale"})
    assert dump(client) == before


def test_a_lease_that_ran_out_is_lost_even_when_nobody_took_it(client, keys):
    bus = Bus(client, keys, "a", 50)
    lease = bus.acquire("radio")
    time.sleep(0.1)
    with pytest.raises(LeaseLost):
        bus.commit(lease, change("0-0", "1-0"))
    assert bus.load("radio").cursor == "0-0"


def test_a_moved_cursor_refuses_the_commit(client, keys):
    bus = Bus(client, keys, "a")
    lease = bus.acquire("radio")
    bus.commit(lease, change("0-0", "4-0"))
    before = dump(client)
    with pytest.raises(LeaseLost, match="cursor"):
        bus.commit(lease, change("0-0", "4-0", detection(OPENED, 1)))
    assert dump(client) == before


def test_a_commit_stores_everything_and_numbers_events(client, keys):
    bus = Bus(client, keys, "a")
    lease = bus.acquire("radio")
    first = [detection(OPENED, 1), detection(OPENED, 2), detection(UPDATED, 1, 2), detection(RETRACTED, 2, 2)]
    assert bus.commit(lease, change("0-0", "2-0", *first)) == 4
    stored = {k.decode(): json.loads(v) for k, v in client.hgetall(keys.feed("radio", "open")).items()}
    assert list(stored) == ["d1"]
    assert stored["d1"]["data"]["seq"] == 3
    assert stored["d1"]["data"]["title"] == 'A "seq":null song'
    assert stored["d1"]["data"]["alternatives"] == []
    second_batch = [detection(CLOSED, 1, 3), gap_event(CLOCK, 16_000, 32_000, "disconnected")]
    assert bus.commit(lease, change("2-0", "3-0", *second_batch, blob=b"\xff\x00", ended=True)) == 6
    assert client.hlen(keys.feed("radio", "open")) == 0
    assert [json.loads(raw)["id"] for raw in client.lrange(keys.feed("radio", "closed"), 0, -1)] == ["d1-3"]
    assert [json.loads(raw)["type"] for raw in client.lrange(keys.feed("radio", "gaps"), 0, -1)] == ["stream.gap"]
    state = bus.load("radio")
    assert (state.cursor, state.blob, state.ended) == ("3-0", b"\xff\x00", True)
    assert json.loads(client.get(keys.feed("radio", "status")))["state"] == "running"
    assert [event["id"] for event in published(client, keys)] == [event["id"] for event in first + second_batch]


def test_closed_detections_are_bounded(client, keys):
    bus = Bus(client, keys, "a")
    lease = bus.acquire("radio")
    cursor = "0-0"
    for at in range(3):
        events = [detection(CLOSED, at * 300 + n) for n in range(300)]
        bus.commit(lease, change(cursor, f"{at + 1}-0", *events))
        cursor = f"{at + 1}-0"
    closed = client.lrange(keys.feed("radio", "closed"), 0, -1)
    assert len(closed) == CLOSED_RETENTION
    assert json.loads(closed[0])["id"] == "d899-1"


def test_envelopes_are_split_around_their_number():
    event = detection(OPENED, 1)
    head, tail = around_seq({**event, "data": {**event["data"], "seq": 99}})
    assert json.loads(f"{head}7{tail}")["data"]["seq"] == 7
    with pytest.raises(KeyError):
        around_seq({"type": "x"})


def test_tries_count_leases_without_progress(client, keys):
    bus = Bus(client, keys, "a", LONG_MS)
    tries = []
    for _ in range(3):
        tries.append(bus.acquire("radio").tries)
        run_out(client, keys)
    lease = bus.acquire("radio")
    bus.commit(lease, change("0-0", "1-0"))
    run_out(client, keys)
    assert tries == [1, 2, 3]
    after_progress = bus.acquire("radio")
    assert after_progress.tries == 1
    bus.release(after_progress)
    assert bus.acquire("radio").tries == 1


def test_reading_follows_the_cursors(client, keys):
    bus = Bus(client, keys, "a")
    fill(client, keys, "one", [second(n) for n in range(5)])
    fill(client, keys, "two", [second(n) for n in range(2)])
    found = bus.read({"one": "3-0", "two": "0-0", "none": "0-0"}, 10, 10)
    assert {feed: [entry for entry, _ in entries] for feed, entries in found.items()} == {
        "one": ["4-0", "5-0"],
        "two": ["1-0", "2-0"],
    }
    assert bus.read({"one": "5-0"}, 10, 10) == {}


def test_an_announcement_is_made_once(client, keys):
    event = {
        "specversion": "1.0",
        "type": CATALOGUE_CHANGED,
        "id": "x",
        "source": "/c",
        "time": "t",
        "data": {"seq": None},
    }
    buses = [Bus(client, keys, name) for name in "abc"]
    assert [bus.announce("g1", event) for bus in buses] == [True, False, False]
    assert buses[2].announce("g2", event)
    assert len(published(client, keys)) == 2
