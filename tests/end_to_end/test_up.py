"""`recognizer up`: a real broadcast, a real browser, processes killed in the middle, and nothing left at the end."""

from __future__ import annotations

import os
import re
import shutil
import signal
import socket
from pathlib import Path

import pytest
from playwright.sync_api import expect

from recognizer.cli.stack import free_port
from recognizer.errors import UsageError
from tests.end_to_end.installed import DETECTIONS, run
from tests.end_to_end.music import ARTIST, COVERED, LATER, SEMITONES, TITLE, write_cover
from tests.end_to_end.system import Listener, command_line, running_pids, up
from tests.services import end, icecast, wait_until

FEED = '[[feeds]]\nid = "hall"\ntitle = "The town hall"\nsource = "{source}"\nallow_private = true\n'
PARTS = ("redis-server", "indexer.cli", "worker.cli", "web.cli", "worker.line_process", "worker.capture_process")


@pytest.mark.slow
@pytest.mark.browser
def test_an_evening_on_the_radio(catalogue, references, tmp_path, visit, artefacts: Path):
    """One broadcast, and all that happens around it.

    A cover goes on air and is named on the dashboard and the kiosk; the worker that listens is killed; a reference
    is added; the cover ends and talk follows; the user presses Ctrl-C.
    """
    evening = write_cover(tmp_path / "evening.wav", before_s=12, talk_s=52)
    feeds, log = tmp_path / "feeds.toml", tmp_path / "stderr"
    catalogue = shutil.copytree(catalogue, tmp_path / "catalogue")  # it grows here
    with icecast(tmp_path) as station:
        feeds.write_text(FEED.format(source=station.url()))
        player = station.play(evening.path, loop=False)
        with (
            up(log, "--feeds", feeds, "--catalogue", catalogue, "--port", 0, "--data", tmp_path / "data") as system,
            Listener(system) as live,
        ):
            dashboard, kiosk = visit(system.url), visit(f"{system.url}/kiosk/hall", (1600, 900))
            tile = dashboard.locator('.tile[data-feed="hall"]')
            expect(tile.locator(".feed-title")).to_have_text("The town hall")
            wait_until(lambda: all(system.pids(part) for part in PARTS), 20, "every part running")

            opened = live.wait_for("detection.opened", 60)
            assert (opened["work_id"], opened["title"]) == (COVERED, TITLE)
            assert opened["transpose_semitones"] == SEMITONES
            expect(tile.locator(".song")).to_have_text(TITLE)
            expect(tile.locator(".artist")).to_have_text(ARTIST)
            expect(kiosk.locator("#title")).to_have_text(TITLE, timeout=10_000)
            expect(kiosk.locator("#artist")).to_have_text(f"made known by {ARTIST}")
            dashboard.screenshot(path=str(artefacts / "up-dashboard-open.png"), full_page=True)
            kiosk.screenshot(path=str(artefacts / "up-kiosk-open.png"))
            (playing,) = system.get("streams/hall")["now_playing"]
            assert playing["detection_id"] == opened["detection_id"] and playing["state"] == "open"

            (line,) = system.pids("worker.line_process")
            os.kill(line, signal.SIGKILL)
            generation = system.get("catalogue")["generation"]
            added = run("indexer", "add", references.parent / f"{LATER}.wav", "--catalogue", catalogue)
            assert added.returncode == 0, added.stderr
            wait_until(lambda: system.get("catalogue")["generation"] > generation, 15, "the new index on the API")
            (again,) = wait_until(lambda: system.pids("worker.line_process"), 15, "another line process")
            assert again != line

            closed = live.wait_for("detection.closed", 90)
            expect(tile.locator(".song")).not_to_have_text(TITLE)
            expect(dashboard.locator("#recent tr").first).to_contain_text("no longer heard")
            expect(kiosk.locator("#lead")).to_have_text(re.compile("That was|Listening"))
            dashboard.screenshot(path=str(artefacts / "up-dashboard-closed.png"), full_page=True)
            kiosk.screenshot(path=str(artefacts / "up-kiosk-closed.png"))
            wait_until(
                lambda: system.get("streams/hall")["index_version"] > generation, 20, "the worker using the new index"
            )

            # One detection, told once, by two workers.
            told = [event for event in live.events if event["type"] in DETECTIONS]
            assert {event["data"]["detection_id"] for event in told} == {opened["detection_id"]}
            assert [event["data"]["revision"] for event in told] == list(range(1, len(told) + 1))
            kinds = [event["type"] for event in told]
            assert (kinds[0], kinds[-1]) == ("detection.opened", "detection.closed")
            assert set(kinds[1:-1]) == {"detection.updated"}
            numbers = [event["data"]["seq"] for event in live.events]
            assert numbers == list(range(1, len(numbers) + 1))
            assert closed["close_reason"] == "no_longer_heard"
            assert closed["end_ms"] - closed["start_ms"] == pytest.approx(
                (evening.end_s - evening.start_s) * 1000, abs=8000
            )
            (row,) = system.get("detections")["items"]
            assert {name: row[name] for name in closed if name in row} == {n: v for n, v in closed.items() if n in row}
            assert live.of("stream.gap") == [], "the worker died, not the capture: no second is missing"
            assert system.get("streams/hall")["state"] in ("no_music", "silent", "running", "reconnecting")

            for page in (dashboard, kiosk):
                page.goto("about:blank")  # what they say of a server that leaves is for other tests
            everything = [system.process.pid, *system.pids()]
            system.process.send_signal(signal.SIGINT)
            assert system.process.wait(20) == 0
            wait_until(lambda: not set(everything) & set(running_pids()), 3, "the end of every part")
        end(player, signal.SIGKILL)
    assert "Traceback" not in log.read_text()


@pytest.mark.slow
def test_up_is_alone_with_its_data_leaves_nothing_when_killed_and_starts_again(catalogue, recording, tmp_path):
    feeds, data = tmp_path / "feeds.toml", tmp_path / "data"
    feeds.write_text(FEED.format(source=recording.path))
    common = ("--data", data, "--catalogue", catalogue)
    with up(tmp_path / "first", "--feeds", feeds, "--port", 0, *common) as system:
        wait_until(lambda: all(system.pids(part) for part in PARTS), 20, "every part running")
        second = run("recognizer", "up", "--port", 0, *common)
        assert second.returncode == 1
        assert re.fullmatch(r"recognizer: a Redis already serves [^\n]+ data directory\n", second.stderr)
        position = wait_until(lambda: system.get("streams/hall").get("position_ms"), 20, "the feed being heard")
        everything = [system.process.pid, *system.pids()]
        assert len(everything) == 1 + len(PARTS)
        assert not any("unix://" in command_line(pid) for pid in everything), "an address may hold a password"
        system.process.kill()
        wait_until(lambda: not set(everything) & set(running_pids()), 10, "the end of every part")
    # The same data again: no feeds named, so those of before, from where they were.
    with up(tmp_path / "second", "--port", 0, *common) as system:
        told = wait_until(lambda: position_of(system) or None, 20, "the feed being heard again")
        assert told >= position
        everything = [system.process.pid, *system.pids()]
        system.process.send_signal(signal.SIGTERM)
        assert system.process.wait(20) == 0
        wait_until(lambda: not set(everything) & set(running_pids()), 3, "the end of every part")


def position_of(system):
    """Where the feed is, once it is heard in this run."""
    stream = system.get("streams/hall")
    return stream.get("position_ms") if stream.get("state") != "connecting" else None


def test_up_refuses_what_cannot_be_before_it_starts_anything(catalogue, recording, tmp_path):
    wrong, empty, token = tmp_path / "wrong.toml", tmp_path / "empty.toml", tmp_path / "token"
    wrong.write_text('[[feeds]]\nid = "hall"\nsource = "gopher://example.org/"\n')
    empty.write_text("")
    token.write_text("short\n")
    with socket.create_server(("127.0.0.1", 0)) as taken:
        for arguments, what_to_do in [
            (("--port", taken.getsockname()[1]), "choose --port"),
            (("--feeds", tmp_path / "gone.toml"), "cannot be read"),
            (("--feeds", wrong), "expected one of file, http, mic"),
            (("--feeds", empty), "[[feeds]]"),
            (("--host", "0.0.0.0"), "--token-file"),
            (("--host", "0.0.0.0", "--token-file", token), "openssl rand"),
            (("--redis-url", "http://localhost"), "redis://"),
            (("--model", recording.path), "use a released .onnx file"),
        ]:
            done = run("recognizer", "up", "--data", tmp_path / "d", "--catalogue", catalogue, *arguments, timeout_s=20)
            assert done.returncode == 2, (arguments, done)
            assert re.fullmatch(r"recognizer: [^\n]+\n", done.stderr) and what_to_do in done.stderr, done.stderr
            assert done.stdout == ""


def test_up_without_a_catalogue_makes_one_and_says_how_to_fill_it(references, tmp_path):
    data = tmp_path / "data"
    with up(tmp_path / "stderr", "--port", 0, "--data", data) as system:
        directory = data / "catalogue"
        assert system.said[0] == (
            f"Made an empty catalogue in {directory}; add recordings with: indexer add FILE… --catalogue {directory}"
        )
        assert [line.split(" ")[0] for line in system.said] == ["Made", "Dashboard:"]
        system.process.send_signal(signal.SIGINT)  # while the worker is still starting
        assert system.process.wait(20) == 0


def test_port_0_is_a_free_port_and_a_taken_one_is_refused():
    port = free_port("127.0.0.1", 0)
    with socket.create_server(("127.0.0.1", port)):
        with pytest.raises(UsageError, match=f"port {port} on 127.0.0.1 cannot be used .* choose --port"):
            free_port("127.0.0.1", port)
        assert free_port("127.0.0.1", 0) != port
    assert free_port("127.0.0.1", port) == port
