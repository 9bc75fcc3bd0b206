"""What a decision costs beside the embedding of the same step: processor time on one thread, best of several rounds.

``pytest -s tests/bench`` prints the figures. What is asserted are ratios, measured side by side, and only guards
against a change that makes decisions several times dearer; the aim is a fifth of the embedding's time.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from dataclasses import replace

import numpy as np
import pytest
from threadpoolctl import threadpool_limits

from recognizer.align import align_prepared, prepared
from recognizer.catalogue import CatalogueView
from recognizer.contract import ModelContract
from recognizer.decision import Decision
from recognizer.embedder import Embedder
from recognizer.events import FeedClock
from recognizer.hubs import hubs, piece_hubs
from recognizer.matcher import pooled
from recognizer.profiles import PROFILES
from recognizer.released import default_model_path
from recognizer.step import StepInput, StepOutput
from recognizer.windower import Step
from tests.recognizer.catalogue.builders import CONTRACT as MADE_UP
from tests.recognizer.songbook import FPS, chords, pieces, songbook, windows

WORKS, SONG_S, DIMENSION, STEPS = 2000, 240, 128, 40


@pytest.fixture(scope="module", autouse=True)
def one_thread() -> Iterator[None]:
    """As in the programs: a second thread would make small matrix products many times dearer."""
    with threadpool_limits(limits=1):
        yield


def best_ms(run: Callable[[], object], rounds: int = 7) -> float:
    spent = []
    for _ in range(rounds):
        began = time.process_time()
        run()
        spent.append(time.process_time() - began)
    return min(spent) * 1000


@pytest.fixture(scope="module")
def embedder() -> Embedder:
    return Embedder(default_model_path())


@pytest.fixture(scope="module")
def contract(embedder: Embedder) -> ModelContract:
    """Made-up audio, weighed as the released model's calibration says."""
    return replace(MADE_UP, dimension=DIMENSION, calibration=embedder.contract.calibration)


@pytest.fixture(scope="module")
def embedding_ms(embedder: Embedder) -> float:
    """One step of one feed through the released network."""
    contract = embedder.contract
    noise = np.random.default_rng(0).normal(scale=0.1, size=contract.step_samples + 2 * contract.context_samples)
    past = np.zeros((contract.past_frames, contract.feature_dim), dtype=np.float32)
    step = StepInput(0, noise.astype(np.float32), past)
    return best_ms(lambda: embedder.run([step]), 15)


@pytest.fixture(scope="module")
def view(tmp_path_factory: pytest.TempPathFactory) -> CatalogueView:
    return songbook(
        tmp_path_factory.mktemp("large") / "catalogue", WORKS, seconds=SONG_S, dimension=DIMENSION, with_pieces=True
    )


def test_one_candidate(embedding_ms: float) -> None:
    pitch, reference, matcher = chords(60 * FPS, 1), chords(SONG_S * FPS, 2), PROFILES["monitoring"].matcher
    glance, fine = matcher.glance, matcher.fine
    small, large = prepared(pooled(reference, glance.pool)), prepared(reference)

    def look_twice() -> None:
        [(rough, _)] = align_prepared(pooled(pitch, glance.pool), [small], glance.align, paths=False)
        align_prepared(pitch, [large], fine.align, transpositions=[rough.transpose_semitones])

    spent = best_ms(look_twice)
    print(f"\n60 s against 4 min, at a glance and finely, both directions of time: {spent:.1f} ms")
    print(f"embedding of one step: {embedding_ms:.1f} ms")
    assert spent <= 3 * embedding_ms


@pytest.mark.parametrize("playing", ["a song of the catalogue", "a stranger"])
def test_a_step_with_two_thousand_works(
    view: CatalogueView, playing: str, contract: ModelContract, embedding_ms: float
) -> None:
    song = 77 if playing != "a stranger" else 10_000
    pitch, embeddings = chords(SONG_S * FPS, song), windows(SONG_S // 4, DIMENSION, song)
    recent = pieces(song, DIMENSION, SONG_S)
    silence = np.zeros(contract.step_samples, dtype=np.float32)

    def play() -> None:
        decision = Decision(FeedClock("bench", contract.sample_rate_hz, 0), contract, PROFILES["monitoring"])
        for number in range(STEPS):
            frames = pitch[number * 8 : number * 8 + 8]
            output = StepOutput(np.zeros((8, 12), np.float32), frames, embeddings[number // 2], recent[number])
            decision.step(Step(number * contract.step_samples, silence, len(silence)), True, output, view)

    search = best_ms(lambda: hubs(view).search(embeddings[:1], 64), 3)
    search += best_ms(lambda: piece_hubs(view).search(recent[:1], 64), 3)
    whole = best_ms(play, 3) / STEPS
    print(f"\n{playing}, {WORKS} works: {whole - search:.2f} ms a step and {search:.2f} ms of search")
    print(f"embedding of the step: {embedding_ms:.1f} ms")
    assert whole - search <= 2 * embedding_ms
