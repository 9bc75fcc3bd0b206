"""Make what training reads: ``python -m models.prepare scores ...`` and ``python -m models.prepare audio ...``."""

from __future__ import annotations

import argparse
import logging
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import NamedTuple

import numpy as np

from models.audio_files import audio_files, is_audio
from models.data.distil import Piece, recorded_pieces, rendered_pieces, write_shard
from models.data.hear import FPS
from models.data.library import Bytes, Heard, write_recordings
from models.data.manifest import read_manifest
from models.data.salience import features
from models.data.store import ScoreStore, build_store
from models.data.teacher import RATE_HZ, Teacher
from models.data.views import Corpus
from models.heard.note_bank import write_sounds
from models.heard.spectra import spectrum_of
from models.nets.constantq import ConstantQ, ConstantQConfig
from recognizer.decode import decode
from recognizer.embedder import Embedder
from recognizer.errors import RecognizerError
from recognizer.step import Floats
from recognizer.timeline import Pcm16

log = logging.getLogger("models.prepare")
_SHARD_PIECES = 20
_SHORTEST_BYTES = 300_000  # shorter files are sound effects
_LONGEST_S = 150
_SHORTEST_RECORDING_S = 40
_LONGEST_COVER_S = 300


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

    def hear(file: _File) -> Heard:
        salience = features(decode(file.path, embedder.contract.sample_rate_hz), embedder)
        return Heard(file.path.name, file.work, _as_bytes(salience))

    _store(options, hear)


def sounds(options: argparse.Namespace) -> None:
    """Spectra of the notes of soundfonts."""
    write_sounds(options.out, options.soundfont)


def spectra(options: argparse.Namespace) -> None:
    """Spectra of recordings beside what an exported model's front end hears in them, in one file."""
    embedder = Embedder(options.model)
    rate_hz = embedder.contract.sample_rate_hz
    constantq = ConstantQ(ConstantQConfig())

    def hear(file: _File) -> Heard | None:
        pcm = np.concatenate([np.zeros(0, np.int16), *decode(file.path, rate_hz)])
        # Two excerpts of a work may have nothing in common.
        middle = _middle(pcm, (_LONGEST_COVER_S if file.listed else options.seconds) * rate_hz)
        if len(middle) < _SHORTEST_RECORDING_S * rate_hz:
            return None
        spectrum = spectrum_of(middle.astype(np.float32) / np.float32(32768), constantq)
        return Heard(file.path.name, file.work, _as_bytes(features([middle], embedder)), spectrum)

    _store(options, hear)


def _store(options: argparse.Namespace, hear: Callable[[_File], Heard | None]) -> None:
    """Hear the recordings that are asked for, and write what is to be kept of them as one file."""
    files = _files(options)

    def heard() -> Iterator[Heard]:
        for file in files:
            try:
                part = hear(file)
            except RecognizerError as error:
                log.warning("left out: %s", error)
                continue
            if part is not None:
                log.info("%s %.0f s", part.name, len(part.salience) / FPS)
                yield part

    print(f"{write_recordings(options.out, heard())} recordings stored")


class _File(NamedTuple):
    """A recording to be heard: of which work, and whether a list of covers says so."""

    path: Path
    work: str
    listed: bool


def _files(options: argparse.Namespace) -> list[_File]:
    """Recordings of a folder, each a work of its own, and those of a list's split ``train``."""
    files = [_File(path, str(path), False) for path in audio_files(options.recordings)] if options.recordings else []
    if options.manifest:
        entries = [e for e in read_manifest(options.manifest) if e.split == "train" and is_audio(Path(e.path))]
        # A work of the list is no file of the folder, whatever it is called.
        files += [_File(options.root / e.path, f"work:{e.work_id}", True) for e in entries]
    if not files:
        raise SystemExit("models.prepare: nothing to hear; give --recordings FOLDER, or --manifest with audio")
    return files


def _as_bytes(salience: Floats) -> Bytes:
    return np.round(salience * 255).astype(np.uint8)


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
    three.set_defaults(run=recorded)
    four = commands.add_parser("sounds", help="spectra of the notes of soundfonts, to play by ear from")
    four.add_argument("--soundfont", type=Path, action="append", required=True)
    four.add_argument("--out", type=Path, required=True)
    four.set_defaults(run=sounds)
    five = commands.add_parser("spectra", help="spectra of free recordings, to learn from by ear")
    five.add_argument("--model", type=Path, required=True, help="an exported model whose features are salience")
    five.add_argument("--seconds", type=int, default=75, help="of each recording of the folder at most (default 75)")
    five.set_defaults(run=spectra)
    for command in (three, five):
        command.add_argument("--recordings", type=Path, help="folder of recordings of unknown works, searched deeply")
        command.add_argument(
            "--manifest", type=Path, help="CSV: path, work_id, split; its audio of the split train, recordings of works"
        )
        command.add_argument("--root", type=Path, default=Path(), help="folder that paths of the manifest start from")
        command.add_argument("--out", type=Path, required=True)
    options = parser.parse_args(arguments)
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(message)s", stream=sys.stderr)
    options.run(options)
    return 0


if __name__ == "__main__":
    sys.exit(main())
