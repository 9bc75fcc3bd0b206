"""Rankings against hand-worked examples, and against the definitions written out slowly."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from recognizer.evaluation.figures import figures
from recognizer.evaluation.ranking import Ranks, rank, trial


def ranks_of(scores: list[float], relevant: list[bool], ranked: list[bool] | None = None) -> Ranks:
    row = np.array([scores], dtype=np.float64)
    return rank(row, np.array([relevant]), np.array([ranked or [True] * len(scores)]))


def test_a_hand_worked_query() -> None:
    # Order: c (wrong), a (right), e (wrong), b (right), d (wrong).
    found = ranks_of([0.8, 0.3, 0.9, 0.1, 0.5], [True, True, False, False, False])
    assert found.average_precision[0] == pytest.approx((1 / 2 + 2 / 4) / 2)
    assert found.first[0] == 2 and found.reciprocal[0] == 0.5
    assert found.hits_10[0] == 2 and found.relevant[0] == 2
    assert found.above[0] == pytest.approx((1 / 3 + 2 / 3) / 2)  # c above a; c and e above b; of three wrong ones


def test_ten_places_only() -> None:
    scores = list(range(20, 0, -1))
    relevant = [False] * 9 + [True, True] + [False] * 9  # places 10 and 11
    found = ranks_of([float(s) for s in scores], relevant)
    assert found.average_precision_10[0] == pytest.approx((1 / 10) / 2)
    assert found.average_precision[0] == pytest.approx((1 / 10 + 2 / 11) / 2)
    assert found.hits_10[0] == 1
    # With more relevant references than places, ten right places are perfect.
    assert ranks_of([float(s) for s in scores], [True] * 15 + [False] * 5).average_precision_10[0] == 1.0


def test_of_equal_scores_the_relevant_come_last() -> None:
    assert ranks_of([0.5, 0.5, 0.5], [True, False, False]).first[0] == 3
    assert ranks_of([0.5, 0.5, 0.5], [False, False, True]).first[0] == 3


def test_what_is_not_ranked_or_not_retrieved() -> None:
    itself = ranks_of([1.0, 0.2, 0.4], [False, True, False], [False, True, True])
    assert itself.first[0] == 2
    missing = ranks_of([float("-inf"), 0.2, 0.4], [True, False, True])
    assert missing.average_precision[0] == pytest.approx(0.5)  # 1 for the one found, 0 for the other
    nothing = ranks_of([float("-inf"), 0.2], [True, False])
    assert nothing.average_precision[0] == 0 and nothing.reciprocal[0] == 0 and nothing.hits_10[0] == 0


def test_only_relevant_references_leave_nothing_to_be_above() -> None:
    assert ranks_of([0.1, 0.2], [True, True]).above[0] == 0.0


def test_what_cannot_be_ranked_is_refused() -> None:
    with pytest.raises(ValueError, match="no relevant reference"):
        ranks_of([0.1, 0.2], [False, False])
    with pytest.raises(ValueError, match="not a number"):
        ranks_of([float("nan"), 0.2], [True, False])
    with pytest.raises(ValueError, match="shapes differ"):
        rank(np.zeros((1, 2)), np.zeros((1, 3), bool), np.zeros((1, 2), bool))


def test_a_trial_leaves_out_singletons_and_a_query_s_own_recording() -> None:
    # Everything is query and reference: two versions of x, a singleton y, and a copy of x1's file.
    ids, works = ["x1", "x2", "y1", "x1"], ["x", "x", "y", "x"]
    asked = trial(ids, works, ids, works)
    assert asked.rows.tolist() == [0, 1, 3] and asked.works == ("x", "x", "x")
    assert asked.ranked.tolist() == [[False, True, True, False], [True, False, True, True], [False, True, True, False]]
    assert asked.relevant.tolist() == [
        [False, True, False, False], [True, False, False, True], [False, True, False, False],
    ]  # fmt: skip
    nobody = trial(["q"], ["w"], ["r"], ["v"])
    assert nobody.works == () and nobody.relevant.shape == (0, 1)


def slow(scores: list[float], relevant: list[bool]) -> dict[str, float]:
    """The definitions, word for word."""
    order = sorted(range(len(scores)), key=lambda n: (-scores[n], relevant[n]))
    flags = [relevant[n] for n in order]
    total = sum(flags)
    ap = ap10 = 0.0
    above = []
    for place, flag in enumerate(flags, start=1):
        if flag:
            precision = sum(flags[:place]) / place
            ap += precision / total
            ap10 += precision / min(total, 10) if place <= 10 else 0
            wrong = len(flags) - total
            above.append((place - sum(flags[:place])) / wrong if wrong else 0.0)
    return {
        "ap": ap, "ap10": ap10, "first": flags.index(True) + 1, "hits": sum(flags[:10]),
        "above": sum(above) / len(above),
    }  # fmt: skip


@st.composite
def rankings(draw: st.DrawFn) -> tuple[list[float], list[bool]]:
    size = draw(st.integers(1, 30))
    scores = draw(st.lists(st.integers(-4, 4).map(float), min_size=size, max_size=size))  # many ties
    relevant = draw(st.lists(st.booleans(), min_size=size, max_size=size).filter(any))
    return scores, relevant


@given(rankings())
def test_equals_the_slow_definitions(example: tuple[list[float], list[bool]]) -> None:
    found, expected = ranks_of(*example), slow(*example)
    assert found.average_precision[0] == pytest.approx(expected["ap"])
    assert found.average_precision_10[0] == pytest.approx(expected["ap10"])
    assert found.first[0] == expected["first"]
    assert found.hits_10[0] == expected["hits"]
    assert found.above[0] == pytest.approx(expected["above"])


@given(rankings(), st.permutations(range(30)))
def test_the_order_of_references_does_not_matter(example: tuple[list[float], list[bool]], order: list[int]) -> None:
    scores, relevant = example
    shuffled = [n for n in order if n < len(scores)]
    before, after = ranks_of(scores, relevant), ranks_of([scores[n] for n in shuffled], [relevant[n] for n in shuffled])
    assert before.average_precision[0] == pytest.approx(after.average_precision[0])
    assert before.first[0] == after.first[0]


@settings(deadline=None, max_examples=20)
@given(st.integers(0, 2**32 - 1))
def test_figures_of_a_symmetric_set(seed: int) -> None:
    rng = np.random.default_rng(seed)
    ids = [str(n) for n in range(12)]
    works = [str(n) for n in rng.integers(0, 5, 12)]
    asked = trial(ids, works, ids, works)
    if not asked.works:
        return
    scores: Any = rng.random((12, 12))[asked.rows]
    found = figures(scores, asked, seed=1)
    assert found.queries == sum(works.count(work) > 1 for work in works)
    means = {name: estimate.value for name, estimate in found.means.items()}
    slowly = [
        slow(scores[q][asked.ranked[q]].tolist(), asked.relevant[q][asked.ranked[q]].tolist())
        for q in range(found.queries)
    ]
    assert means["MAP"] == pytest.approx(np.mean([row["ap"] for row in slowly]))
    assert means["MR1"] == pytest.approx(np.mean([row["first"] for row in slowly]))
    assert means["MRR"] == pytest.approx(np.mean([1 / row["first"] for row in slowly]))
    assert means["Top1"] == pytest.approx(np.mean([row["first"] == 1 for row in slowly]))
    assert means["MNIT10"] == pytest.approx(10 * means["P@10"])
    assert means["NAR"] == pytest.approx(100 * np.mean([row["above"] for row in slowly]))
    assert found.equal_error is not None
    assert found.equal_error.positive + found.equal_error.negative == found.queries * 11
    assert found.to_json() == figures(scores, asked, seed=1).to_json()
    assert found.to_json()["ACC_top1"] == means["Top1"]
