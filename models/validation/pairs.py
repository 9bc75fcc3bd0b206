"""Which held-out files become queries and references, and which passage of each is played."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from models.data.manifest import Entry
from models.data.passages import Matched, matched
from models.data.score import MELODY, Score
from models.data.store import ScoreStore
from models.validation.manifest import draw_of
from models.validation.perform import Part, rounds_beats

LONGEST_REFERENCE_S = 45.0
_QUERY_S = (20.0, 30.0)
_SHORTEST_S = 22.0
_FEWEST_NOTES = 12


@dataclass(frozen=True, slots=True)
class Pair:
    """The same passage of a work in two versions.

    ``tempo_ratio`` says how long it lasts in the query per second of the reference, ``agreement`` in which share of the
    time the two tunes are on the same note.
    """

    query: Entry
    reference: Entry
    asked: Part
    kept: Part
    tempo_ratio: float
    agreement: float


def held_out(entries: list[Entry], spare: frozenset[str]) -> list[Entry]:
    """Files of works that no training may have seen: validation works, and works that are in spare collections only."""
    trained = {e.work_id for e in entries if e.split == "train" and e.collection not in spare}
    return [replace(e, split="val") for e in entries if e.work_id not in trained]


def draw_pair(query: Entry, reference: Entry, store: ScoreStore, rng: np.random.Generator) -> Pair | None:
    """Keys, tempi and passages for two versions of a work; None when their melodies share no passage."""
    a, b = store[query.path], store[reference.path]
    base_s = usual_beat_s(a, rng)
    found = matched(a, b, base_s)
    if found is None:
        return None
    tempo = np.exp(np.clip(rng.normal(0, 0.16, 2), -0.17, 0.17))
    beat_a, beat_b = base_s * float(tempo[0]), base_s * float(tempo[1]) / found.ratio
    seconds = float(rng.uniform(*_QUERY_S))
    start_a = _shared_start(a, b, found, seconds / beat_a)
    centre_b = found.b + found.ratio * (start_a + seconds / beat_a / 2 - found.a)
    kept_s = reference_s(b, beat_b)
    asked = Part(a, start_a, beat_a, seconds, _key(a, rng))
    kept = Part(b, _start(b, centre_b, kept_s / beat_b), beat_b, kept_s, _key(b, rng))
    return Pair(query, reference, asked, kept, float(tempo[0] / tempo[1]), found.agreement)


def lone_part(score: Score, rng: np.random.Generator) -> Part:
    """The beginning of a score in a key and tempo of its own, for a reference that nobody asks for.

    It begins at most a bar or two before the tune does: introductions may be long, or for drums alone.
    """
    beat_s = usual_beat_s(score, rng)
    first = float(score.onset[score.role == MELODY].min())
    start = max(0.0, float(np.floor(first / 4) * 4) - 4)
    return Part(score, start, beat_s, reference_s(score, beat_s), _key(score, rng))


def usual_beat_s(score: Score, rng: np.random.Generator) -> float:
    """A plausible beat: the score's own, a little varied, such that its tune has 0.8 to 5 notes a second."""
    tune = score.onset[score.role == MELODY]
    per_beat = len(tune) / max(1.0, float(tune.max() - tune.min())) if len(tune) else 1.0
    drawn = score.beat_s * float(np.exp(rng.normal(0, 0.1)))
    return float(np.clip(np.clip(drawn, per_beat / 5, per_beat / 0.8), 0.15, 2.0))


def reference_s(score: Score, beat_s: float) -> float:
    """Whole scores up to 45 s; those under 22 s are played again."""
    whole = rounds_beats(score) * beat_s
    return float(min(LONGEST_REFERENCE_S, whole * np.ceil(_SHORTEST_S / whole)))


def _start(score: Score, centre: float, beats: float) -> float:
    """First beat of a stretch around ``centre`` that stays inside the score (or its rounds)."""
    return float(np.clip(centre - beats / 2, 0.0, max(0.0, score.beats - beats)))


def _shared_start(a: Score, b: Score, found: Matched, beats: float) -> float:
    """First beat of a stretch of ``a`` around the match that ``b`` has too, as far as the two overlap."""
    low = max(0.0, found.a - found.b / found.ratio)
    high = min(a.beats, found.a + (b.beats - found.b) / found.ratio)
    start = float(np.clip(found.a - beats / 2, low, max(low, high - beats)))
    return min(start, max(0.0, a.beats - beats))


def _key(score: Score, rng: np.random.Generator) -> int:
    """A transposition of up to a tritone that keeps the tune in a singable middle."""
    tune = score.pitch[score.role == MELODY].astype(float)
    centre = float(np.median(tune)) if len(tune) else 66.0
    octave = 12 * round((66 - centre) / 12)
    return int(rng.integers(-6, 7)) + octave


def choose(
    entries: list[Entry], store: ScoreStore, references: int, seed: int, spare: frozenset[str] = frozenset()
) -> tuple[list[Pair], list[Entry], list[str]]:
    """Pairs of human versions, the other references, and the works whose versions share no passage.

    Of a work with several versions two are drawn. Other references are one file a work: validation works first, then
    the ``spare`` collections, in an order drawn once per seed; works left out of the pairs are not among them. What is
    drawn for a work does not depend on the other works.
    """
    by_work: dict[str, list[Entry]] = {}
    for entry in entries:
        if entry.path in store and _has_tune(store[entry.path]):
            by_work.setdefault(entry.work_id, []).append(entry)
    pairs: list[Pair] = []
    unmatched: list[str] = []
    single: list[Entry] = []
    for work, files in sorted(by_work.items()):
        rng = np.random.default_rng((seed, 1, draw_of(seed, work)))
        first = int(rng.integers(len(files)))
        versions = [f for f in files if f.version != files[first].version]
        if not versions:
            single.append(files[first])
            continue
        order = rng.permutation(len(versions))
        drawn = (draw_pair(files[first], versions[int(i)], store, rng) for i in order)
        pair = next((p for p in drawn if p is not None), None)
        if pair is None:
            unmatched.append(work)
        else:
            pairs.append(pair)
    others = sorted(single, key=lambda e: (e.collection in spare, draw_of(seed, e.work_id)))
    return pairs, others[: max(0, references - len(pairs))], unmatched


def _has_tune(score: Score) -> bool:
    return int(np.count_nonzero(score.role == MELODY)) >= _FEWEST_NOTES
