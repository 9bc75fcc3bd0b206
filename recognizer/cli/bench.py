"""`recognizer bench`: what each part of the line costs on this machine, side by side."""

from __future__ import annotations

import json
import tempfile
import time
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Annotated

import numpy as np
import typer

from recognizer.catalogue import Catalogue, CatalogueView, CatalogueWriter, Track
from recognizer.cli import common
from recognizer.decode import decode
from recognizer.demo.programme import write_demo
from recognizer.embedded import Embedded
from recognizer.embedder import Embedder
from recognizer.events import FeedClock
from recognizer.gate import MusicGate
from recognizer.hubs import CorrectedIndex
from recognizer.pipeline import FeedLine
from recognizer.profiles import default_profile
from recognizer.reference import analyse
from recognizer.replay import events_of, file_items
from recognizer.second_opinion import opinions
from recognizer.step import StepInput
from recognizer.timeline import Pcm16

BATCH = 16
AUDIO_S = 60
_PER_STEP = ("music gate", "embedding", "search", "alignment")


@dataclass(frozen=True, slots=True)
class Cost:
    """One measured part.

    Attributes
    ----------
    cpu_ms_per_step : float
        Processor time per step of one feed, median over the rounds.
    times_real_time : float
        Seconds of audio per second of one core.
    """

    part: str
    cpu_ms_per_step: float
    times_real_time: float


def bench(
    model: common.ModelOption = None,
    vectors: Annotated[int, typer.Option(min=1000, help="Rows of the index that is searched.")] = 100_000,
    rounds: Annotated[int, typer.Option(min=1, help="Rounds; every part is measured once in each.")] = 5,
    as_json: Annotated[bool, typer.Option("--json", help="As one JSON object.")] = False,
) -> None:
    """Measure decode, gate, embedding, search, alignment and the whole line on one core.

    Counts processor time, so that other work on the machine disturbs it little; the parts take turns within each round
    and the median is shown. Music is synthesised, the catalogue holds the demo's twelve references, and the search runs
    over random vectors.
    """
    embedder = common.open_model(model)
    with tempfile.TemporaryDirectory(prefix="recognizer-bench-") as folder:
        parts = _parts(Path(folder), embedder, vectors)
        measured: dict[str, list[float]] = {name: [] for name in parts}
        for number in range(rounds + 1):
            for name, (run, steps) in parts.items():
                began_s = time.process_time()
                run()
                if number:  # the first round warms up
                    measured[name].append((time.process_time() - began_s) * 1000 / steps)
    step_ms = embedder.contract.step_s * 1000
    costs = [
        Cost(name, round(float(np.median(values)), 3), round(step_ms / float(np.median(values)), 1))
        for name, values in measured.items()
    ]
    small = int(costs[-1].times_real_time)
    # With many references the search and a full shortlist come on top of what every feed costs.
    large = int(step_ms / sum(cost.cpu_ms_per_step for cost in costs if cost.part.split(",")[0] in _PER_STEP))
    if as_json:
        print(
            json.dumps(
                {
                    "model_id": embedder.model_id,
                    "parts": [asdict(cost) for cost in costs],
                    "feeds_per_core": {"12 references": small, f"{vectors} vectors": large},
                }
            )
        )
        return
    print(
        f"model {embedder.contract.name}, step {embedder.contract.step_s:g} s, median of {rounds} rounds, one thread\n"
    )
    print(f"{'part':<44}{'CPU ms per step':>16}{'× real time':>14}")
    for cost in costs:
        print(f"{cost.part:<44}{cost.cpu_ms_per_step:>16.2f}{cost.times_real_time:>14.0f}")
    print(
        f"\nfeeds of continuous music per core: about {small} with 12 references, about {large} with {vectors} vectors"
    )


def _parts(folder: Path, embedder: Embedder, rows: int) -> dict[str, tuple[Callable[[], object], int]]:
    """Name → (what to run, steps of one feed that one run stands for); the whole line comes last."""
    contract, profile = embedder.contract, default_profile()
    material = write_demo(folder)
    view = _catalogue(folder / "catalogue", material.catalogue_files, embedder)
    rate_hz = contract.sample_rate_hz
    audio = np.concatenate(list(decode(material.catalogue_files[0], rate_hz)))[: AUDIO_S * rate_hz]
    steps = int(len(audio) / contract.step_samples)
    rng = np.random.default_rng(0)
    pcm = (0.1 * rng.standard_normal(contract.step_samples + 2 * contract.context_samples)).astype(np.float32)
    past = np.abs(rng.standard_normal((contract.past_frames, contract.feature_dim))).astype(np.float32)
    step = StepInput(0, pcm, past)
    random = rng.standard_normal((rows, contract.dimension)).astype(np.float32)
    random /= np.linalg.norm(random, axis=1, keepdims=True)
    index = CorrectedIndex(Embedded(random, np.zeros(rows, np.int64), ["w0"]), np.zeros(1, np.float32))
    queries = 2 if contract.recent_steps else 1
    history = analyse([audio[: round(profile.history_s) * rate_hz]], embedder).pitch
    tracks = [number % len(view.tracks) for number in range(profile.matcher.look)]
    gate = MusicGate()
    wav_steps = int(view.tracks[0].duration_s / contract.step_s)

    def line() -> None:
        feed = FeedLine(FeedClock("bench", rate_hz, 0), contract)
        for _ in events_of(feed, file_items(_blocks(audio)), embedder, view):
            pass

    decide = profile.decide_every_steps
    return {
        "decode (WAV, resampled)": (lambda: list(decode(material.catalogue_files[0], rate_hz)), wav_steps),
        "music gate": (lambda: gate.step(pcm), 1),
        "one feed's embedding": (lambda: embedder.run([step]), 1),
        f"embedding, {BATCH} feeds in one call": (lambda: embedder.run([step] * BATCH), BATCH),
        # Windows and pieces are searched one after the other.
        f"search, {queries} times {rows} vectors": (
            lambda: [index.search(random[n : n + 1], profile.matcher.hits) for n in range(queries)], 1,
        ),
        f"alignment, at a glance, {len(tracks)} references": (
            lambda: opinions(view, history, tracks, profile.matcher.glance, paths=False), decide,
        ),
        "alignment, fine, 1 reference": (
            lambda: opinions(view, history, tracks[:1], profile.matcher.fine, transpositions=[0]), decide,
        ),
        f"whole line, {len(view.tracks)} references": (line, steps),
    }  # fmt: skip


def _blocks(audio: Pcm16) -> list[Pcm16]:
    return np.array_split(audio, AUDIO_S)


def _catalogue(directory: Path, files: Sequence[Path], embedder: Embedder) -> CatalogueView:
    with CatalogueWriter(directory, embedder.contract, embedder.model_id) as writer:
        for number, path in enumerate(files):
            a = analyse(decode(path, embedder.contract.sample_rate_hz), embedder)
            unknown = (None,) * 5  # title … path
            track = Track(f"r{number}", f"w{number}", *unknown, f"{number:064x}", a.duration_s, len(a.embeddings))
            writer.add(track, a.embeddings, a.starts_s, a.pitch, a.pieces)
        writer.commit()
    return Catalogue.open(directory).view()
