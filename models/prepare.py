"""Make what training reads: ``python -m models.prepare scores ...`` and ``python -m models.prepare audio ...``."""

from __future__ import annotations

import argparse
import logging
import sys
from collections.abc import Iterator
from pathlib import Path

import numpy as np

from models.audio_files import audio_files, is_audio
from models.data.distil import Piece, recorded_pieces, rendered_pieces, write_shard
from models.data.hear import FPS
from models.data.manifest import read_manifest
from models.data.recorded import write_recordings
from models.data.salience import features
from models.data.store import ScoreStore, build_store
from models.data.teacher import RATE_HZ, Teacher
from models.data.views import Corpus
from models.heard.note_bank import write_sounds
from models.heard.recordings import write_recordings as write_spectra
from models.heard.spectra import Bytes, spectrum_of
from models.nets.constantq import ConstantQ, ConstantQConfig
from recognizer.decode import decode
from recognizer.embedder import Embedder
from recognizer.errors import RecognizerError
from recognizer.timeline import Pcm16

log = logging.getLogger("models.prepare")
_SHARD_PIECES = 20
_SHORTEST_BYTES = 300_000  # shorter files are sound effects
_LONGEST_S = 150
_SHORTEST_RECORDING_S = 40


def scores(options: argparse.Namespace) -> None:
    """Read all scores of a manifest into one file."""
    entries = read_manifest(options.manifest, options.collections.split(",") if options.collections else None)

    def progress(done: int, of: int) -> None:
        if done % 500 == 0 or done == of:
            log.info("%d of %d files", done, of)

    print(f"{build_store(entries, options.root, options.out, progress)} of {len(entries)} scores stored")


def audio(options: argparse.Namespace) -> None:
    """Shards of renders and of recordings with the teacher's answers; shards that exist are kept."""
    options.out.mkdir(parents=True, exist_ok=True)
    teacher = Teacher(options.teacher)
    entries = [e for e in read_manifest(options.manifest, options.collections.split(",")) if e.split == "train"]
    corpus = Corpus(entries, ScoreStore(options.store))
    for shard in range(options.renders):
        path = options.out / f"render-{shard:03d}.npz"
        if not path.exists():
            write_shard(path, list(rendered_pieces(corpus, teacher, options.soundfont, 1000 + shard, _SHARD_PIECES)))
            log.info("%s", path)
    if options.recordings:
        _recorded_shards(options.recordings, teacher, options.out)


def recorded(options: argparse.Namespace) -> None:
    """Salience of recordings by an exported model's front end, in one file."""
    embedder = Embedder(options.model)
    files = [(path, str(path)) for path in audio_files(options.recordings)] if options.recordings else []
    if options.manifest:
        entries = [e for e in read_manifest(options.manifest) if e.split == "train"]
        # A work of the list is no file of the folder, whatever it is called.
        files += [(options.root / e.path, f"work:{e.work_id}") for e in entries if is_audio(Path(e.path))]
    if not files:
        raise SystemExit("models.prepare recorded: nothing to hear; give --recordings FOLDER, or --manifest with audio")

    def heard() -> Iterator[tuple[str, str, np.ndarray[tuple[int, int], np.dtype[np.uint8]]]]:
        for path, work in files:
            try:
                salience = features(decode(path, embedder.contract.sample_rate_hz), embedder)
            except RecognizerError as error:
                log.warning("left out: %s", error)
                continue
            log.info("%s %.0f s", path.name, len(salience) / FPS)
            yield path.name, work, np.round(salience * 255).astype(np.uint8)

    print(f"{write_recordings(options.out, heard())} recordings stored")


def sounds(options: argparse.Namespace) -> None:
    """Spectra of the notes of soundfonts."""
    write_sounds(options.out, options.soundfont)


def spectra(options: argparse.Namespace) -> None:
    """Spectra of recordings beside what an exported model's front end hears in them, in one file."""
    embedder = Embedder(options.model)
    constantq = ConstantQ(ConstantQConfig())
    files = audio_files(options.recordings)

    def heard() -> Iterator[tuple[str, Bytes, Bytes]]:
        for path in files:
            try:
                pcm = np.concatenate([np.zeros(0, np.int16), *decode(path, embedder.contract.sample_rate_hz)])
            except RecognizerError as error:
                log.warning("left out: %s", error)
                continue
            middle = _middle(pcm, options.seconds * embedder.contract.sample_rate_hz)
            if len(middle) < _SHORTEST_RECORDING_S * embedder.contract.sample_rate_hz:
                continue
            salience = features([middle], embedder)
            log.info("%s %.0f s", path.name, len(salience) / FPS)
            spectrum = spectrum_of(middle.astype(np.float32) / np.float32(32768), constantq)
            yield path.name, spectrum, np.round(salience * 255).astype(np.uint8)

    print(f"{write_spectra(options.out, heard())} recordings stored")


def _middle(pcm: Pcm16, samples: int) -> Pcm16:
    """At most so many samples, from a quarter of what is left over on: beginnings are often not like the rest."""
    start = max(0, len(pcm) - samples) // 4
    return pcm[start : start + samples]


def _recorded_shards(folder: Path, teacher: Teacher, out: Path) -> None:
    files = audio_files(folder, _SHORTEST_BYTES)
    order = np.random.default_rng(1).permutation(len(files))
    pieces: list[Piece] = []
    shard = 0
    for piece in _all_pieces([files[int(i)] for i in order], teacher):
        pieces.append(piece)
        if len(pieces) == _SHARD_PIECES:
            write_shard(out / f"real-{shard:03d}.npz", pieces)
            log.info("recorded shard %d", shard)
            shard, pieces = shard + 1, []


def _all_pieces(files: list[Path], teacher: Teacher) -> Iterator[Piece]:
    for path in files:
        blocks, length = [], 0
        try:
            for block in decode(path, RATE_HZ):
                blocks.append(block)
                length += len(block)
                if length >= _LONGEST_S * RATE_HZ:
                    break
        except RecognizerError as error:
            log.warning("left out: %s", error)
            continue
        if blocks:
            yield from recorded_pieces(np.concatenate(blocks).astype(np.float32) / np.float32(32768), teacher)


def main(arguments: list[str] | None = None) -> int:
    """Command line of the preparation."""
    parser = argparse.ArgumentParser(description=__doc__)
    commands = parser.add_subparsers(required=True)
    one = commands.add_parser("scores", help="MIDI and MusicXML of a manifest into one file")
    one.add_argument("--manifest", type=Path, required=True)
    one.add_argument("--root", type=Path, required=True, help="folder that the paths of the manifest start from")
    one.add_argument("--collections", help="comma-separated; default all")
    one.add_argument("--out", type=Path, required=True)
    one.set_defaults(run=scores)
    two = commands.add_parser("audio", help="renders and recordings for the front end to learn from")
    two.add_argument("--manifest", type=Path, required=True)
    two.add_argument("--store", type=Path, required=True)
    two.add_argument("--collections", required=True)
    two.add_argument("--teacher", type=Path, required=True, help="nmp.onnx of the basic-pitch package")
    two.add_argument("--soundfont", type=Path, action="append", required=True)
    two.add_argument("--renders", type=int, default=10, help="shards of ten minutes")
    two.add_argument("--recordings", type=Path, help="folder of free recordings, searched deeply")
    two.add_argument("--out", type=Path, required=True)
    two.set_defaults(run=audio)
    three = commands.add_parser("recorded", help="salience of recordings, for the embedding to learn from")
    three.add_argument("--model", type=Path, required=True, help="an exported model whose features are salience")
    three.add_argument("--recordings", type=Path, help="folder of recordings of unknown works, searched deeply")
    three.add_argument("--manifest", type=Path, help="CSV: path, work_id, split; its audio of the split train, covers")
    three.add_argument("--root", type=Path, default=Path(), help="folder that the paths of the manifest start from")
    three.add_argument("--out", type=Path, required=True)
    three.set_defaults(run=recorded)
    four = commands.add_parser("sounds", help="spectra of the notes of soundfonts, to play by ear from")
    four.add_argument("--soundfont", type=Path, action="append", required=True)
    four.add_argument("--out", type=Path, required=True)
    four.set_defaults(run=sounds)
    five = commands.add_parser("spectra", help="spectra of free recordings, to learn from by ear")
    five.add_argument("--model", type=Path, required=True, help="an exported model whose features are salience")
    five.add_argument("--recordings", type=Path, required=True, help="folder, searched deeply")
    five.add_argument("--seconds", type=int, default=75, help="of each recording at most (default 75)")
    five.add_argument("--out", type=Path, required=True)
    five.set_defaults(run=spectra)
    options = parser.parse_args(arguments)
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(message)s", stream=sys.stderr)
    options.run(options)
    return 0


if __name__ == "__main__":
    sys.exit(main())
