"""Make sets for the stream benchmark.

``python -m models.programmes --manifest works.csv --store SCORES.npz --soundfont A.sf2 ... --out DIR`` makes a
catalogue and programmes from scores; with ``--recordings DIR`` the queries of ``DIR/recordings.csv`` are played
instead, as they are, among talk and unknown music. Start the same command again to go on after an interruption.
"""

from __future__ import annotations

import argparse
import csv
import json
import logging
import sys
from pathlib import Path

import numpy as np

from models.audio_files import audio_files
from models.data.manifest import read_manifest
from models.data.store import ScoreStore
from models.data.views import Corpus
from models.programmes.broadcast import Ingredients
from models.programmes.choose import Work, choose, works_of
from models.programmes.material import foreign_files
from models.programmes.perform import Players
from models.programmes.recorded import read_recordings, write_recorded, write_references
from models.programmes.rendered import Plan, write_catalogue, write_programmes

log = logging.getLogger("models.programmes")
_SPEECH_BYTES = 20_000  # shorter prompts are single words


def main(arguments: list[str] | None = None) -> int:
    """Command line of the generator."""
    options = _parser().parse_args(arguments)
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(message)s", stream=sys.stderr)
    try:
        _same_request(options)
        (_recorded if options.recordings else _rendered)(options)
    except (ValueError, OSError, RuntimeError) as error:
        print(f"models.programmes: {error}", file=sys.stderr)
        return 1
    return 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m models.programmes", description=__doc__)
    parser.add_argument("--manifest", type=Path, required=True, help="CSV with path, work_id, split")
    parser.add_argument("--store", type=Path, required=True, help="scores, made by models.prepare")
    parser.add_argument("--split", choices=("train", "val"), default="val")
    parser.add_argument("--collections", help="comma-separated; default all")
    parser.add_argument("--catalogue-works", type=int, default=2000, metavar="N")
    parser.add_argument("--programmes", type=int, default=6, metavar="N")
    parser.add_argument("--minutes", type=float, default=30, help="length of a programme")
    parser.add_argument("--covers", type=float, default=0.42, metavar="SHARE", help="share of the time; 0 for none")
    parser.add_argument("--soundfont", type=Path, action="append", required=True, help="may be given several times")
    parser.add_argument("--foreign", type=Path, action="append", default=[], help="folder of recordings of other music")
    parser.add_argument("--speech", type=Path, help="folder of recorded speech; simulated talk when left out")
    parser.add_argument("--recordings", type=Path, help="folder with recordings.csv, whose queries are played")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--out", type=Path, required=True)
    return parser


def _same_request(options: argparse.Namespace) -> None:
    """Refuse to go on in a folder that was begun with another request: its truth would be mixed."""
    request = {k: str(v) for k, v in sorted(vars(options).items()) if k not in ("out", "programmes")}
    options.out.mkdir(parents=True, exist_ok=True)
    path = options.out / "request.json"
    if path.exists() and json.loads(path.read_text(encoding="utf-8")) != request:
        raise ValueError(
            f"{options.out} was begun with other options (see {path}); repeat them or choose another --out"
        )
    path.write_text(json.dumps(request, indent=1), encoding="utf-8")


def _rendered(options: argparse.Namespace) -> None:
    players, works, store = _players(options)
    unknown = max(10, round(options.programmes * options.minutes / 3))

    def progress(done: int, of: int) -> None:
        if done % 200 == 0 or done == of:
            log.info("%d of %d works drawn", done, of)

    choice = choose(works, store, options.catalogue_works, unknown, options.seed, progress)
    log.info("catalogue: %d works, %d with other human versions", len(choice.catalogue), len(choice.with_versions))
    plan = Plan(
        options.out, options.programmes, options.minutes, options.seed, options.covers, options.soundfont,
        _foreign(options), _speech(options),
    )  # fmt: skip
    truth = write_programmes(plan, choice, players)
    print(f"truth: {truth}", flush=True)
    table = write_catalogue(options.out, choice.catalogue, _titles(options.manifest), players)
    print(f"index it with: indexer add --manifest {table} --catalogue {options.out / 'index'}")


def _recorded(options: argparse.Namespace) -> None:
    players, works, store = _players(options)
    references, queries = read_recordings(options.recordings)
    unknown = choose(works, store, 0, 100, options.seed).unknown
    rng = np.random.default_rng((options.seed, 7))
    foreign = _foreign(options)
    shuffled = [foreign[int(i)] for i in rng.permutation(len(foreign))]
    material = Ingredients(players, options.soundfont, (), unknown, shuffled, _speech(options))
    table = write_references(options.out, options.recordings, references)
    truth = write_recorded(options.out, options.recordings, queries, material, options.minutes, options.seed)
    print(f"truth: {truth}")
    print(f"index the references with: indexer add --manifest {table} --catalogue {options.out / 'index'}")


def _players(options: argparse.Namespace) -> tuple[Players, list[Work], ScoreStore]:
    entries = read_manifest(options.manifest, options.collections.split(",") if options.collections else None)
    store = ScoreStore(options.store)
    chosen = [entry for entry in entries if entry.split == options.split]
    players = Players(Corpus(chosen, store), options.soundfont, options.seed)
    return players, works_of(chosen, store, options.split), store


def _foreign(options: argparse.Namespace) -> list[Path]:
    return [path for folder in options.foreign for path in foreign_files(folder)]


def _speech(options: argparse.Namespace) -> list[Path]:
    return audio_files(options.speech, _SPEECH_BYTES) if options.speech else []


def _titles(manifest: Path) -> dict[str, str]:
    with manifest.open(encoding="utf-8", newline="") as file:
        return {row["work_id"]: row.get("title") or "" for row in csv.DictReader(file)}


if __name__ == "__main__":
    sys.exit(main())
