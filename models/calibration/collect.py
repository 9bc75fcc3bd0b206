"""Evidence and truth, side by side, at every decision of a programme."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt

from models.calibration.programmes import HeardStep, Programme
from recognizer.calibration import FEATURES, Numbers
from recognizer.catalogue import CatalogueView
from recognizer.catalogue.segment import TrackData, quantise
from recognizer.contract import ModelContract
from recognizer.decision import Decision
from recognizer.events import FeedClock
from recognizer.profiles import Profile

Doubles = npt.NDArray[np.float64]
Bools = npt.NDArray[np.bool_]
# Just after a song has ended (or begun) both answers are right; such moments teach nothing.
_LATE_S = 6.0
_EARLY_S = 4.0


@dataclass(frozen=True, slots=True)
class Samples:
    """Candidates at decisions.

    Attributes
    ----------
    evidence : float64 array, shape (candidates, features)
        In the order of `recognizer.calibration.FEATURES`.
    true : bool array, shape (candidates,)
        Whether the work is sounding.
    leads : bool array, shape (candidates,)
        Whether it is the strongest of its decision.
    group : int64 array, shape (candidates,)
        Number of the programme: what must not be split between fitting and testing.
    """

    evidence: Doubles
    true: Bools
    leads: Bools
    group: npt.NDArray[np.int64]

    def pick(self, mask: Bools) -> Samples:
        """The candidates where ``mask`` is true."""
        return Samples(self.evidence[mask], self.true[mask], self.leads[mask], self.group[mask])


def joined(parts: Sequence[Samples]) -> Samples:
    """Samples of several programmes; of none, no candidates."""
    if not parts:
        return Samples(np.zeros((0, len(FEATURES))), np.zeros(0, bool), np.zeros(0, bool), np.zeros(0, np.int64))
    return Samples(
        np.concatenate([p.evidence for p in parts]),
        np.concatenate([p.true for p in parts]),
        np.concatenate([p.leads for p in parts]),
        np.concatenate([p.group for p in parts]),
    )


def part_of(view: CatalogueView, tracks: Sequence[int]) -> CatalogueView:
    """A catalogue of some of the tracks, ascending."""
    rows = []
    for number in tracks:
        mine = view.window_rows(number)
        pitch, scale = quantise(view.pitch(number))
        pieces = view.pieces[view.piece_rows(number)]
        rows.append(TrackData(view.tracks[number], view.vectors[mine], view.vector_start_s[mine], pitch, scale, pieces))
    works = len({row.track.work_id for row in rows})
    windows = sum(row.track.windows for row in rows)
    return CatalogueView(replace(view.manifest, tracks=len(rows), works=works, windows=windows, segments=()), rows)


def drawn(
    view: CatalogueView, played: Iterable[str], works: int, rng: np.random.Generator
) -> tuple[CatalogueView, CatalogueView]:
    """Two smaller catalogues, each with half of the works that are ``played`` (the others unknown there) and more."""
    known = {track.work_id for track in view.tracks}
    heard = sorted(known & set(played))
    rest = sorted(known - set(heard))
    order = rng.permutation(len(heard))
    halves = []
    for half in (0, 1):
        kept = {heard[number] for number in order[half::2]}
        kept |= {rest[number] for number in rng.permutation(len(rest))[: max(0, works - len(kept))]}
        halves.append(part_of(view, [number for number, track in enumerate(view.tracks) if track.work_id in kept]))
    return halves[0], halves[1]


class Catalogues:
    """The catalogues that programmes are weighed against: of every size two, each without half of what is played.

    Programmes that play nothing of the whole catalogue share those of each size.
    """

    def __init__(self, view: CatalogueView, sizes: Sequence[int], seed: int) -> None:
        self._view, self._sizes, self._seed = view, sizes, seed
        self._shared: dict[int, tuple[CatalogueView, CatalogueView]] = {}

    def in_turn(self, number: int, programme: Programme) -> Iterator[CatalogueView]:
        """Two for the programme of that number, always the same; the sizes take turns."""
        yield from self._of(self._sizes[number % len(self._sizes)], number, programme)

    def of_all_sizes(self, number: int, programme: Programme) -> Iterator[CatalogueView]:
        """Two of every size for the programme of that number."""
        for size in self._sizes:
            yield from self._of(size, number, programme)

    def _of(self, size: int, number: int, programme: Programme) -> tuple[CatalogueView, CatalogueView]:
        played = [part.work_id for part in programme.truth]
        if played:
            return drawn(self._view, played, size, np.random.default_rng((self._seed, number, size)))
        if size not in self._shared:
            self._shared[size] = drawn(self._view, (), size, np.random.default_rng((self._seed, size)))
        return self._shared[size]


def collect(
    programme: Programme,
    heard: Sequence[HeardStep],
    view: CatalogueView,
    contract: ModelContract,
    profile: Profile,
    group: int,
    calibration: Numbers | None = None,
) -> Samples:
    """Run the decision over a programme that was heard, against one catalogue.

    Without a calibration that has a gate, all on the shortlist may be aligned.
    """
    rate_hz = contract.sample_rate_hz
    contract = replace(contract, calibration=dict(calibration or {}))
    decision = Decision(FeedClock(str(programme.path), rate_hz, 0), contract, profile)
    evidence: list[tuple[float, ...]] = []
    true: list[bool] = []
    leads: list[bool] = []
    for entry in heard:
        decision.step(entry.step, entry.music, entry.output, view)
        now_s = (entry.step.start_sample + contract.step_samples) / rate_hz
        best = max((e.candidate.strength for e in decision.evidence), default=0.0)
        for found in decision.evidence:
            answer = _sounds(programme, found.candidate.work_id, now_s)
            if answer is not None:
                evidence.append(found.values)
                true.append(answer)
                leads.append(found.candidate.strength == best)
    shaped = np.array(evidence, dtype=np.float64).reshape(len(evidence), len(FEATURES))
    return Samples(shaped, np.array(true, bool), np.array(leads, bool), np.full(len(true), group, np.int64))


def _sounds(programme: Programme, work_id: str, now_s: float) -> bool | None:
    """Whether a work sounds at a time; ``None`` about its ends."""
    for part in programme.truth:
        if part.work_id == work_id:
            if part.start_s + _EARLY_S <= now_s <= part.end_s:
                return True
            if part.start_s <= now_s <= part.end_s + _LATE_S:
                return None
    return False
