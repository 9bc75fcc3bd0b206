"""Which server this is: pages reload themselves when it changes."""

from __future__ import annotations

import hashlib
from functools import cache
from importlib import metadata
from pathlib import Path

PROTOCOL = 1
STATIC = Path(__file__).parent / "static"


@cache
def server_version() -> str:
    """Package version and a digest of the pages, e.g. ``0.1.0+3f9a1c2e``."""
    try:
        version = metadata.version("live-cover-recognizer")
    except metadata.PackageNotFoundError:
        version = "0"
    digest = hashlib.sha256()
    for path in sorted(STATIC.iterdir()):
        if path.is_file():
            digest.update(path.name.encode() + b"\0" + path.read_bytes())
    return f"{version}+{digest.hexdigest()[:8]}"
