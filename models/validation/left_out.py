"""Distractors that are a version of a query's work, and so none: recordings of the re-arranged themes' own games.

Each is a package and a file name: no folder, no suffix, lower case, hyphens for all between letters and digits.
Found by package and title, the rest by `models.validation.twins` and a look at what it puts first.
"""

import re
from pathlib import Path

LEFT_OUT = frozenset(
    {
        "colobot-common-sounds/music010",
        "colobot-common-sounds/music011",
        "drascula-music/track1",
        "drascula-music/track30",
        "naev-data/ambient2",
        "naev-data/ambient2-5",
        "supertux-data/bossattack",
        "supertux-data/call-of-the-winding-path",
        "supertux-data/christmas-theme",
        "supertux-data/shallow-green",
        "supertux-data/theme",
        "supertux-data/treeboss",
        "supertuxkart-data/celtic",
        "supertuxkart-data/celtic-fast",
        "supertuxkart-data/farm",
        "supertuxkart-data/farm-f",
        "supertuxkart-data/gran-paradiso-unused-tuxkart-5a-gowns-bow-remix",
        "supertuxkart-data/jumping-to-the-stars-remake",
        "supertuxkart-data/jumping-to-the-stars-remake-fast",
        "supertuxkart-data/landing-in-gran-paradiso",
        "supertuxkart-data/landing-in-gran-paradiso-fast",
        "supertuxkart-data/ravenbridge-mansion",
        "supertuxkart-data/ravenbridge-mansion-fast",
        "supertuxkart-data/thegreatfair",
        "supertuxkart-data/thegreatfair-fast",
    }
)


def title(package: str, path: str) -> str:
    """How a recording of a package is named in `LEFT_OUT`."""
    return f"{package}/{re.sub('[^a-z0-9]+', '-', Path(path).stem.lower()).strip('-')}"
