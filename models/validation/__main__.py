"""Make the validation sets: free real distractors, rendered human versions, queries for real songs, one manifest.

Every command writes audio and a CSV with the columns path, work_id, role (query, reference, either or distractor) and
set, can be stopped and started again, and repeats itself exactly for equal seeds. Paths in ``human`` start from its
folder; the other manifests have absolute paths.
"""

from __future__ import annotations

import argparse
import logging
import sys
from pathlib import Path

from models.data.manifest import ManifestError, read_manifest
from models.data.store import ScoreStore
from models.validation import distractors, human, real, songs, twins
from models.validation.left_out import LEFT_OUT
from models.validation.manifest import ValidationError
from models.validation.pairs import held_out

log = logging.getLogger("validation")


def _distractors(options: argparse.Namespace) -> None:
    packages = tuple(options.packages.split(",")) if options.packages else distractors.PACKAGES
    dropped = set(options.without.split(",")) if options.without else set()
    distractors.collect(tuple(p for p in packages if p not in dropped), options.out, LEFT_OUT, log.info)


def _human(options: argparse.Namespace) -> None:
    entries = read_manifest(options.manifest)
    spare = frozenset(options.spare.split(","))
    absent = [str(f) for f in options.soundfont if not f.is_file()]
    if absent:
        raise ValidationError(f"{', '.join(absent)}: no such soundfont; name .sf2 or .sf3 files of this machine")
    human.make(
        held_out(entries, spare), {e.path: e.split for e in entries}, ScoreStore(options.store), options.soundfont,
        options.out, options.references, options.seed, log.info, spare, options.first,
    )  # fmt: skip


def _songs(options: argparse.Namespace) -> None:
    written = songs.make(options.data, options.soundfont, options.out, options.most, options.seed)
    log.info("%s: %d rows", options.out / "manifest.csv", written)


def _real(options: argparse.Namespace) -> None:
    folders = [(f, "distractors") for f in options.distractors] + [(f, "distractors-seen") for f in options.seen]
    log.info("%s: %d rows", options.out, real.make(options.data, options.songs, folders, options.out, options.seed))


def _twins(options: argparse.Namespace) -> None:
    sets = frozenset(options.sets.split(","))
    log.info("%s: %d rows", options.out, twins.find(options.model, options.manifest, sets, options.out))


def parser() -> argparse.ArgumentParser:
    """The command line."""
    top = argparse.ArgumentParser(
        prog="python -m models.validation", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    commands = top.add_subparsers(required=True, metavar="COMMAND")
    one = commands.add_parser("distractors", help="music of Debian's games, downloaded with apt-get and unpacked")
    one.add_argument("--out", type=Path, required=True, help="folder for DIR/<package>/ and DIR/distractors.csv")
    one.add_argument("--packages", help="comma-separated; default: those known to hold free music")
    one.add_argument("--without", help="comma-separated packages to leave out")
    one.set_defaults(run=_distractors)
    two = commands.add_parser("human", help="human-made versions of held-out works, rendered")
    two.add_argument("--manifest", type=Path, required=True, help="CSV with path, work_id, split")
    two.add_argument("--store", type=Path, required=True, help="scores, from python -m models.prepare scores")
    two.add_argument("--soundfont", type=Path, action="append", required=True, help="one that no training heard")
    two.add_argument("--references", type=int, default=5000, help="at most so many (default 5000)")
    two.add_argument("--spare", default="essen", help="collections that no training uses (default essen)")
    two.add_argument("--first", type=int, help="only the first so many files, for a look")
    two.set_defaults(run=_human)
    three = commands.add_parser("songs", help="hummed and played queries for real songs, from UltraStar notes")
    three.add_argument("--data", type=Path, required=True, help="folder with recordings.csv")
    three.add_argument("--soundfont", type=Path, required=True, help="piano of the played queries")
    three.add_argument("--most", type=int, default=4, help="queries of each kind per song (default 4)")
    three.set_defaults(run=_songs)
    four = commands.add_parser("real", help="one manifest of all real recordings, with halves and distractors")
    four.add_argument("--data", type=Path, required=True, help="folder with recordings.csv")
    four.add_argument("--songs", type=Path, help="manifest written by songs")
    four.add_argument("--distractors", type=Path, action="append", default=[], help="folder written by distractors")
    four.add_argument("--seen", type=Path, action="append", default=[], help="such a folder, used in training")
    four.set_defaults(run=_real)
    five = commands.add_parser("twins", help="distractors that may be a version of a query's work, likeliest first")
    five.add_argument("--model", type=Path, required=True)
    five.add_argument("--manifest", type=Path, required=True, help="manifest written by real")
    five.add_argument("--sets", default="classical,reprise", help="sets to compare (default classical,reprise)")
    five.set_defaults(run=_twins)
    for command in (two, three, four):
        command.add_argument("--seed", type=int, default=1)
    for command in (two, three, four, five):
        command.add_argument("--out", type=Path, required=True)
    return top


def main(arguments: list[str] | None = None) -> int:
    """Command line; 0 done, 2 wrong use or something missing."""
    options = parser().parse_args(arguments)
    logging.basicConfig(level=logging.INFO, format="%(message)s", stream=sys.stderr)
    try:
        options.run(options)
    except (ValidationError, ManifestError, OSError) as error:
        print(f"error: {error}", file=sys.stderr)
        return 2
    return 0


if __name__ == "__main__":
    sys.exit(main())
