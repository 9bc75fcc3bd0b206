"""The command ``worker``: capture and recognition against a Redis."""

from __future__ import annotations

import logging
import os
import signal
import sys
import tempfile
import threading
from pathlib import Path
from typing import Annotated

import redis
import typer

from recognizer.embedder import Embedder
from recognizer.errors import RecognizerError, UsageError
from recognizer.released import default_model_path
from recognizer.wire import DEFAULT_PREFIX
from worker import feeds as feed_files
from worker.logs import setup
from worker.settings import URL_VARIABLE, Settings
from worker.supervisor import Supervisor

log = logging.getLogger(__name__)

app = typer.Typer(add_completion=False, pretty_exceptions_enable=False, rich_markup_mode=None)

# "\b" keeps the lines of the paragraph that follows.
HELP = """Listen to feeds and recognize covers, until Ctrl-C.

Feeds are read from a TOML file, or taken as they are in Redis:

\b
    [[feeds]]
    id = "radio1"
    source = "https://example.org/live"   # or mic, mic:NAME, a file
    allow_private = false                 # true for addresses in your own network

Several workers, on one machine or many, share the feeds of one Redis; when one dies, another takes over its feeds
within some ten seconds and continues where it stopped.
"""


def default_cache_dir() -> Path:
    """Where catalogue files are kept: the user's cache folder, or a temporary one."""
    chosen = os.environ.get("XDG_CACHE_HOME", "")
    base = Path(chosen) if Path(chosen).is_absolute() and chosen else Path.home() / ".cache"
    try:
        base.mkdir(parents=True, exist_ok=True)
    except OSError:
        base = Path(tempfile.gettempdir()) / f"recognizer-{os.getuid()}"
    return base / "recognizer" / "published"


@app.command(help=HELP)
def run(
    redis_url: Annotated[
        str, typer.Option(envvar=URL_VARIABLE, help="redis://HOST:PORT/DB, rediss://… or unix:///PATH.")
    ] = "redis://127.0.0.1:6379/0",
    feeds: Annotated[Path | None, typer.Option(help="TOML file of feeds; Redis is made to hold exactly these.")] = None,
    processes: Annotated[int, typer.Option(min=1, help="Line processes: about one for each core.")] = 1,
    max_feeds: Annotated[int, typer.Option(min=1, help="Most feeds for one line process.")] = 64,
    catalogue_wait: Annotated[
        bool, typer.Option("--catalogue-wait", help="Start listening only when a catalogue is published.")
    ] = False,
    no_capture: Annotated[bool, typer.Option("--no-capture", help="Run lines only; another machine captures.")] = False,
    model: Annotated[Path | None, typer.Option(help="ONNX model file (default: the released one).")] = None,
    cache: Annotated[Path | None, typer.Option(help="Folder for published catalogue files.")] = None,
    prefix: Annotated[str, typer.Option(help="Start of every Redis key.")] = DEFAULT_PREFIX,
    log_json: Annotated[bool, typer.Option("--log-json", help="Logs as JSON lines.")] = False,
) -> None:
    """Run the supervisor with what the command line says."""
    setup(log_json)
    configs = feed_files.load(feeds) if feeds is not None else None
    path = model or default_model_path()
    settings = Settings(
        redis_url=redis_url,
        model=str(path),
        rate_hz=Embedder(path).contract.sample_rate_hz,
        cache_dir=str(cache or default_cache_dir()),
        prefix=prefix,
        max_feeds=max_feeds,
        catalogue_wait=catalogue_wait,
        log_json=log_json,
    )
    stop = threading.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, lambda *_: stop.set())
    supervisor = _supervisor(settings, processes, not no_capture)
    try:
        if configs is not None:
            supervisor.put_feeds(configs)
    except redis.RedisError as error:
        raise RecognizerError(
            f"no Redis answers at {redis_url.rpartition('@')[2]} ({error}); is it running?"
        ) from error
    supervisor.run(stop)


def _supervisor(settings: Settings, processes: int, capture: bool) -> Supervisor:
    try:
        return Supervisor(settings, processes=processes, capture=capture)
    except ValueError as error:
        raise UsageError(f"--redis-url: {error}") from error


def main() -> None:
    """Entry point: errors as one sentence on stderr, exit code 2 for wrong use and 1 for the rest."""
    try:
        app()
    except UsageError as error:
        sys.exit(_say(error, 2))
    except RecognizerError as error:
        sys.exit(_say(error, 1))


def _say(error: RecognizerError, status: int) -> int:
    print(f"worker: {error}", file=sys.stderr)
    return status


if __name__ == "__main__":
    main()
