"""The kiosk in a real Chromium: its states, its calm, and that it never shows an old song."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import expect

from tests.services import wait_until
from tests.web.stage import Heartbeats

pytestmark = pytest.mark.browser


def test_the_source_reconnecting_takes_the_song_off_the_kiosk(stage, serve, visit):
    radio = stage.feed("radio1")
    radio.open("Interrupted", None)
    url = serve(stage).url
    with Heartbeats({radio: {}}) as hearts:
        kiosk = visit(url + "/kiosk/radio1")
        expect(kiosk.locator("#title")).to_have_text("Interrupted")
        hearts.beats[radio] = {"state": "reconnecting"}
        expect(kiosk.locator("#detail")).to_have_text("The source is away; connecting again")
        expect(kiosk.locator("#title")).to_be_empty()


def test_the_kiosk_goes_from_listening_over_maybe_to_a_song_and_back(stage, serve, visit, artefacts: Path):
    radio = stage.feed("radio1", title="Radio One")
    for number in range(7):
        radio.played(f"Song {number}", f"Artist {number}", 700 - number * 90, 650 - number * 90)
    url = serve(stage).url + "/kiosk/radio1"
    with Heartbeats({radio: {"level_dbfs": -12.0}}) as hearts:
        page = visit(url, (1600, 900))
        expect(page.locator("#lead")).to_have_text("Listening")
        expect(page.locator("#last-songs .last-title")).to_have_text([f"Song {n}" for n in (6, 5, 4, 3, 2)])
        # It rises: what is measured at once may be on its way.
        wait_until(lambda: page.locator("#level i").nth(2).bounding_box()["height"] > 60, what="the level's bar")
        page.screenshot(path=str(artefacts / "kiosk-listening.png"))
        hearts.beats[radio] = {"maybe": True}
        expect(page.locator("#lead")).to_have_text("Maybe…")
        expect(page.locator("#title")).to_be_empty()
        song = radio.open("Greensleeves", "Ralph Vaughan Williams")
        hearts.beats[radio] = {}
        expect(page.locator("#title")).to_have_text("Greensleeves")
        expect(page.locator("#lead")).to_have_text("This is")
        expect(page.locator("#artist")).to_have_text("made known by Ralph Vaughan Williams")
        expect(page.locator("#spoken")).to_have_text("This is Greensleeves, made known by Ralph Vaughan Williams")
        expect(page.locator("#spoken")).to_have_attribute("aria-live", "polite")
        page.screenshot(path=str(artefacts / "kiosk-song.png"))
        radio.close(song)
        expect(page.locator("#lead")).to_have_text("That was")
        page.wait_for_timeout(8000)
        expect(page.locator("#title")).to_have_text("Greensleeves")
        expect(page.locator("#lead")).to_have_text("Listening", timeout=8000)
        expect(page.locator("#last-songs .last-title").first).to_have_text("Greensleeves")


def test_the_kiosk_never_flickers(stage, serve, visit):
    """The rules themselves, second by second, in the browser that runs them."""
    page = visit(serve(stage).url + "/kiosk/x")
    script = """async (steps) => {
      const { next, START } = await import("/static/kiosk_model.js");
      let state = START;
      return steps.map(([atMs, known]) => {
        state = next(state, known, atMs);
        return state.kind + (state.song ? ":" + state.song.detection_id : "");
      });
    }"""

    def known(detections: dict[str, tuple[str, float]], *, maybe: bool = False, **more: Any) -> dict[str, Any]:
        listed = [
            {"detection_id": name, "state": state, "confidence": confidence, "startMs": 0}
            for name, (state, confidence) in detections.items()
        ]
        view = {"state": "running", "stale": None, "heard_ms": 10**9, "maybe": maybe}
        facts = {"linkDownMs": None, "denied": False, "redis": True, "loaded": True, "view": view, "detections": listed}
        return {**facts, **more}

    def play(*steps: tuple[float, dict[str, Any]]) -> list[str]:
        return page.evaluate(script, json.loads(json.dumps([(at * 1000, facts) for at, facts in steps])))

    a, b = {"a": ("open", 0.9)}, {"b": ("open", 0.95)}
    both, closed = {**a, **b}, {"a": ("closed", 0.9)}
    assert play((0, known(a)), (1, known(both)), (5, known(both)), (6.9, known(both)), (7.1, known(both))) == [
        "song:a",
        "song:a",
        "song:a",
        "song:a",
        "song:b",
    ], "a rival takes over only after leading for six seconds"
    assert play((0, known(a)), (1, known(closed)), (12.9, known(closed)), (13.1, known(closed))) == [
        "song:a",
        "song:a",
        "song:a",
        "listening",
    ], "a song is held for twelve seconds"
    assert play((0, known(a)), (1, known(closed)), (2, known({**closed, **b}))) == ["song:a", "song:a", "song:b"]
    assert play((0, known(a)), (1, known({"a": ("retracted", 0.9)}))) == ["song:a", "listening"]
    assert play(
        (0, known({}, maybe=True)), (1, known({})), (2, known({}, maybe=True)), (3.6, known({}, maybe=True))
    ) == ["listening", "listening", "listening", "maybe"]
    assert play((0, known({}, maybe=True)), (2, known({}, maybe=True)), (3, known({})), (6.1, known({}))) == [
        "listening",
        "maybe",
        "maybe",
        "listening",
    ]
    for away in ({"linkDownMs": 3001}, {"redis": False}, {"denied": True}, {"loaded": False}, {"view": None}):
        assert play((0, known(a)), (1, known(a, **away)), (2, known(closed)))[1:] == ["offline", "listening"], away
    assert play((0, known(a)), (1, known(a, linkDownMs=2000))) == ["song:a", "song:a"]


def test_pages_reload_themselves_when_the_server_changes(stage, serve, visit, monkeypatch):
    web = serve(stage)
    page = visit(web.url + "/kiosk/x", may_lose=True)
    expect(page.locator("#detail")).to_have_text("There is no feed with this name")
    page.evaluate("window.before = true")
    port = web.port
    web.stop()
    monkeypatch.setattr("web.live.server_version", lambda: "9.9.9+another")
    with page.expect_event("load", timeout=20_000):
        serve(stage, port=port)
    assert page.evaluate("window.before") is None


def test_reduced_motion_is_respected(stage, serve, visit):
    page = visit(serve(stage).url + "/kiosk/x", reduced_motion="reduce")
    assert page.evaluate("getComputedStyle(document.querySelector('#level i')).transitionDuration") in ("0s", "1e-05s")
