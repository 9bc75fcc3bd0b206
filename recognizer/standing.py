"""How a reference stands among the others that are near to a feed: what one cosine alone does not tell.

A cosine is high, too, because the reference is near to everything, or because the feed's music is near to many
references. So it is compared with those of the other references on the list, by now and over the last half minute.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import NamedTuple

from recognizer.catalogue import CatalogueView
from recognizer.hubs import hubs
from recognizer.shortlist import FEW, Shortlist

# Nearness of the references on the list of a catalogue of a hundred works, median over programmes (salience-4).
_STRANGER_COSINE = 0.54


class Standing(NamedTuple):
    """Of one reference.

    Attributes
    ----------
    similarity : float
        See `recognizer.shortlist.Nearness`.
    margin : float
        Nearness of what is newest (`recognizer.shortlist.Nearness`), above the mean of the other works on the list.
        Where there are few others, strangers of a larger catalogue stand in for the rest.
    lead_lasting : float
        Its score of the last half minute (`Shortlist.scores`), above the best of another work.
    """

    similarity: float = 0.0
    margin: float = 0.0
    lead_lasting: float = 0.0


def standings(view: CatalogueView, shortlist: Shortlist, tracks: Sequence[int]) -> dict[int, Standing]:
    """How each of some tracks stands among all of them, by number."""
    near = shortlist.nearness(view, tracks)
    works = {number: view.tracks[number].work_id for number in tracks}
    newest = {number: near[number].newest for number in tracks}
    best = _best_of_works(view, shortlist.scores)
    leaders = sorted(best, key=best.__getitem__, reverse=True)[:2]
    found = {}
    for number in tracks:
        others = [newest[other] for other in tracks if works[other] != works[number]]
        others += [_STRANGER_COSINE - hubs(view).taken(number)] * (FEW - len(others))
        rival = next((best[work] for work in leaders if work != works[number]), 0.0)
        lasting = shortlist.scores.get(view.tracks[number].reference_id, 0.0)
        found[number] = Standing(
            similarity=near[number].similarity,
            margin=newest[number] - sum(others) / len(others),
            lead_lasting=lasting - rival,
        )
    return found


def _best_of_works(view: CatalogueView, scores: Mapping[str, float]) -> dict[str, float]:
    best: dict[str, float] = {}
    for reference, score in scores.items():
        number = view.track_number(reference)
        if number is not None:
            work = view.tracks[number].work_id
            best[work] = max(best.get(work, score), score)
    return best
