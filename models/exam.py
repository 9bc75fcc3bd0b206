"""Held-out works to examine embeddings by: the same score again, and another human's version of it."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt

from models.data.manifest import Entry
from models.data.store import ScoreStore
from models.data.views import Corpus, Recipe, group_of_views

_VIEWS = 4  # sides 0 and 2 play the first version of a work, 1 and 3 the second
_GROUP = 8


@dataclass(frozen=True, slots=True)
class Exam:
    """One reference and two queries of every work, all 20 s piano rolls.

    Attributes
    ----------
    references : uint8 array, shape (works, frames, bins)
    queries : uint8 array, shape (2, works, frames, bins)
    human : bool array, shape (works,)
        Where reference and queries are versions by different people.
    """

    references: npt.NDArray[np.uint8]
    queries: npt.NDArray[np.uint8]
    human: npt.NDArray[np.bool_]


def read_exam(path: Path) -> Exam:
    """An exam that `write_exam` wrote."""
    with np.load(path, allow_pickle=False) as data:
        return Exam(data["references"], data["queries"], data["human"])


def write_exam(exam: Exam, path: Path) -> None:
    """Write an exam; an interrupted one is not left under its name."""
    part = path.with_suffix(".part.npz")
    np.savez(part, references=exam.references, queries=exam.queries, human=exam.human)
    part.replace(path)


def make_exam(entries: list[Entry], store: ScoreStore, others: int, seed: int = 0) -> Exam:
    """Views of all works of ``entries`` that have two human versions of one passage, and of ``others`` more works.

    The references of a group of eight works share a style, the queries others, as in training.
    """
    corpus = Corpus(entries, store)
    rng = np.random.default_rng(seed)
    pairs = [pair for files in corpus.works if (pair := _two_versions(corpus, files))]
    taken = {file for pair in pairs for file in pair}
    single = [files[:1] for files in corpus.works if not taken & set(files)]
    rng.shuffle(single)
    works = [*pairs, *single[:others]]
    human = np.arange(len(works)) < len(pairs)
    order = rng.permutation(len(works))
    corpus.works = [works[int(i)] for i in order]
    recipe = Recipe(human=1.0, views=_VIEWS)
    rolls = np.concatenate(
        [
            group_of_views(corpus, recipe, np.arange(i, min(i + _GROUP, len(works))), rng)[:, :, 0]
            for i in range(0, len(works), _GROUP)
        ],
        axis=1,
    )
    return Exam(rolls[0], rolls[1::2], human[order])


def _two_versions(corpus: Corpus, files: list[str]) -> list[str]:
    """The first two versions of a work that share a passage; none if there are not two."""
    for i, a in enumerate(files):
        for b in files[i + 1 :]:
            if len(corpus.anchors(a, b)) and len(corpus.anchors(b, a)):
                return [a, b]
    return []
