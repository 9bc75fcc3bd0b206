"""`recognizer identify`: which works are heard in files, and when."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Annotated

import typer

from recognizer.cli import common, show
from recognizer.decode import decode
from recognizer.errors import RecognizerError, UsageError
from recognizer.events import CLOSED, FeedClock
from recognizer.pipeline import FeedLine
from recognizer.profiles import profile as named_profile
from recognizer.replay import events_of, file_items


def identify(
    files: Annotated[list[Path], typer.Argument(metavar="FILE…", help="Audio files.")],
    catalogue: common.CatalogueOption = None,
    model: common.ModelOption = None,
    profile: common.ProfileOption = "monitoring",
    as_json: common.JsonOption = False,
) -> None:
    """Say which works of the catalogue are heard in FILE…, and when.

    Reads as fast as it can. Without --json, prints what was heard as one line per detection:

        0:12–0:51  Yesterday  [+3 semitones, tempo ×1.06, from 0:04 of the reference, confidence 0.97]

    With --json, prints every event (opened, updated, closed, retracted, states and gaps) as JSON Lines; positions
    count from the start of each file. Exit code 1 when a file could not be read; the others are read all the same.
    """
    chosen = named_profile(profile)
    embedder = common.open_model(model)
    view = common.open_catalogue(catalogue, embedder)
    refused = 0
    for path in files:
        clock = FeedClock(str(path), embedder.contract.sample_rate_hz, common.now_ms())
        feed = FeedLine(clock, embedder.contract, profile=chosen)
        heard = 0
        if not as_json and len(files) > 1:
            print(f"{path}:")
        try:
            if not path.is_file():
                raise UsageError(f"{path} is not a file; expected an audio file, check the path")
            items = file_items(decode(path, embedder.contract.sample_rate_hz))
            for event in events_of(feed, items, embedder, view):
                if as_json:
                    print(json.dumps(event), flush=True)
                elif event["type"] == CLOSED:
                    heard += 1
                    print(show.heard(event["data"]))
        except RecognizerError as error:
            refused += 1
            common.fail("recognizer", error)
            continue
        if not as_json and not heard:
            print("  no work of the catalogue was recognized")
    if refused:
        sys.exit(common.SOME_REFUSED)
