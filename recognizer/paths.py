"""Where things are kept when the user names no place; pure functions of an environment that is passed in."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

APPLICATION = "recognizer"
CATALOGUE_NAME = "catalogue"


def default_data_dir(environ: Mapping[str, str]) -> Path:
    """``RECOGNIZER_DATA_DIR``, else a folder in ``XDG_DATA_HOME``, else ``~/.local/share/recognizer``."""
    if chosen := environ.get("RECOGNIZER_DATA_DIR"):
        return Path(chosen)
    xdg = environ.get("XDG_DATA_HOME", "")
    if Path(xdg).is_absolute():  # the XDG specification: relative values are to be ignored
        return Path(xdg) / APPLICATION
    return Path(environ.get("HOME") or "~").expanduser() / ".local" / "share" / APPLICATION


def default_catalogue_dir(environ: Mapping[str, str]) -> Path:
    """The catalogue inside the data directory."""
    return default_data_dir(environ) / CATALOGUE_NAME
