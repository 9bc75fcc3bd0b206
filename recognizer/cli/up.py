"""`recognizer up`: the whole system on one machine."""

from __future__ import annotations

import signal
import threading
from pathlib import Path
from typing import Annotated

import typer

from recognizer.catalogue import Catalogue
from recognizer.catalogue.directory import exists
from recognizer.cli import common
from recognizer.cli.stack import StackSettings, check, running
from recognizer.embedder import Embedder
from recognizer.paths import CATALOGUE_NAME


def up(
    feeds: Annotated[
        Path | None, typer.Option(metavar="FILE", help="TOML file of feeds (default: those of the last run).")
    ] = None,
    catalogue: common.CatalogueOption = None,
    model: common.ModelOption = None,
    data: Annotated[
        Path | None,
        typer.Option("--data", metavar="DIR", help="Data directory: Redis, and the catalogue unless named otherwise."),
    ] = None,
    redis_url: Annotated[
        str | None, typer.Option(help="Use this Redis instead of a private one.", envvar="RECOGNIZER_REDIS_URL")
    ] = None,
    host: Annotated[
        str, typer.Option(help="Address of the dashboard; beyond loopback a token is needed.")
    ] = "127.0.0.1",
    port: Annotated[int, typer.Option(min=0, max=65535, help="Port of the dashboard; 0 takes a free one.")] = 8321,
    token_file: Annotated[Path | None, typer.Option(metavar="FILE", help="File that holds the web token.")] = None,
    processes: Annotated[int, typer.Option(min=1, help="Line processes: about one for each core.")] = 1,
) -> None:
    """Run everything on this machine: Redis, workers, dashboard and the feeds of a TOML file, until Ctrl-C.

        recognizer up --feeds feeds.toml

    where feeds.toml holds, for each feed:

        [[feeds]]
        id = "radio1"
        source = "https://example.org/live"    # or mic, mic:NAME, a file

    References added with `indexer add` meanwhile are heard from the next seconds on. Started again, feeds go on where
    they were; two at once need a data directory and a port each.

    Exit code 0 on Ctrl-C, 2 when something asked for cannot be, 1 when a part keeps failing.
    """
    directory = catalogue or (data / CATALOGUE_NAME if data else common.catalogue_dir(None))
    stop = threading.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, lambda *_: stop.set())
    settings = StackSettings(
        data_dir=common.data_dir(data),
        catalogue=directory,
        model=model,
        feeds=feeds,
        redis_url=redis_url,
        host=host,
        port=port,
        processes=processes,
        token_file=token_file,
    )
    check(settings)
    _catalogue(directory, common.open_model(model))
    with running(settings) as stack:
        print(f"Dashboard: {stack.url}   (Ctrl-C ends everything)", flush=True)
        while not stop.wait(1.0):
            stack.tend()


def _catalogue(directory: Path, embedder: Embedder) -> None:
    """Make sure that there is a catalogue, and that it was built with this model."""
    if exists(directory):
        Catalogue.open(directory).manifest.require_model(embedder.model_id, embedder.contract.name)
        return
    Catalogue.create(directory, embedder.contract, embedder.model_id)
    where = "" if directory == common.catalogue_dir(None) else f" --catalogue {directory}"
    print(f"Made an empty catalogue in {directory}; add recordings with: indexer add FILE…{where}", flush=True)
