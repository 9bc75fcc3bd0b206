"""Which files to read: those named, and those in named folders that look like audio."""

from __future__ import annotations

import os
from collections.abc import Iterable
from pathlib import Path

AUDIO_ENDINGS = frozenset(
    ".wav .wave .w64 .aif .aiff .aifc .au .caf .flac .mp3 .mp2 .aac .m4a .m4b .mp4 .3gp .ogg .oga .opus .spx "
    ".mka .mkv .webm .mov .wma .asf .ape .wv .tta .mpc .ac3".split()
)


def find_audio(paths: Iterable[Path]) -> tuple[list[Path], int]:
    """Files to read in a stable order, each once, and how many others were passed over in folders.

    A file that is named is taken whatever its ending; in folders, hidden files and folders are passed over and
    links to folders are not followed.
    """
    found: dict[Path, None] = {}
    others = 0
    for path in paths:
        if not path.is_dir():
            found.setdefault(path)
            continue
        for folder, folders, names in os.walk(path):
            folders[:] = sorted(name for name in folders if not name.startswith("."))
            for name in sorted(names):
                if name.startswith("."):
                    continue
                if os.path.splitext(name)[1].lower() in AUDIO_ENDINGS:
                    found.setdefault(Path(folder, name))
                else:
                    others += 1
    return list(found), others
