"""What the commands share: opening the model and the catalogue, and saying errors in one sentence."""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Annotated, Any

import typer

from recognizer.catalogue import Catalogue, CatalogueView
from recognizer.embedder import Embedder
from recognizer.errors import CatalogueError, ModelError, ModelMismatch, RecognizerError, UsageError
from recognizer.paths import default_catalogue_dir, default_data_dir
from recognizer.released import default_model_path

DONE, SOME_REFUSED, WRONG_USE, INTERRUPTED = 0, 1, 2, 130

CatalogueOption = Annotated[
    Path | None,
    typer.Option("--catalogue", metavar="DIR", help="Catalogue directory (default: in the data directory)."),
]
ModelOption = Annotated[
    Path | None, typer.Option("--model", metavar="FILE", help="ONNX model (default: the released one).")
]
ProfileOption = Annotated[
    str,
    typer.Option(
        "--profile",
        metavar="NAME[@CONFIDENCE]",
        help="monitoring (sure before it speaks) or kiosk (speaks early); monitoring@0.75: from that confidence on.",
    ),
]
JsonOption = Annotated[bool, typer.Option("--json", help="One JSON event per line on standard output.")]


def catalogue_dir(chosen: Path | None) -> Path:
    """The catalogue to use."""
    return chosen or default_catalogue_dir(os.environ)


def data_dir(chosen: Path | None) -> Path:
    """Where Redis and caches of `recognizer up` live."""
    return chosen or default_data_dir(os.environ)


def open_model(chosen: Path | None) -> Embedder:
    """The embedder of a model file."""
    return Embedder(chosen or default_model_path())


def open_catalogue(chosen: Path | None, embedder: Embedder) -> CatalogueView:
    """The searchable catalogue.

    Raises
    ------
    RecognizerError
        When there is none, it is empty, or it was built with another model.
    """
    directory = catalogue_dir(chosen)
    view = Catalogue.open(directory).view()
    view.require_model(embedder.model_id, embedder.contract.name)
    if not view.tracks:
        raise UsageError(f"the catalogue {directory} is empty; add recordings with: indexer add FILE…")
    return view


def now_ms() -> int:
    """UTC milliseconds since 1970."""
    return time.time_ns() // 1_000_000


def fail(program: str, error: BaseException | str) -> None:
    """One sentence on standard error."""
    print(f"{program}: {error}", file=sys.stderr)


def run_app(program: str, app: Callable[..., Any]) -> None:
    """Run a typer app; expected errors become a sentence and an exit code."""
    try:
        app()
    except RecognizerError as error:
        fail(program, error)
        # A model or catalogue that is missing or does not fit is for the user to name right; a damaged or busy one not.
        wrong_use = isinstance(error, UsageError | ModelError | ModelMismatch) or type(error) is CatalogueError
        sys.exit(WRONG_USE if wrong_use else SOME_REFUSED)
    except OSError as error:
        # What is still in the buffer cannot be written either.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        if isinstance(error, BrokenPipeError):  # the reader (head, less) has seen enough
            sys.exit(DONE)
        where = f"{error.filename}: " if error.filename else ""
        fail(program, f"{where}{error.strerror or error}; check the disk and the permissions")
        sys.exit(SOME_REFUSED)
