"""``indexer export | import | publish``: a catalogue on its way to other machines."""

from __future__ import annotations

import signal
import sys
import threading
from pathlib import Path
from typing import Annotated

import redis
import typer

from indexer import options
from indexer.options import CatalogueOption, JsonOption
from indexer.portable import export, import_file
from indexer.publish import publish, watch
from recognizer.errors import CatalogueError, UsageError
from recognizer.wire import DEFAULT_PREFIX, Keys


def export_(
    file: Annotated[Path, typer.Argument(metavar="FILE", help="File to write, for instance catalogue.tar.")],
    catalogue: CatalogueOption = None,
    force: Annotated[bool, typer.Option("--force", help="Replace the file if it exists.")] = False,
) -> None:
    """Write the catalogue to one file, to keep or to carry elsewhere; it holds no audio."""
    manifest = export(options.catalogue_dir(catalogue), file, overwrite=force)
    print(f"{file}: {manifest.tracks} references of {manifest.works} works, {file.stat().st_size} bytes")


def import_(
    file: Annotated[Path, typer.Argument(metavar="FILE", help="File written by `indexer export`.")],
    catalogue: CatalogueOption = None,
    json: JsonOption = False,
) -> None:
    """Add the references of an exported file to the catalogue, which is made when it is not there.

    Every checksum is verified before anything is added; references that are there already are skipped.
    """
    directory = options.catalogue_dir(catalogue)
    done = import_file(file, directory)
    if json:
        options.print_json({"added": done.added, "skipped": done.skipped, "generation": done.generation})
    else:
        print(
            f"added {done.added}, skipped {done.skipped} already there; {directory} is at generation {done.generation}"
        )


def publish_(
    redis_url: Annotated[
        str, typer.Option("--redis-url", envvar="RECOGNIZER_REDIS_URL", help="redis://…, rediss://… or unix:///path.")
    ] = "redis://127.0.0.1:6379/0",
    catalogue: CatalogueOption = None,
    prefix: Annotated[str, typer.Option("--prefix", help="Start of every Redis key.")] = DEFAULT_PREFIX,
    follow: Annotated[
        bool, typer.Option("--watch", help="Stay, and publish again whenever the catalogue changes.")
    ] = False,
) -> None:
    """Put the catalogue into Redis, where workers pick it up within seconds."""
    directory = options.catalogue_dir(catalogue)
    try:
        client = redis.Redis.from_url(redis_url, socket_connect_timeout=10, socket_timeout=60)
    except ValueError as error:
        raise UsageError(f"the Redis address cannot be used ({error}); expected redis://HOST:PORT/0") from error
    with client:
        if follow:
            ended = threading.Event()
            for number in (signal.SIGINT, signal.SIGTERM):
                signal.signal(number, lambda *_: ended.set())
            watch(client, directory, Keys(prefix), stop=ended.wait, report=_report)
            return
        try:
            generation = publish(client, directory, Keys(prefix))
        except redis.RedisError as error:
            raise CatalogueError(f"Redis did not take the catalogue ({error}); check --redis-url") from error
    print(f"published generation {generation} of {directory}")


def _report(sentence: str) -> None:
    print(f"indexer: {sentence}", file=sys.stderr, flush=True)
