"""`recognizer listen` and `recognizer devices`: one live source, no Redis."""

from __future__ import annotations

import json
import sys
from typing import Annotated

import typer

from recognizer.cli import common, show
from recognizer.cli.stopping import Stopping
from recognizer.errors import DecodeError, SourceError, UsageError
from recognizer.events import FeedClock
from recognizer.pipeline import FeedLine
from recognizer.profiles import profile as named_profile
from recognizer.replay import events_of
from worker.capture import capture
from worker.sources import SourceOptions


def listen(
    source: Annotated[str, typer.Argument(help="mic, mic:NAME, http(s)://…, a file, or - (standard input).")],
    catalogue: common.CatalogueOption = None,
    model: common.ModelOption = None,
    profile: common.ProfileOption = "monitoring",
    as_json: common.JsonOption = False,
    realtime: Annotated[bool, typer.Option("--realtime", help="Pace a file as if it were live.")] = False,
    allow_private: Annotated[
        bool, typer.Option("--allow-private", help="Allow addresses on this machine or the local network.")
    ] = False,
    raw_rate: Annotated[
        int | None,
        typer.Option(
            metavar="HZ", min=1000, max=384000, help="Standard input is raw PCM (16 bit, little-endian) at this rate."
        ),
    ] = None,
    raw_channels: Annotated[int, typer.Option(min=1, max=16, help="Channels of raw PCM.")] = 1,
) -> None:
    """Listen to SOURCE and name the works heard, until it ends or Ctrl-C.

        recognizer listen mic
        recognizer listen https://example.org/live.mp3
        ffmpeg -i anything -f s16le -ac 1 -ar 16000 - | recognizer listen - --raw-rate 16000

    A live source is connected again when it fails; what was missed is shown as a gap. On Ctrl-C, what is open is
    closed. Exit code 0 at the end of the source or on Ctrl-C, 1 when the source cannot be used, 2 for wrong use.
    """
    if raw_rate is not None and source != "-":
        raise UsageError(f"--raw-rate says how to read standard input, but the source is {source!r}; write - for it")
    chosen = named_profile(profile)
    embedder = common.open_model(model)
    view = common.open_catalogue(catalogue, embedder)
    contract = embedder.contract
    options = SourceOptions(
        allow_private=allow_private, realtime=realtime, pcm_rate_hz=raw_rate, pcm_channels=raw_channels
    )
    feed = FeedLine(FeedClock(source, contract.sample_rate_hz, common.now_ms()), contract, profile=chosen)
    items = Stopping().items(capture(source, contract.sample_rate_hz, options))
    try:
        for event in events_of(feed, items, embedder, view):
            print(json.dumps(event) if as_json else show.line(event), flush=True)
    except (SourceError, DecodeError) as error:
        common.fail("recognizer", error)
        sys.exit(common.SOME_REFUSED)


def devices(as_json: Annotated[bool, typer.Option("--json", help="As a JSON list.")] = False) -> None:
    """List the microphones.

    Any part of a name, in any case, can follow mic: as in `recognizer listen mic:usb`.
    """
    from worker.sources.mic import list_devices

    found = list_devices()
    if as_json:
        print(json.dumps(found))
        return
    if not found:
        print("no microphone was found; connect one, or check the sound system's settings")
    for device in found:
        default = "  (default)" if device["default"] else ""
        print(f"{device['name']}{default}  {device['channels']} channels, {device['rate_hz']} Hz")
