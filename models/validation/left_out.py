"""What is no distractor: versions of a query's work (the re-arranged themes' own games, a classical piece) and noise.

Each is a package and a file name: no folder, no suffix, lower case, hyphens for all between letters and digits.
Found by package and title, the rest by `models.validation.twins` and a look at what it puts first.
"""

import re
from pathlib import Path

_VERSIONS = frozenset(
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
        "unknown-horizons/peer-gynt-suite-no-1-op-46-i-morning",
    }
)
_NO_MUSIC = frozenset(
    {
        "btanks-data/city",
        "btanks-data/country",
        "btanks-data/forest",
        "btanks-data/horror",
        "endless-sky-data/machinery",
        "flare-game/anvil-loop",
        "flare-game/cave-wind-loop",
        "flare-game/rain",
        "flare-game/wind-ambient",
        "flare-game/wind-loop",
        "lugaru-data/desertambient",
        "lugaru-data/wind",
        "megaglest-data/night",
        "scorched3d-data/cheeringloop",
        "supertuxkart-data/sara-airport-pa",
        "supertuxkart-data/static-radio",
        "unknown-horizons/chapel",
    }
)
LEFT_OUT = _VERSIONS | _NO_MUSIC


def title(package: str, path: str) -> str:
    """How a recording of a package is named in `LEFT_OUT`."""
    return f"{package}/{re.sub('[^a-z0-9]+', '-', Path(path).stem.lower()).strip('-')}"
