"""Free real recordings that are nobody's cover: the music of Debian's games.

Packages are downloaded with ``apt-get download``, unpacked without being installed and stripped of everything but music
and the copyright file, so that a folder of them can be made again anywhere.
"""

from __future__ import annotations

import hashlib
import re
import shutil
import subprocess
import tempfile
import zipfile
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass
from pathlib import Path

import av

from models.audio_files import audio_files, is_audio
from models.validation.left_out import title
from models.validation.manifest import ValidationError, write_rows

PACKAGES = (
    "asc-music", "colobot-common-sounds", "flare-game", "freedroidrpg-data", "fretsonfire-songs-muldjord",
    "fretsonfire-songs-sectoid", "hedgewars-data", "marsshooter-data", "megaglest-data", "naev-data", "nexuiz-music",
    "planetblupi-music-ogg", "singularity-music", "supertuxkart-data", "warzone2100-music", "widelands-data",
    "adonthell-data", "ardentryst", "berusky2-data", "blobwars-data", "boswars-data", "bumprace-data",
    "caveexpress-data", "drascula-music", "dustracing2d-data", "endless-sky-data", "enigma-data",
    "extremetuxracer-data", "fillets-ng-data", "freeorion-data", "frozen-bubble-data", "gcompris-qt-data",
    "glob2-data", "hex-a-hop-data", "hyperrogue-music", "lincity-ng-data", "lugaru-data", "neverball-common",
    "noiz2sa-data", "openarena-085-data", "openarena-088-data", "openarena-data", "opencity-data", "openclonk-data",
    "pathological", "pink-pony-data", "raincat-data", "scorched3d-data", "starfighter-data", "supertux-data",
    "trackballs-data", "tuxmath-data", "tuxtype-data", "ufoai-music", "unknown-horizons", "warmux-data",
    "wesnoth-1.16-music", "wordwarvi-sound", "xmoto-data", "zaz-data", "a7xpg-data", "gunroar-data", "mu-cade-data",
    "parsec47-data", "rrootage-data", "titanion-data", "torus-trooper-data", "tumiki-fighters-data", "amoebax-data",
    "powermanga-data", "tomatoes-data", "blockattack", "rafkill-data", "etw-data", "pokerth-data", "dreamchess-data",
    "tuxfootball", "plee-the-bear-data", "freecol", "lomiri-sounds", "pushover-data",
    "btanks-data", "lordsawar-data", "brainparty-data", "gigalomania-data", "holotz-castle-data", "mrrescue",
    "freedink-data", "7kaa-data",
)  # fmt: skip
SHORTEST_S = 20.0
SHORTEST_AMONG_EFFECTS_S = 60.0
_FEWEST_BYTES_A_SECOND = 3000
COLUMNS = ("path", "package", "version", "licence", "seconds", "sha256")
_ARCHIVES = {".pk3", ".pk4", ".dpk", ".zip", ".love"}
_EFFECTS = re.compile(r"^(sounds?|sfx|effects?|voices?|ambient|speech|fx|units|snd)$", re.IGNORECASE)
_MUSIC = re.compile(r"music|songs?|soundtrack|musik|cdtracks|bgm|ringtones|ost$|themes?$", re.IGNORECASE)
_LICENCE = re.compile(r"^License: *(.+)$", re.MULTILINE)


@dataclass(frozen=True, slots=True)
class Recording:
    """One music file of a package; ``path`` starts from the folder of all packages."""

    path: str
    package: str
    version: str
    licence: str
    seconds: float
    sha256: str


def fetch(package: str, out: Path) -> Path:
    """Download and unpack one package under ``out/<package>/`` unless it is there; return that folder.

    Raises
    ------
    ValidationError
        Without Debian's tools, or when the package cannot be downloaded or unpacked.
    """
    target = out / package
    if target.exists():
        return target
    if not (shutil.which("apt-get") and shutil.which("dpkg-deb")):
        raise ValidationError(
            f"{package} is not under {out} and apt-get or dpkg-deb is not on this machine; run this on Debian or "
            f"Ubuntu, or unpack the package's .deb into {target} yourself and run this again"
        )
    debs = out / ".debs"
    debs.mkdir(parents=True, exist_ok=True)
    if not list(debs.glob(f"{package}_*.deb")):
        _run(["apt-get", "download", package], debs, f"{package} could not be downloaded")
    deb = sorted(debs.glob(f"{package}_*.deb"))[-1]
    with tempfile.TemporaryDirectory(dir=out, prefix=".unpacking-") as folder:
        _run(["dpkg-deb", "-x", str(deb.resolve()), folder], out, f"{deb} could not be unpacked")
        _unzip(Path(folder))
        _strip(Path(folder))
        version = subprocess.run(["dpkg-deb", "-f", str(deb), "Version"], capture_output=True, text=True, check=False)
        (Path(folder) / "VERSION").write_text(version.stdout.strip() + "\n", encoding="utf-8")
        Path(folder).chmod(0o755)
        Path(folder).rename(target)
    deb.unlink()
    return target


def _run(command: list[str], folder: Path, failure: str) -> None:
    done = subprocess.run(command, cwd=folder, capture_output=True, check=False)
    if done.returncode:
        said = done.stderr.decode(errors="replace").strip().splitlines() or ["no message"]
        raise ValidationError(f"{failure} ({said[-1]}); check the package sources of this machine")


def _unzip(folder: Path) -> None:
    """Unpack the music inside game archives, beside them; names that would lead elsewhere are not followed."""
    for archive in sorted(p for p in folder.rglob("*") if p.suffix.lower() in _ARCHIVES and p.is_file()):
        if not zipfile.is_zipfile(archive):
            continue
        with zipfile.ZipFile(archive) as packed:
            for name in packed.namelist():
                if is_audio(Path(name)):
                    packed.extract(name, archive.with_suffix(""))


def _strip(folder: Path) -> None:
    """Delete all but audio and the copyright file; links are deleted too."""
    for path in sorted(folder.rglob("*"), reverse=True):
        if path.is_dir() and not path.is_symlink():
            if not any(path.iterdir()):
                path.rmdir()
        elif path.is_symlink() or (not is_audio(path) and path.name != "copyright"):
            path.unlink()


def recordings(package: str, out: Path) -> Iterator[Recording]:
    """Music of an unpacked package: audio of 20 s and more, among sound effects of a minute and more."""
    folder = out / package
    version = folder / "VERSION"
    licence = licences(folder)
    for path in audio_files(folder):
        shortest_s = SHORTEST_S if is_music(path.relative_to(folder)) else SHORTEST_AMONG_EFFECTS_S
        if path.stat().st_size < shortest_s * _FEWEST_BYTES_A_SECOND or (seconds := duration_s(path)) < shortest_s:
            continue
        yield Recording(
            path=str(path.relative_to(out)),
            package=package,
            version=version.read_text(encoding="utf-8").strip() if version.exists() else "",
            licence=licence,
            seconds=round(seconds, 1),
            sha256=hashlib.sha256(path.read_bytes()).hexdigest(),
        )


def is_music(path: Path) -> bool:
    """Whether a path inside a package looks like music: nearest telling folder decides, none means yes."""
    for part in reversed(path.parts[:-1]):
        if _MUSIC.search(part):
            return True
        if _EFFECTS.match(part):
            return False
    return True


def licences(folder: Path) -> str:
    """Short names of all licences in a package's machine-readable copyright file, in order of appearance."""
    files = sorted(folder.rglob("copyright"))
    if not files:
        return "no copyright file"
    names = _LICENCE.findall(files[0].read_text(encoding="utf-8", errors="replace"))
    return "; ".join(dict.fromkeys(n.strip() for n in names)) or "see its copyright file"


def duration_s(path: Path) -> float:
    """Length of an audio file by its headers; 0 when it has none or is not audio."""
    try:
        with av.open(str(path), metadata_errors="replace") as container:
            if not container.streams.audio:
                return 0.0
            stream = container.streams.audio[0]
            if stream.duration is not None and stream.time_base is not None:
                return float(stream.duration * stream.time_base)
            return container.duration / 1e6 if container.duration else 0.0
    except av.error.FFmpegError:
        return 0.0


def collect(
    packages: tuple[str, ...], out: Path, left_out: frozenset[str], say: Callable[[str], None]
) -> list[Recording]:
    """Fetch packages, write ``out/distractors.csv`` and return its rows: each recording once, without ``left_out``.

    Parameters
    ----------
    left_out
        Titles (`models.validation.left_out.title`) that are known to be another version of a query's work.
    """
    out.mkdir(parents=True, exist_ok=True)
    kept: dict[str, Recording] = {}
    for package in packages:
        fetch(package, out)
        found = list(recordings(package, out))
        fresh = 0
        for recording in found:
            named = title(package, recording.path)
            if named not in left_out and kept.setdefault(recording.sha256, recording) is recording:
                fresh += 1
        version, licence = (found[0].version, found[0].licence) if found else ("", licences(out / package))
        say(f"{package} {version}: {fresh} of {len(found)} recordings kept; {licence[:100]}")
    write_rows(out / "distractors.csv", COLUMNS, (asdict(r) for r in kept.values()))
    say(f"{len(kept)} recordings, {sum(r.seconds for r in kept.values()) / 3600:.1f} h")
    return list(kept.values())
