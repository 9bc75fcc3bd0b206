"""``indexer list | show | remove | stats | verify``: what is in a catalogue."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import Annotated

import typer

from indexer import options
from indexer.identity import stored_path
from indexer.manifest_csv import write_manifest
from indexer.options import CatalogueOption, JsonOption
from recognizer.catalogue import Catalogue, CatalogueWriter, Track
from recognizer.catalogue.track import clean_text
from recognizer.errors import UsageError

IdsArgument = Annotated[
    list[str], typer.Argument(metavar="ID...", help="Reference ids, work ids, or paths as they were indexed.")
]


def list_(
    catalogue: CatalogueOption = None,
    json: JsonOption = False,
    csv: Annotated[bool, typer.Option("--csv", help="A table that `indexer add --manifest` reads.")] = False,
) -> None:
    """List the references.

    One line each: reference id, work id, duration, title and artist. With --json one object per line. In the table
    of --csv, cells that a spreadsheet would take for a formula begin with an apostrophe, which is taken away again
    when the table is read.
    """
    if json and csv:
        raise UsageError("--json and --csv exclude each other; choose one")
    tracks = _sorted(Catalogue.open(options.catalogue_dir(catalogue)).tracks())
    if csv:
        print(write_manifest(tracks), end="")
        return
    for track in tracks:
        if json:
            options.print_json(track.to_json())
        else:
            print(_line(track))


def show(ids: IdsArgument, catalogue: CatalogueOption = None, json: JsonOption = False) -> None:
    """Show all that is known about references, or about the recordings of works.

    Exit code: 1 when an id is not in the catalogue.
    """
    tracks = Catalogue.open(options.catalogue_dir(catalogue)).tracks()
    missing = False
    for name in ids:
        found = _sorted(find(tracks, name))
        if not found:
            options.complain(f"{clean_text(name)} is not in the catalogue; `indexer list` shows what is")
            missing = True
        elif json:
            options.print_json({"id": name, "references": [track.to_json() for track in found]})
        else:
            for track in found:
                for field, value in track.to_json().items():
                    print(f"{field:13} {'' if value is None else clean_text(str(value), 2000)}")
                print()
    raise typer.Exit(options.SOME_REFUSED if missing else options.DONE)


def remove(ids: IdsArgument, catalogue: CatalogueOption = None, json: JsonOption = False) -> None:
    """Remove references, or all recordings of works; the source files are neither needed nor touched.

    They are gone from searches at once. Their numbers leave the disk when the segment they are in is next rewritten;
    `indexer compact` does that at once.

    Exit code: 1 when an id is not in the catalogue.
    """
    with CatalogueWriter(options.catalogue_dir(catalogue)) as writer:
        missing = []
        gone: list[Track] = []
        for name in dict.fromkeys(ids):
            found = find([*writer.tracks.values(), *gone], name)
            if not found:
                missing.append(name)
                options.complain(f"{clean_text(name)} is not in the catalogue; `indexer list` shows what is")
            gone += writer.remove(track.reference_id for track in found)
        generation = writer.commit()
    if json:
        options.print_json({"removed": [track.reference_id for track in gone], "generation": generation})
    else:
        for track in gone:
            print(f"removed {_line(track)}")
    raise typer.Exit(options.SOME_REFUSED if missing else options.DONE)


def compact(catalogue: CatalogueOption = None) -> None:
    """Rewrite the catalogue into as few files as possible, without what was removed."""
    with CatalogueWriter(options.catalogue_dir(catalogue)) as writer:
        writer.commit(compact=True)
        generation = writer.commit(compact=True)  # the generation before, kept for readers, now is a clean one too
    print(f"generation {generation}")


def stats(catalogue: CatalogueOption = None, json: JsonOption = False) -> None:
    """Show how large the catalogue is and which model it was built with."""
    directory = options.catalogue_dir(catalogue)
    opened = Catalogue.open(directory)
    tracks, manifest = opened.tracks(), opened.manifest
    values = {
        "directory": str(directory.absolute()),
        "generation": manifest.generation,
        "references": manifest.tracks,
        "works": manifest.works,
        "windows": manifest.windows,
        "audio_s": round(sum(track.duration_s for track in tracks), 1),
        "model": manifest.model_name,
        "model_id": manifest.model_id,
        "dimension": manifest.dimension,
        "segments": len(manifest.segments),
        "bytes": sum(file.size_bytes for file in manifest.files()),
    }
    if json:
        options.print_json(values)
        return
    for name, value in values.items():
        print(f"{name:11} {options.clock(float(str(value))) if name == 'audio_s' else value}")


def verify(catalogue: CatalogueOption = None, json: JsonOption = False) -> None:
    """Hash every file of the catalogue and check what is in it.

    Exit code: 1 when something is damaged.
    """
    opened = Catalogue.open(options.catalogue_dir(catalogue))
    problems = opened.verify()
    for problem in problems:
        options.complain(problem)
    if json:
        options.print_json({"generation": opened.manifest.generation, "problems": problems})
    elif not problems:
        files = len(opened.manifest.files())
        print(f"generation {opened.manifest.generation} is whole: {files} files, {opened.manifest.tracks} references")
    raise typer.Exit(options.SOME_REFUSED if problems else options.DONE)


def find(tracks: Iterable[Track], name: str) -> list[Track]:
    """The references that an id or a path means."""
    path = stored_path(Path(name))
    return [track for track in tracks if name in (track.reference_id, track.work_id) or path == track.path]


def _sorted(tracks: Iterable[Track]) -> list[Track]:
    return sorted(tracks, key=lambda track: (track.work_id, track.title or "", track.reference_id))


def _line(track: Track) -> str:
    name = track.title or "(no title)"
    by = f" — {track.artist}" if track.artist else ""
    return f"{track.reference_id}  {track.work_id}  {options.clock(track.duration_s):>7}  {name}{by}"
