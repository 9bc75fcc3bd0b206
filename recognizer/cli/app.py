"""The commands of ``recognizer``, and their help."""

from __future__ import annotations

import inspect
from collections.abc import Callable

import typer

from recognizer import __version__
from recognizer.cli.bench import bench
from recognizer.cli.demo import demo
from recognizer.cli.identify import identify
from recognizer.cli.listen import devices, listen
from recognizer.cli.up import up


def version() -> None:
    """Print the version."""
    print(__version__)


def help_of(command: Callable[..., None]) -> str:
    """The docstring, with the mark of the command line library before paragraphs whose lines stay as they are."""
    paragraphs = inspect.cleandoc(command.__doc__ or "").split("\n\n")
    return "\n\n".join(f"\b\n{text}" if text.startswith("    ") else text for text in paragraphs)


app = typer.Typer(
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,  # plain text: markup would swallow the [[feeds]] of the examples
    context_settings={"help_option_names": ["-h", "--help"]},
    help="Recognize covers of known songs in files and in live audio, on your own machine.",
    epilog="First: indexer add ~/Music. Then: recognizer identify FILE, recognizer listen mic, or recognizer up. "
    "Nothing at hand? recognizer demo brings its own music.",
)
_COMMANDS: dict[Callable[..., None], str] = {
    identify: "Say which works are heard in files, and when.",
    listen: "Name what is heard in a live source.",
    devices: "List the microphones.",
    up: "Run the whole system, with a dashboard.",
    demo: "Show it all on music made on the spot.",
    bench: "Measure what each part costs on this machine.",
    version: "Print the version.",
}
for _command, _short in _COMMANDS.items():
    app.command(help=help_of(_command), short_help=_short)(_command)
