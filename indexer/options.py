"""Options that several commands share, and how they are understood."""

from __future__ import annotations

import json
import os
import sys
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.console import Console

from recognizer.embedder import Embedder
from recognizer.paths import default_catalogue_dir
from recognizer.released import default_model_path

DONE, SOME_REFUSED, WRONG_USE, INTERRUPTED = 0, 1, 2, 130

CatalogueOption = Annotated[
    Path | None,
    typer.Option("--catalogue", metavar="DIR", help="Catalogue directory; below the data directory when left out."),
]
ModelOption = Annotated[
    Path | None, typer.Option("--model", metavar="FILE", help="Model (.onnx); the released one when left out.")
]
JobsOption = Annotated[
    int | None,
    typer.Option("--jobs", min=1, max=256, metavar="N", help="Files read at once; one per core when left out."),
]
TimeoutOption = Annotated[
    float,
    typer.Option("--timeout", min=1, metavar="SECONDS", help="Give up a file that makes no progress for so long."),
]
JsonOption = Annotated[bool, typer.Option("--json", help="JSON on standard output, for programs.")]


def catalogue_dir(chosen: Path | None) -> Path:
    """The catalogue to use."""
    return chosen or default_catalogue_dir(os.environ)


def model_path(chosen: Path | None) -> Path:
    """The model file to use."""
    return chosen or default_model_path()


def open_model(chosen: Path | None) -> Embedder:
    """The model to use, loaded and checked."""
    return Embedder(model_path(chosen))


def job_count(chosen: int | None) -> int:
    """Children at once."""
    return chosen or len(os.sched_getaffinity(0))


def print_json(value: Any) -> None:
    """One line of JSON."""
    # Line by line, so that a script that reads the pipe sees each file when it is done and not all at the end.
    print(json.dumps(value, ensure_ascii=True, allow_nan=False), flush=True)


def complain(sentence: str) -> None:
    """A sentence on standard error."""
    print(f"indexer: {sentence}", file=sys.stderr)


def terminal() -> Console:
    """Where progress is shown: standard error."""
    return Console(stderr=True, highlight=False, markup=False)


def clock(seconds: float) -> str:
    """Minutes and seconds, with hours when there are any."""
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02}:{rest:02}" if hours else f"{minutes}:{rest:02}"
