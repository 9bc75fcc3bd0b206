"""The catalogue directory, as readers see it."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TypeVar

from recognizer.catalogue.disk import read_bounded
from recognizer.catalogue.manifest import MAX_FILE_BYTES, MAX_MANIFEST_BYTES, Manifest
from recognizer.catalogue.segment import track_lines, verified
from recognizer.catalogue.track import Track
from recognizer.catalogue.view import CatalogueView
from recognizer.contract import ModelContract
from recognizer.errors import CatalogueCorrupt, CatalogueError

MANIFEST_NAME = "manifest.json"
PREVIOUS_NAME = "manifest.previous.json"
FILES_NAME = "files"
_ATTEMPTS = 20  # a writer can outrun an opening reader this often, each time by two commits

Result = TypeVar("Result")


class Catalogue:
    """A directory that holds a catalogue, at the generation it had when it was opened.

    Reading needs no lock: files are immutable, and those of a generation are kept until two commits later.
    Methods that read on are carried over to the newest generation when their own has gone.

    Attributes
    ----------
    directory : Path
    manifest : Manifest
    manifest_bytes : bytes
        As stored, ready to be published.
    """

    def __init__(self, directory: Path, manifest_bytes: bytes) -> None:
        self.directory = directory
        self.manifest_bytes = manifest_bytes
        try:
            self.manifest = Manifest.from_bytes(manifest_bytes)
        except CatalogueCorrupt as error:
            raise CatalogueCorrupt(f"{directory / MANIFEST_NAME}: {error}{_previous_hint(directory)}") from error

    @classmethod
    def open(cls, directory: Path) -> Catalogue:
        """Open the newest generation.

        Raises
        ------
        CatalogueError
            When there is no catalogue, or it cannot be read.
        CatalogueCorrupt
            When its manifest is damaged.
        """
        try:
            data = read_bounded(directory / MANIFEST_NAME, MAX_MANIFEST_BYTES)
        except (FileNotFoundError, NotADirectoryError) as error:
            raise CatalogueError(
                f"there is no catalogue in {directory}; make one with `indexer add MUSIC --catalogue {directory}`"
            ) from error
        except (OSError, ValueError) as error:
            reason = getattr(error, "strerror", None) or error
            raise CatalogueError(f"the catalogue in {directory} cannot be read ({reason})") from error
        return cls(directory, data)

    @classmethod
    def create(cls, directory: Path, contract: ModelContract, model_id: str) -> Catalogue:
        """Make an empty catalogue for a model.

        Raises
        ------
        CatalogueError
            When one is there already.
        CatalogueBusy
            When another process is making it.
        """
        from recognizer.catalogue.writer import CatalogueWriter  # the writer builds on this module

        if exists(directory):
            raise CatalogueError(f"there is a catalogue in {directory} already; open it, or name another directory")
        with CatalogueWriter(directory, contract, model_id):
            return cls.open(directory)

    def read(self, sha256: str) -> bytes:
        """The content of a file, not yet verified.

        Raises
        ------
        FileNotFoundError
            When it is not there.
        """
        return read_bounded(self.directory / FILES_NAME / sha256, MAX_FILE_BYTES)

    def view(self) -> CatalogueView:
        """Load everything for searching.

        Raises
        ------
        CatalogueCorrupt
            When a file is missing or damaged.
        """
        return self.retrying(lambda at: CatalogueView.from_files(at.manifest_bytes, at.read))

    def tracks(self) -> list[Track]:
        """The references, without their vectors.

        Raises
        ------
        CatalogueCorrupt
            When a file is missing or damaged.
        """
        return self.retrying(_tracks)

    def verify(self) -> list[str]:
        """Hash and check every file; returns what is wrong, one sentence each."""

        def check(at: Catalogue) -> list[str]:
            problems = []
            for file in at.manifest.files():
                try:
                    verified(file, at.read)
                except CatalogueCorrupt as error:
                    problems.append(str(error))
            if not problems:
                try:
                    CatalogueView.from_files(at.manifest_bytes, at.read)
                except CatalogueCorrupt as error:
                    problems.append(str(error))
            return problems

        return self.retrying(check)

    def retrying(self, use: Callable[[Catalogue], Result]) -> Result:
        """Call ``use`` with this generation, and again with the newest when its files have been deleted meanwhile.

        Raises
        ------
        CatalogueCorrupt
            When a file of the newest generation is missing.
        """
        at = self
        for _ in range(_ATTEMPTS):
            try:
                return use(at)
            except FileNotFoundError as error:
                missing, now = error, Catalogue.open(self.directory)
                if now.manifest.generation == at.manifest.generation:
                    break
                at = now
        raise CatalogueCorrupt(
            f"file {Path(missing.filename).name[:12]}… of the catalogue in {self.directory} is missing; "
            f"restore the catalogue from an export, or build it again with `indexer add`"
        ) from missing


def exists(directory: Path) -> bool:
    """Whether a directory holds a catalogue."""
    return (directory / MANIFEST_NAME).exists()


def _tracks(at: Catalogue) -> list[Track]:
    return [
        row.track
        for entry in at.manifest.segments
        for number, row in enumerate(track_lines(entry, at.read))
        if number not in entry.removed
    ]


def _previous_hint(directory: Path) -> str:
    try:
        previous = Manifest.from_bytes(read_bounded(directory / PREVIOUS_NAME, MAX_MANIFEST_BYTES))
    except (OSError, CatalogueCorrupt):
        return ""
    return f"; generation {previous.generation} is intact: copy {PREVIOUS_NAME} over {MANIFEST_NAME} to go back to it"
