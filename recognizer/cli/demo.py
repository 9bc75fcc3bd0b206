"""`recognizer demo`: the whole line on synthesised music, heard over a real HTTP stream."""

from __future__ import annotations

import contextlib
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Annotated

import typer

from recognizer.cli import common, show
from recognizer.cli.follow import Follower
from recognizer.cli.stack import Stack, StackSettings, free_port, running
from recognizer.demo.broadcast import Broadcast
from recognizer.demo.programme import DemoMaterial, read_truth, write_demo
from recognizer.demo.report import Report, compare
from recognizer.errors import RecognizerError
from recognizer.events import CLOSED, OPENED, RETRACTED, Event

FEED = "demo"
CATALOGUE = "demo-catalogue"
# After the last sound: the line's lag, and the time a detection is held before it closes.
DRAIN_S = 45.0


def demo(
    once: Annotated[
        bool, typer.Option("--once", help="Play the programme once, print planted against detected, and end.")
    ] = False,
    keep: Annotated[bool, typer.Option("--keep", help="Leave the music (WAV) and the catalogue in FOLDER.")] = False,
    folder: Annotated[Path, typer.Option(metavar="FOLDER", help="Where --keep leaves them.")] = Path("demo-output"),
    port: Annotated[int, typer.Option(min=0, max=65535, help="Port of the dashboard; 0 takes a free one.")] = 8321,
    seed: Annotated[int, typer.Option(help="Another seed plays other arrangements.")] = 1,
) -> None:
    """Show everything on music made on the spot: index it, broadcast covers of it, and watch them being named.

    Synthesises twelve public-domain tunes and indexes them; then broadcasts other versions (other key, tempo and
    instruments) over a real HTTP stream, with simulated talk, silence and tunes that are not in the catalogue between.
    The first cover is on air after a few seconds and is named within half a minute. Ctrl-C ends all of it.

    With --once, exit code 0 means that every planted cover was found and nothing else was claimed.
    """
    for number in (signal.SIGINT, signal.SIGTERM):  # also when started in the background, where SIGINT is ignored
        signal.signal(number, _interrupt)
    free_port("127.0.0.1", port)  # a taken port is said now, not when the music is made
    with contextlib.ExitStack() as exits:
        exits.enter_context(contextlib.suppress(KeyboardInterrupt))
        if not keep:
            folder = Path(exits.enter_context(tempfile.TemporaryDirectory(prefix="recognizer-demo-")))
        folder.mkdir(parents=True, exist_ok=True)
        material = _prepare(folder, seed)
        station = Broadcast(material.programme_wav, once=once, wait_for_listener=True)
        exits.enter_context(station)
        with _stack(folder, station, port) as stack, Follower(stack.url) as follower:
            print(f"\nDashboard: {stack.url}\nKiosk:     {stack.url}kiosk/{FEED}\nBroadcast: {station.url}")
            print("Ctrl-C ends everything.\n", flush=True)
            events = _watch(stack, follower, station)
        if once:
            report = compare(read_truth(material.truth_csv), events)
            _print(report)
            sys.exit(common.DONE if report.ok else common.SOME_REFUSED)
    if once:  # interrupted: nothing was shown to be right
        sys.exit(common.INTERRUPTED)


def _interrupt(signum: int, frame: object) -> None:
    raise KeyboardInterrupt


def _prepare(folder: Path, seed: int) -> DemoMaterial:
    print(f"Making the music (12 references and a programme) in {folder} …", flush=True)
    material = write_demo(folder / "music", seed=seed)
    print("Indexing the references …", flush=True)
    shutil.rmtree(folder / CATALOGUE, ignore_errors=True)  # of an earlier demo, perhaps with another model
    command = [sys.executable, "-m", "indexer.cli", "add", "--manifest", str(material.catalogue_csv)]
    done = subprocess.run([*command, "--catalogue", str(folder / CATALOGUE)], check=False)
    if done.returncode != 0:
        raise RecognizerError(f"indexing the demo's references failed with exit code {done.returncode}")
    return material


@contextlib.contextmanager
def _stack(folder: Path, station: Broadcast, port: int) -> Iterator[Stack]:
    feeds = folder / "feeds.toml"
    feeds.write_text(
        f'[[feeds]]\nid = "{FEED}"\ntitle = "Demo broadcast"\nsource = "{station.url}"\n'
        "allow_private = true  # the broadcast comes from this machine\n"
    )
    with tempfile.TemporaryDirectory(prefix="recognizer-demo-") as data:
        settings = StackSettings(data_dir=Path(data), catalogue=folder / CATALOGUE, feeds=feeds, port=port)
        with running(settings) as stack:
            yield stack


def _watch(stack: Stack, follower: Follower, station: Broadcast) -> list[Event]:
    """Print events until the broadcast is over and nothing is open any more (or Ctrl-C)."""
    events: list[Event] = []
    still_open: set[str] = set()
    over_at_s: float | None = None
    while over_at_s is None or time.monotonic() < over_at_s + DRAIN_S:
        stack.tend()
        for event in follower.take(timeout_s=0.5):
            events.append(event)
            print(show.line(event), flush=True)
            if event["type"] == OPENED:
                still_open.add(event["data"]["detection_id"])
            elif event["type"] in (CLOSED, RETRACTED):
                still_open.discard(event["data"]["detection_id"])
        if station.ended.is_set() and over_at_s is None:
            over_at_s = time.monotonic()
        # The line is a window's context and a decision behind; give it that before believing that all is closed.
        if over_at_s is not None and not still_open and time.monotonic() > over_at_s + 10.0:
            break
    return events


def _print(report: Report) -> None:
    print()
    for text in report.lines():
        print(text)
