"""A catalogue as one file: a plain tar of the manifest and the files it names.

An import extracts nothing to disk under names from the archive: members are looked up by the hashes that the manifest
lists, verified, parsed, and added through the catalogue's own writer.
"""

from __future__ import annotations

import io
import os
import tarfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from recognizer.catalogue import Catalogue, CatalogueWriter, Manifest
from recognizer.catalogue.directory import FILES_NAME, MANIFEST_NAME
from recognizer.catalogue.manifest import FILE_NAMES, MAX_FILE_BYTES, MAX_MANIFEST_BYTES, MAX_SEGMENTS
from recognizer.catalogue.segment import decode, verified
from recognizer.errors import CatalogueCorrupt, UsageError

_MAX_MEMBERS = 1 + (len(FILE_NAMES) + 1) * MAX_SEGMENTS


@dataclass(frozen=True, slots=True)
class Imported:
    """What an import did: references added, and those that were there already."""

    added: int
    skipped: int
    generation: int


def export(directory: Path, target: Path, *, overwrite: bool = False) -> Manifest:
    """Write a catalogue's newest generation to one file.

    Raises
    ------
    UsageError
        When the file exists and ``overwrite`` is not set, or it cannot be written.
    CatalogueError
        When the catalogue is missing or damaged; nothing is written.
    """
    if target.exists() and not overwrite:
        raise UsageError(f"{target} exists already; name another file, or use --force")
    return Catalogue.open(directory).retrying(lambda at: _export(at, target))


def _export(catalogue: Catalogue, target: Path) -> Manifest:
    aside = target.with_name(f".tmp-{target.name}")
    try:
        with aside.open("wb") as out:
            with tarfile.open(fileobj=out, mode="w", format=tarfile.PAX_FORMAT) as tar:
                _put(tar, MANIFEST_NAME, catalogue.manifest_bytes)
                for file in catalogue.manifest.files():
                    _put(tar, f"{FILES_NAME}/{file.sha256}", verified(file, catalogue.read))
            out.flush()
            os.fsync(out.fileno())
        os.replace(aside, target)
    except FileNotFoundError as error:
        if error.filename is not None and Path(error.filename).parent.name == FILES_NAME:
            raise  # a file of the catalogue: the caller goes on with the newest generation
        raise UsageError(f"{target} cannot be written: {error.strerror}; check the folder") from error
    except OSError as error:
        raise UsageError(f"{target} cannot be written: {error.strerror}; check the folder and its space") from error
    finally:
        aside.unlink(missing_ok=True)
    return catalogue.manifest


def _put(tar: tarfile.TarFile, name: str, data: bytes) -> None:
    info = tarfile.TarInfo(name)  # no owner, no time: equal catalogues give equal files
    info.size, info.mode = len(data), 0o644
    tar.addfile(info, io.BytesIO(data))


def import_file(source: Path, directory: Path) -> Imported:
    """Add what an exported file holds to a catalogue, which is made when it is not there.

    Raises
    ------
    CatalogueCorrupt
        When the file is no export or is damaged; nothing is added.
    ModelMismatch
        When the catalogue was built with another model.
    UsageError
        When the file cannot be read.
    """
    with _members(source) as read:
        manifest = Manifest.from_bytes(read(MANIFEST_NAME, MAX_MANIFEST_BYTES))

        def read_file(sha256: str) -> bytes:
            return read(f"{FILES_NAME}/{sha256}", MAX_FILE_BYTES)

        for file in manifest.files():
            verified(file, read_file)
        added = skipped = 0
        with CatalogueWriter(directory, like=manifest) as writer:
            for entry in manifest.segments:
                for row in decode(manifest, entry, read_file):
                    if row.track.reference_id in writer.tracks:
                        skipped += 1
                        continue
                    writer.add_row(row)
                    added += 1
                writer.commit()
            return Imported(added, skipped, writer.manifest.generation)


@contextmanager
def _members(source: Path) -> Iterator[Callable[[str, int], bytes]]:
    """A function that reads a member of an archive by name, never more than so many bytes."""
    try:
        with tarfile.open(source, mode="r:") as tar:
            members = _index(tar)

            def read(name: str, max_bytes: int) -> bytes:
                member = members.get(name)
                if member is None or member.size > max_bytes:
                    raise CatalogueCorrupt(f"{source} lacks {name[:80]}, or it is too large; export it again")
                file = tar.extractfile(member)
                assert file is not None  # only regular members were indexed
                return file.read(max_bytes)

            yield read
    except (tarfile.TarError, ValueError, EOFError) as error:
        raise CatalogueCorrupt(
            f"{source} is not an exported catalogue ({error}); expected a file written by `indexer export`"
        ) from error
    except CatalogueCorrupt as error:
        raise CatalogueCorrupt(f"{source}: {error}") from error
    except OSError as error:
        raise UsageError(f"{source} cannot be read: {error.strerror or error}") from error


def _index(tar: tarfile.TarFile) -> dict[str, tarfile.TarInfo]:
    members: dict[str, tarfile.TarInfo] = {}
    while (member := tar.next()) is not None:
        if not member.isreg() or member.issparse() or member.name in members or len(members) >= _MAX_MEMBERS:
            raise CatalogueCorrupt(
                f"it holds {member.name[:80]!r}, which is a link, a special file, or there twice; export it again"
            )
        members[member.name] = member
    return members
