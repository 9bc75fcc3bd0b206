"""Dashboard and kiosk in a real Chromium: what people see when songs, gaps, failures and hostile titles come."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Page, expect

from tests.services import RedisServer, redis_server
from tests.web.conftest import RunningWeb
from tests.web.stage import Heartbeats, Stage
from web.settings import Settings

pytestmark = pytest.mark.browser

PHONE = (390, 844)
TOKEN = "correct-horse-battery-staple"


def shown(page: Page, text: str) -> None:
    expect(page.locator("body")).to_contain_text(text)


def tile(page: Page, feed: str) -> Any:
    return page.locator(f'.tile[data-feed="{feed}"]')


def test_a_song_opens_is_updated_and_closes_on_the_dashboard(stage, serve, visit, artefacts: Path):
    radio = stage.feed("radio1", title="Radio One")
    radio.state("running", "connecting", s_ago=850)
    radio.gap(420, 330, "connection lost")
    radio.played("Danny Boy", "Trad.", 700, 560, transpose_semitones=3, tempo_ratio=0.94)
    stage.catalogue()
    bar = stage.feed("bar", title="Blue Note bar")
    beats = {radio: {"level_dbfs": -14.0}, bar: {"state": "no_music", "gate": "speech_or_noise"}}
    with Heartbeats(beats):
        page = visit(serve(stage).url)
        expect(page.locator("#connection")).to_have_text("Live")
        shown(page, "Catalogue 7 · 1,204 recordings · 1 worker")
        expect(tile(page, "radio1").locator(".song")).to_have_text("Music, not recognized")
        expect(tile(page, "radio1").locator(".pill")).to_have_text("Running")
        expect(tile(page, "bar").locator(".chip").first).to_have_text("Speech or noise")
        expect(page.locator(".tile .feed-title").first).to_have_text("Blue Note bar")  # quiet before running

        song = radio.open("Scarborough Fair", "Simon & Garfunkel", s_ago=65)
        expect(tile(page, "radio1").locator(".song")).to_have_text("Scarborough Fair")
        expect(tile(page, "radio1").locator(".artist")).to_have_text("Simon & Garfunkel")
        expect(tile(page, "radio1").locator(".facts")).to_contain_text(
            re.compile(r"86 % sure1:0\d2 semitones lower6 % fasterfrom 0:12 of the reference")
        )
        expect(page.locator("#recent tr").first).to_contain_text("still playing")
        others = ({"work_id": "w2", "title": "Barbara Allen", "confidence": 0.12},)
        song = radio.update(song, confidence=0.97, alternatives=others)
        expect(tile(page, "radio1").locator(".facts")).to_contain_text("97 % sure")
        expect(tile(page, "radio1").locator(".also")).to_have_text("Or: Barbara Allen (12 %)")

        lanes = page.locator('.lanes[data-feed="radio1"]')
        expect(lanes.locator(".song-bar")).to_have_count(2)
        expect(lanes.locator(".song-bar.is-open")).to_have_count(1)
        expect(lanes).to_have_attribute("aria-label", "Radio One, last 15 minutes: 2 songs, 1 gap.")
        hatched = lanes.locator(".gap rect").last
        assert hatched.get_attribute("fill").startswith("url(#hatch-")
        width = lanes.bounding_box()["width"]
        assert hatched.bounding_box()["width"] == pytest.approx(width * 90 / 900, rel=0.1)
        page.locator("#as-text summary").click()
        shown(page, "gap: connection lost")
        page.screenshot(path=str(artefacts / "dashboard.png"), full_page=True)

        radio.close(song)
        expect(tile(page, "radio1").locator(".song")).to_have_text("Music, not recognized")
        expect(lanes.locator(".song-bar.is-open")).to_have_count(0)
        expect(page.locator("#recent tr").first).to_contain_text("no longer heard")


def test_the_phone_has_everything_and_nothing_sticks_out(stage, serve, visit, artefacts: Path):
    feeds = [stage.feed(f"f{n}", title=f"A station with quite a long name, number {n}") for n in range(3)]
    feeds[0].open("Supercalifragilisticexpialidocious" * 3, "An artist with a very long name indeed" * 2)
    with Heartbeats({feed: {} for feed in feeds}):
        page = visit(serve(stage).url, PHONE, color_scheme="dark")
        expect(page.locator(".tile")).to_have_count(3)
        expect(page.locator("#recent tr")).to_have_count(1)
        assert page.evaluate("document.documentElement.scrollWidth <= innerWidth")
        page.screenshot(path=str(artefacts / "dashboard-phone-dark.png"), full_page=True)


def test_titles_from_hostile_files_are_text(stage, serve, visit):
    radio = stage.feed("radio1", title='<img src=x onerror="window.owned=1">')
    hostile = '"><script>window.owned=1</script><img src=x onerror=window.owned=1>'
    radio.open(hostile, "<svg onload=window.owned=1>")
    radio.gap(60, 40, "<b onmouseover=window.owned=1>why</b>")
    url = serve(stage).url
    with Heartbeats({radio: {"detail": hostile}}):
        page = visit(url)
        expect(tile(page, "radio1").locator(".song")).to_have_text(hostile)
        page.locator("#as-text summary").click()
        shown(page, "<b onmouseover=window.owned=1>why</b>")
        assert page.locator("main img, main script, main b").count() == 0
        assert page.evaluate("window.owned") is None
        kiosk = visit(url + "/kiosk/radio1")
        expect(kiosk.locator("#title")).to_have_text(hostile)
        assert kiosk.evaluate("window.owned") is None


def test_a_feed_that_goes_quiet_is_called_stale_by_itself(stage, serve, visit, artefacts: Path):
    radio = stage.feed("radio1", title="Radio One")
    radio.open("Old news", "Nobody")
    url = serve(stage, stale_after_s=3).url
    with Heartbeats({radio: {}}):  # a slow machine may need longer than 3 s to show both pages
        page, kiosk = visit(url), visit(url + "/kiosk/radio1")
        expect(tile(page, "radio1").locator(".song")).to_have_text("Old news")
        expect(kiosk.locator("#title")).to_have_text("Old news")
    expect(tile(page, "radio1").locator(".pill")).to_have_text("No signs of life", timeout=9000)
    expect(tile(page, "radio1").locator(".song")).to_have_text(re.compile(r"No news for \d+ s"))
    expect(page.locator("#recent tr").first).to_contain_text("not known")
    expect(kiosk.locator("#lead")).to_have_text("Offline")
    expect(kiosk.locator("#title")).to_be_empty()
    page.screenshot(path=str(artefacts / "dashboard-stale.png"), full_page=True)
    with Heartbeats({radio: {}}):
        expect(tile(page, "radio1").locator(".song")).to_have_text("Old news")
        expect(kiosk.locator("#title")).to_have_text("Old news")


def test_the_server_dies_and_comes_back(stage, serve, visit, shared_redis: RedisServer, artefacts: Path):
    radio = stage.feed("radio1", title="Radio One")
    song = radio.open("Before the fall", None)
    with Heartbeats({radio: {}}):
        web = serve(stage)
        page, kiosk = visit(web.url, may_lose=True), visit(web.url + "/kiosk/radio1")
        expect(kiosk.locator("#title")).to_have_text("Before the fall")
        expect(tile(page, "radio1").locator(".song")).to_have_text("Before the fall")
        port = web.port
        web.stop()
        expect(page.locator("#connection")).to_have_text(re.compile(r"Reconnecting · data \d+ s old"), timeout=9000)
        expect(page.locator("#notice")).to_contain_text("The connection to the server is lost")
        expect(kiosk.locator("#lead")).to_have_text("Offline", timeout=9000)
        expect(kiosk.locator("#title")).to_be_empty()
        kiosk.screenshot(path=str(artefacts / "kiosk-offline.png"))
        radio.close(song)
        radio.open("After the fall", None, s_ago=2)
        serve(stage, port=port)
        expect(page.locator("#connection")).to_have_text("Live", timeout=20_000)
        expect(tile(page, "radio1").locator(".song")).to_have_text("After the fall")
        expect(page.locator("#notice")).to_be_hidden()
        expect(kiosk.locator("#title")).to_have_text("After the fall", timeout=20_000)


def test_redis_dies_and_the_page_says_so(tmp_path: Path, visit):
    with redis_server(tmp_path) as server:
        stage = Stage(server.client(), "rc:")
        stage.feed("radio1").open("Whatever", None)
        stage.feed("radio1").beat()
        web = RunningWeb(Settings(redis_url=server.url, port=0, stale_after_s=300))
        web.start()
        try:
            page, kiosk = visit(web.url), visit(web.url + "/kiosk/radio1")
            expect(kiosk.locator("#title")).to_have_text("Whatever")
            server.kill()
            expect(page.locator("#connection")).to_have_text("Server has no Redis", timeout=9000)
            expect(kiosk.locator("#lead")).to_have_text("Offline", timeout=9000)
            expect(kiosk.locator("#title")).to_be_empty()
        finally:
            web.stop()
            stage.redis.close()


def test_an_unknown_feed_and_no_feeds_explain_themselves(stage, serve, visit, artefacts: Path):
    url = serve(stage).url
    page = visit(url)
    shown(page, "No feeds yet")
    shown(page, "recognizer up --feeds feeds.toml")
    page.screenshot(path=str(artefacts / "dashboard-empty.png"))
    expect(visit(url + "/kiosk/nowhere").locator("#detail")).to_have_text("There is no feed with this name")
    stage.feed("radio1", title="Brand new").beat()
    expect(page.locator(".tile .feed-title")).to_have_text("Brand new")
    expect(page.locator("#no-feeds")).to_be_hidden()


def test_fifty_feeds_fit_and_can_be_filtered(stage, serve, visit, artefacts: Path):
    feeds = [stage.feed(f"feed{n:02}", title=f"Station {n:02}") for n in range(50)]
    for number, feed in enumerate(feeds):
        feed.played("Moon River", "Audrey Hepburn", 400, 300)
        feed.beat(state="stalled" if number == 33 else "running")
    feeds[7].open("The one to find", None)
    page = visit(serve(stage, stale_after_s=300).url)
    expect(page.locator(".tile")).to_have_count(50)
    expect(page.locator(".tile .feed-title").first).to_have_text("Station 33")
    expect(page.locator(".lanes")).to_have_count(50)
    page.screenshot(path=str(artefacts / "dashboard-fifty.png"))
    page.locator("#filter").select_option("feed07")
    expect(page.locator(".tile")).to_have_count(1)
    expect(page.locator(".lanes")).to_have_count(1)
    expect(page.locator("#recent tr .cell-title")).to_have_text(["The one to find", "Moon River"])


def test_older_detections_and_csv(stage, serve, visit):
    radio = stage.feed("radio1", started_s_ago=90_000)
    for number in range(70):
        radio.played(f"Song {number:02}", None, 80_000 - number * 600, 79_800 - number * 600)
    radio.beat()
    page = visit(serve(stage, stale_after_s=300).url)
    expect(page.locator("#recent tr")).to_have_count(50)
    page.locator("#older").click()
    expect(page.locator("#recent tr")).to_have_count(70)
    expect(page.locator("#older")).to_be_hidden()
    with page.expect_download() as download:
        page.locator("#csv").click()
    text = Path(download.value.path()).read_text()
    assert text.count("\n") == 71 and "Song 00" in text


def test_a_token_is_asked_for_and_a_kiosk_link_carries_its_own(stage, serve, visit):
    one, two = stage.feed("one"), stage.feed("two")
    one.open("For the kiosk", None)
    url = serve(stage, token=TOKEN, kiosk_tokens={"one": "kiosk-token-for-one"}).url
    with Heartbeats({one: {}, two: {}}):
        page = visit(url)
        expect(page.locator("#token-dialog")).to_be_visible()
        page.locator("#token").fill("not-the-right-token")
        page.locator("#token").press("Enter")
        expect(page.locator("#token-wrong")).to_be_visible()
        page.locator("#token").fill(TOKEN)
        page.locator("#token").press("Enter")
        expect(page.locator(".tile")).to_have_count(2)
        expect(page.locator("#recent tr")).to_have_count(1)
        kiosk = visit(url + "/kiosk/one#token=kiosk-token-for-one")
        expect(kiosk.locator("#title")).to_have_text("For the kiosk")
        for wrong in ("/kiosk/two#token=kiosk-token-for-one", "/kiosk/one"):
            expect(visit(url + wrong).locator("#detail")).to_have_text("This screen has no access to the feed")
