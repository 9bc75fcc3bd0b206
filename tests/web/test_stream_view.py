"""The view of one feed from what capture and worker say, and the pure parts around it."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from web import parse
from web.access import FAILURES_ALLOWED, FAILURES_WINDOW_S, Access, Failures, Viewer
from web.asrun import safe
from web.ring import Entry, Ring
from web.settings import Settings
from web.streams import FeedRecord, newest_audio_ms, public_source, stream_view, worst_first

NOW = 1_800_000_000_000


def view(status=None, capture=None, **config):
    record = FeedRecord(config, status, capture, {"started_at_ms": NOW - 60_000, "rate_hz": 16_000})
    audio = newest_audio_ms(record, None)
    return stream_view("f", record, now_ms=NOW, stale_after_ms=10_000, last_audio_ms=audio)


def said(state, age_ms=0, **more):
    return {"state": state, "at_ms": NOW - age_ms, **more}


@pytest.mark.parametrize(
    ("capture", "status", "state", "stale", "health"),
    [
        (said("running"), said("running"), "running", None, "ok"),
        (said("running"), said("silent"), "silent", None, "quiet"),
        (said("running"), said("no_music"), "no_music", None, "quiet"),
        (said("reconnecting"), said("running"), "reconnecting", None, "degraded"),
        (said("stalled"), said("silent"), "stalled", None, "degraded"),
        (said("invalid_source"), said("running"), "invalid_source", None, "down"),
        (said("auth_failed"), None, "auth_failed", "worker", "down"),
        (said("running"), said("reconnecting"), "running", None, "ok"),  # the worker has not caught up yet
        (said("running"), said("running", 11_000), "running", "worker", "down"),
        (said("running", 11_000), said("running"), "running", "capture", "down"),
        (None, said("running"), "running", "capture", "down"),
        (said("running", 60_000), said("running", 60_000), "running", "both", "down"),
        (None, None, "connecting", "never", "down"),
        (None, said("paused", 60_000), "paused", None, "quiet"),
        (said("paused"), None, "paused", None, "quiet"),
        (said("running"), said("paused", 60_000), "running", "worker", "down"),  # begun anew, and nobody took it
        (said("running"), said("running", lag_ms=10_001), "running", None, "degraded"),
        (said("nonsense"), said("running"), "running", None, "ok"),
        ({"state": 5, "at_ms": "now"}, {"at_ms": None}, "connecting", "both", "down"),
    ],
)
def test_state_staleness_and_health(capture, status, state, stale, health):
    found = view(status, capture)
    assert (found["state"], found["stale"], found["health"]) == (state, stale, health)


def test_it_says_what_is_heard_and_nothing_when_it_cannot_know():
    for heard in ("work", "unknown", "nothing"):
        assert view(said("running", hearing=heard), said("running"))["hearing"] == heard
    assert view(said("running", hearing=["work"]), said("running"))["hearing"] == "nothing"
    assert view(said("running", hearing="work"), None)["hearing"] == "nothing"


def test_a_stale_feed_is_never_maybe():
    assert view(said("running", maybe=True), said("running"))["maybe"] is True
    assert view(said("running", maybe=True), None)["maybe"] is False


def test_last_audio_is_remembered_while_the_source_is_away():
    record = FeedRecord({}, None, said("running", 2_000), None)
    first = newest_audio_ms(record, None)
    assert first == NOW - 2_000
    away = FeedRecord({}, None, said("reconnecting"), None)
    assert newest_audio_ms(away, first) == first
    assert newest_audio_ms(away, None) is None


@pytest.mark.parametrize(
    ("source", "kind", "label"),
    [
        ("https://me:pass@host.example:8443/live?token=1#x", "https", "https://host.example:8443/live"),
        ("http://[::1]:8000/a", "http", "http://[::1]:8000/a"),
        ("mic", "mic", "default microphone"),
        ("mic:USB Audio", "mic", "USB Audio"),
        ("/home/anna/private/demo.wav", "file", "demo.wav"),
        ("file:///home/anna/private/demo.wav", "file", "demo.wav"),
        ("-", "stdin", "standard input"),
        ("http://[bad", "unknown", ""),
        (None, "unknown", ""),
    ],
)
def test_sources_are_shown_without_secrets(source, kind, label):
    assert public_source(source) == {"kind": kind, "label": label}


def test_worst_first():
    views = [
        {"health": h, "title": t}
        for h, t in [("ok", "b"), ("quiet", "a"), ("down", "z"), ("ok", "A"), ("degraded", "c")]
    ]
    assert [v["title"] for v in worst_first(views)] == ["z", "c", "a", "A", "b"]


@pytest.mark.parametrize("raw", [None, b"", b"[]", b"5", b"{", b"\xff", b'{"a":' * 100_000, b'"text"'])
def test_malformed_json_is_nothing(raw):
    assert parse.loads(raw) is None


def test_numbers_that_browsers_refuse_become_nothing():
    found = parse.loads(b'{"a": NaN, "b": -Infinity, "c": 1e999, "d": -18.5, "e": true, "f": 1}')
    assert found is not None
    assert [parse.number(found[key]) for key in "abcdef"] == [None, None, None, -18.5, None, 1.0]
    with pytest.raises(ValueError, match="JSON compliant"):
        parse.dumps({"x": float("inf")})


@given(st.text())
def test_no_text_cell_starts_a_formula(text):
    cell = str(safe(text))
    assert not cell.lstrip(" \u00a0").startswith(("=", "+", "-", "@", "\t", "\r"))


@given(st.lists(st.integers(1, 5), max_size=80), st.integers(1, 20))
def test_ring_keeps_the_newest_in_order_and_knows_what_it_covers(steps, capacity):
    ring, seq, added = Ring(capacity), 0, []
    for step in steps:
        seq += step
        ring.append(Entry(seq, "f", f"id{seq}", "x"))
        added.append(seq)
    kept = [entry.seq for entry in ring.after(0, 10_000)]
    assert kept == added[len(added) - len(kept) :]
    assert min(len(added), capacity) <= len(ring) <= capacity + capacity // 8 + 1
    for since in range(seq + 2):
        missing = [s for s in added if s > since and s not in kept]
        if ring.covers(since):
            assert not missing and since <= seq
            assert [e.seq for e in ring.after(since, 10_000)] == [s for s in added if s > since]
        else:
            assert missing or since > seq or since < ring.floor


def test_ring_is_bounded_in_bytes_and_refuses_to_go_back():
    ring = Ring(1000, max_bytes=10_000)
    for seq in range(1, 101):
        ring.append(Entry(seq, "f", "id", "x" * 1000))
    assert len(ring) <= 10 and ring.last_seq == 100 and not ring.covers(50)
    with pytest.raises(ValueError, match="expected a higher number"):
        ring.append(Entry(100, "f", "id", "x"))


def test_failures_are_forgotten_after_the_window_and_addresses_are_bounded():
    now = [0.0]
    failures = Failures(lambda: now[0])
    for _ in range(FAILURES_ALLOWED):
        assert failures.wait_s("a") == 0
        failures.add("a")
    assert failures.wait_s("a") == FAILURES_WINDOW_S
    assert failures.wait_s("b") == 0
    now[0] = FAILURES_WINDOW_S + 1
    assert failures.wait_s("a") == 0
    for number in range(10_000):
        failures.add(str(number))
    assert len(failures._times) <= 4096


def test_tokens_open_what_they_should():
    access = Access(Settings("redis://x", token="t" * 20, kiosk_tokens={"bar": "k" * 20}))
    assert access.viewer("t" * 20) == Viewer(None)
    assert access.viewer("k" * 20) == Viewer(frozenset({"bar"}))
    for wrong in (None, "", "t" * 19, "é" * 20, "\udc80" * 4):
        assert access.viewer(wrong) is None
    assert Viewer(frozenset({"bar"})).narrowed(None) == {"bar"}
    assert Viewer(frozenset({"bar"})).narrowed(frozenset({"other"})) == frozenset()
