"""The error tree. Every message says what was seen, what was expected and what to do.

RecognizerError
├── ModelError            a model file or its contract cannot be used
├── CatalogueError        a catalogue directory cannot be used
│   ├── CatalogueCorrupt  a checksum or a shape does not hold
│   ├── CatalogueBusy     another writer holds it
│   └── ModelMismatch     it was built with another model
├── DecodeError           an audio file or stream is not decodable audio
├── SourceError           a live source failed (``state`` says how the feed should show it)
└── UsageError            the user asked for something that cannot be (exit code 2)
"""

from __future__ import annotations


class RecognizerError(Exception):
    """Base of every error a user may be shown as one sentence."""


class ModelError(RecognizerError):
    """A model file, or the contract in its metadata, cannot be used."""


class CatalogueError(RecognizerError):
    """A catalogue directory cannot be used."""


class CatalogueCorrupt(CatalogueError):
    """A checksum, size or shape in a catalogue does not hold."""


class CatalogueBusy(CatalogueError):
    """Another process is writing to the catalogue."""


class ModelMismatch(CatalogueError):
    """The catalogue was built with another model than the one in use."""


class DecodeError(RecognizerError):
    """A file or stream does not decode to audio."""


class SourceError(RecognizerError):
    """A live source failed.

    Parameters
    ----------
    message : str
        One sentence for a person.
    state : str
        The stream state to show: ``reconnecting``, ``stalled``, ``invalid_source``, ``auth_failed`` or ``failed``.
    retryable : bool
        Whether connecting again later can help.
    """

    def __init__(self, message: str, *, state: str = "reconnecting", retryable: bool = True) -> None:
        super().__init__(message)
        self.state = state
        self.retryable = retryable


class UsageError(RecognizerError):
    """The request itself is wrong; nothing was done."""
