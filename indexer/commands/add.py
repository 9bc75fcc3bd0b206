"""``indexer add`` and ``indexer rebuild``: from audio files to references."""

from __future__ import annotations

import signal
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from types import FrameType
from typing import Annotated, NoReturn

import typer
from rich.progress import BarColumn, MofNCompleteColumn, Progress, SpinnerColumn, TextColumn, TimeRemainingColumn

from indexer import options
from indexer.find import find_audio
from indexer.ingest import Step, Summary, ingest, jobs_of
from indexer.manifest_csv import Entry, read_manifest
from indexer.options import CatalogueOption, JobsOption, JsonOption, ModelOption, TimeoutOption
from indexer.pool import STALL_S, Analysed, Job, Refused, Skipped
from recognizer.catalogue import Catalogue, CatalogueWriter
from recognizer.catalogue.track import clean_text
from recognizer.embedder import Embedder
from recognizer.errors import UsageError


def add(
    music: Annotated[list[Path] | None, typer.Argument(metavar="[MUSIC]...", help="Files and folders.")] = None,
    manifest: Annotated[
        Path | None,
        typer.Option("--manifest", metavar="CSV", help="Table with path, work_id, title, artist, isrc, iswc."),
    ] = None,
    catalogue: CatalogueOption = None,
    model: ModelOption = None,
    jobs: JobsOption = None,
    timeout: TimeoutOption = STALL_S,
    json: JsonOption = False,
) -> None:
    """Add recordings to the catalogue.

    Folders are searched for audio files. A file that is in the catalogue already, by its content, is skipped, so an
    interrupted run (Ctrl-C) goes on where it stopped when it is started again. A file that cannot be read is named,
    with the reason, and stops nothing.

    Title, artist, ISRC and ISWC come from the table, else from the file's tags; a file without a title is shown by
    its name. Recordings of one composition belong to one work: give them the same work_id in the table. Without it,
    files with the same title and artist are one work, and any other file is a work of its own.

    The table is CSV (UTF-8) with a first line of column names, of which only path is required; relative paths count
    from the table's folder. `indexer list --csv` writes such a table.

    Exit code: 0 when all files are in, 1 when some were refused, 2 for wrong use.
    """
    if not music and manifest is None:
        raise UsageError("nothing to add; name files or folders, or a table with --manifest")
    entries = read_manifest(manifest) if manifest else []
    files, others = find_audio(music or [])
    todo = jobs_of(files, entries)
    if not todo:
        raise UsageError(f"no audio files found ({others} other files passed over); name files or other folders")
    embedder = options.open_model(model)
    _run(todo, options.catalogue_dir(catalogue), embedder, options.model_path(model), jobs, timeout, json)


def rebuild(
    into: Annotated[Path, typer.Option("--into", metavar="NEW_DIR", help="Catalogue to write; may be half done.")],
    catalogue: CatalogueOption = None,
    model: ModelOption = None,
    jobs: JobsOption = None,
    timeout: TimeoutOption = STALL_S,
    json: JsonOption = False,
) -> None:
    """Compute a catalogue again from its source files, for another model.

    Everything known about the recordings is kept. Can be interrupted and started again. Files that have moved or
    changed meanwhile are handled like new ones, or refused.
    """
    source = options.catalogue_dir(catalogue)
    if into.resolve() == source.resolve():
        raise UsageError("--into names the catalogue itself; name a new directory")
    # A track without a path is refused like a file that is gone, under the name of its reference.
    todo = []
    for track in Catalogue.open(source).tracks():
        path = Path(track.path or track.reference_id)
        todo.append(Job(path, Entry(path, track.work_id, track.title, track.artist, track.isrc, track.iswc)))
    embedder = options.open_model(model)
    _run(todo, into, embedder, options.model_path(model), jobs, timeout, json)


def _run(
    todo: list[Job], directory: Path, embedder: Embedder, model: Path, jobs: int | None, timeout: float, json: bool
) -> None:
    with (
        CatalogueWriter(directory, embedder.contract, embedder.model_id) as writer,
        _terminated_like_interrupted(),
        _progress(len(todo), json) as on_step,
    ):
        children = min(options.job_count(jobs), len(todo) or 1)
        summary = ingest(writer, todo, model, embedder.contract, children=children, stall_s=timeout, on_step=on_step)
        manifest = writer.manifest
    if json:
        options.print_json(
            {"summary": {**summary.to_json(), "generation": manifest.generation, "tracks": manifest.tracks}}
        )
    else:
        print(_sentence(summary))
        print(f"{directory}: generation {manifest.generation}, {manifest.tracks} references of {manifest.works} works")
    if summary.interrupted:
        options.complain("interrupted; run the same command again to go on")
        raise typer.Exit(options.INTERRUPTED)
    raise typer.Exit(options.SOME_REFUSED if summary.refused else options.DONE)


def _sentence(summary: Summary) -> str:
    works = len({track.work_id for track in summary.added})
    return (
        f"added {len(summary.added)} ({options.clock(summary.audio_s)} of audio, {works} works), "
        f"skipped {len(summary.skipped)} already there, refused {len(summary.refused)}; "
        f"{options.clock(summary.elapsed_s)} at {summary.speed:.0f} × real time"
    )


@contextmanager
def _progress(count: int, json: bool) -> Iterator[Callable[[Step], None]]:
    """A bar on standard error with the speed; refused files are named above it, and JSON lines go to output."""
    columns = (
        SpinnerColumn(), BarColumn(), MofNCompleteColumn(), TextColumn("{task.description}"), TimeRemainingColumn(),
    )  # fmt: skip
    with Progress(*columns, console=options.terminal()) as bar:
        task = bar.add_task("files", total=count)
        heard_s = 0.0

        def on_step(step: Step) -> None:
            nonlocal heard_s
            if step.track is not None:
                heard_s += step.track.duration_s
            elapsed_s = bar.tasks[0].elapsed or 1.0
            bar.update(task, advance=1, description=f"files, {heard_s / max(elapsed_s, 0.001):.0f} × real time")
            if isinstance(step.outcome, Refused):
                path = clean_text(str(step.outcome.job.path), 300)
                bar.console.print(f"refused {path}: {step.outcome.reason}", soft_wrap=True)
            if json:
                options.print_json(_line(step))

        yield on_step


def _line(step: Step) -> dict[str, str | None]:
    outcome = step.outcome
    line: dict[str, str | None] = {"path": str(outcome.job.path), "status": "added"}
    if step.track is not None:
        line |= {"reference_id": step.track.reference_id, "work_id": step.track.work_id}
    elif isinstance(outcome, Refused):
        line |= {"status": "refused", "reason": outcome.reason}
    elif isinstance(outcome, Skipped | Analysed):
        line |= {"status": "skipped"}
    return line


@contextmanager
def _terminated_like_interrupted() -> Iterator[None]:
    """SIGTERM, as a service manager sends it, ends a run as tidily as Ctrl-C."""

    def interrupt(number: int, frame: FrameType | None) -> NoReturn:
        raise KeyboardInterrupt

    before = signal.signal(signal.SIGTERM, interrupt)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)
