"""The command ``indexer``: what the catalogue holds, and how it gets there."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable

import typer

from indexer import options
from indexer.commands import add, browse, evaluate, mirex, move, search
from recognizer.errors import CatalogueError, ModelError, ModelMismatch, RecognizerError, UsageError

EPILOG = """
Example: indexer add ~/Music, then indexer search cover.mp3
"""

app = typer.Typer(
    add_completion=False,
    pretty_exceptions_enable=False,
    no_args_is_help=True,
    context_settings={"help_option_names": ["-h", "--help"]},
    help="Keep the catalogue of references that covers are recognized by.",
    epilog=EPILOG,
)
_COMMANDS: dict[str, Callable[..., None]] = {
    "add": add.add,
    "list": browse.list_,
    "show": browse.show,
    "remove": browse.remove,
    "stats": browse.stats,
    "verify": browse.verify,
    "search": search.search,
    "evaluate": evaluate.evaluate,
    "mirex": mirex.mirex,
    "export": move.export_,
    "import": move.import_,
    "publish": move.publish_,
    "rebuild": add.rebuild,
    "compact": browse.compact,
}
for _name, _command in _COMMANDS.items():
    app.command(_name)(_command)


def run() -> None:
    """Run a command; expected errors become one sentence and an exit code."""
    try:
        app()
    except RecognizerError as error:
        options.complain(str(error))
        wrong_use = isinstance(error, UsageError | ModelError | ModelMismatch) or type(error) is CatalogueError
        sys.exit(options.WRONG_USE if wrong_use else options.SOME_REFUSED)
    except OSError as error:
        # What is still in the buffer cannot be written either.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        where = f"{error.filename}: " if error.filename else ""
        options.complain(f"{where}{error.strerror or error}; check the disk and the permissions")
        sys.exit(options.SOME_REFUSED)
