"""Losses against plain definitions and values worked out by hand."""

from __future__ import annotations

import math

import pytest

torch = pytest.importorskip("torch", reason="torch is not installed (extra 'train')")

from models.losses.angular import AngularMargin  # noqa: E402
from models.losses.build import build_loss, reads_features  # noqa: E402
from models.losses.clews import Clews, best_pairs  # noqa: E402
from models.losses.contrastive import SupervisedContrastive  # noqa: E402
from models.losses.softmax import WorkSoftmax  # noqa: E402
from models.losses.triplet import SemiHardTriplet  # noqa: E402
from models.settings import Data, Loss, Net, SettingsError  # noqa: E402


def vectors(seed: int, count: int = 8) -> torch.Tensor:
    generator = torch.Generator().manual_seed(seed)
    return torch.nn.functional.normalize(torch.randn(count, 5, generator=generator), dim=1)


def at_angles(*degrees: float) -> torch.Tensor:
    radians = torch.deg2rad(torch.tensor(degrees))
    return torch.stack([torch.cos(radians), torch.sin(radians)], 1)


def test_contrastive_is_the_mean_log_share_of_the_positives() -> None:
    z, labels = vectors(0, 6), torch.tensor([0, 1, 2, 0, 1, 0])
    total = 0.0
    for i in range(6):
        others = [math.exp(float(z[i] @ z[j]) / 0.1) for j in range(6) if j != i]
        mine = [math.exp(float(z[i] @ z[j]) / 0.1) for j in range(6) if j != i and labels[i] == labels[j]]
        if mine:
            total += -sum(math.log(m / sum(others)) for m in mine) / len(mine)
    assert float(SupervisedContrastive(0.1)(z, labels)) == pytest.approx(total / 6, rel=1e-4)


def test_the_memory_adds_past_views_of_other_works_as_negatives_only() -> None:
    loss = SupervisedContrastive(0.1, memory=6, dimension=5)
    past, past_labels = vectors(3, 4), torch.tensor([7, 8, 7, 8])
    loss(past, past_labels)
    z, labels = vectors(4, 4), torch.tensor([0, 7, 0, 7])
    total = 0.0
    for i in range(4):
        (mine,) = (float(z[i] @ z[j]) for j in range(4) if j != i and labels[i] == labels[j])
        rows = [z[j] for j in range(4) if j != i] + [
            p for p, w in zip(past, past_labels, strict=True) if w != labels[i]
        ]
        total -= mine / 0.1 - math.log(sum(math.exp(float(z[i] @ row) / 0.1) for row in rows))
    assert float(loss(z, labels)) == pytest.approx(total / 4, rel=1e-4)
    assert loss.past_labels.tolist() == [0, 7, 0, 7, 7, 8]


def test_triplet_takes_the_nearest_negative_beyond_the_positive_else_the_farthest() -> None:
    z, labels = vectors(1), torch.tensor([0, 1, 2, 3, 0, 1, 2, 3])
    terms = []
    for a in range(8):
        for p in range(8):
            if a == p or labels[a] != labels[p]:
                continue
            near = float((z[a] - z[p]).square().sum())
            far = [float((z[a] - z[n]).square().sum()) for n in range(8) if labels[n] != labels[a]]
            semi = [d for d in far if d > near]
            terms.append(max(0.0, near - (min(semi) if semi else max(far)) + 0.3))
    assert float(SemiHardTriplet(0.3)(z, labels)) == pytest.approx(sum(terms) / len(terms), rel=1e-4)


def test_softmax_is_the_mean_log_share_of_the_right_class() -> None:
    torch.manual_seed(0)
    loss, features, labels = WorkSoftmax(3, 5), torch.randn(4, 5) * 3, torch.tensor([2, 0, 1, 0])
    logits = (features @ loss.classes.weight.T + loss.classes.bias).tolist()
    shares = [math.exp(row[w]) / sum(map(math.exp, row)) for row, w in zip(logits, labels.tolist(), strict=True)]
    assert loss(features, labels).item() == pytest.approx(-sum(map(math.log, shares)) / 4, rel=1e-4)
    assert reads_features(loss)
    assert not reads_features(SemiHardTriplet())


@pytest.mark.parametrize(("margin", "angle"), [(0.0, 0.0), (0.1, 0.0), (0.0, 0.2), (0.1, 0.2)])
def test_angular_margins_are_added_to_the_right_class_alone(margin: float, angle: float) -> None:
    loss = AngularMargin(2, 2, scale=10.0, margin=margin, angle_margin=angle)
    with torch.no_grad():
        loss.weight.copy_(torch.tensor([[3.0, 0.0], [0.0, 0.5]]))  # lengths do not count
    # 60 degrees from class 0 and 30 from class 1, and class 0 is right.
    right = 10 * (math.cos(math.radians(60) + angle) - margin)
    wrong = 10 * math.cos(math.radians(30))
    expected = math.log(math.exp(right) + math.exp(wrong)) - right
    assert loss(at_angles(60), torch.tensor([0])).item() == pytest.approx(expected, rel=1e-4)


def test_margins_grow_while_training_and_only_then() -> None:
    growing, full, none = (AngularMargin(2, 2, 10.0, m, a, g) for m, a, g in ((0.3, 0.2, 4), (0.3, 0.2, 0), (0, 0, 0)))
    half = AngularMargin(2, 2, 10.0, 0.15, 0.1)
    for loss in (growing, full, none, half):
        with torch.no_grad():
            loss.weight.copy_(torch.eye(2))
    z, label = at_angles(60), torch.tensor([0])
    said = [growing(z, label).item() for _ in range(6)]
    assert said[0] == none(z, label).item() and said[2] == pytest.approx(half(z, label).item(), rel=1e-6)
    assert said[4] == said[5] == full(z, label).item()
    assert said[:5] == sorted(said[:5]) and len(set(said)) == 5
    # A run that goes on from a checkpoint goes on growing where it was.
    again = AngularMargin(2, 2, 10.0, 0.3, 0.2, 4).eval()
    again.load_state_dict({**growing.state_dict(), "calls": torch.tensor(2)})
    assert again(z, label).item() == again(z, label).item() == said[2]


def test_an_angle_beyond_the_half_turn_gains_nothing() -> None:
    loss = AngularMargin(2, 2, scale=1.0, margin=0.0, angle_margin=1.0)
    with torch.no_grad():
        loss.weight.copy_(torch.eye(2))
    right, wrong = -1.0, math.cos(math.radians(80))
    expected = math.log(math.exp(right) + math.exp(wrong)) - right
    assert loss(at_angles(170), torch.tensor([0])).item() == pytest.approx(expected, rel=1e-2)


def slow_best_pairs(distance: torch.Tensor, pairs: int) -> float:
    rows, columns, taken = set(range(len(distance))), set(range(len(distance))), []
    for _ in range(pairs):
        value, i, j = min((float(distance[i, j]), i, j) for i in rows for j in columns)
        rows.remove(i)
        columns.remove(j)
        taken.append(value)
    return sum(taken) / pairs


@pytest.mark.parametrize("pairs", [1, 2, 4])
def test_best_pairs_use_no_window_twice(pairs: int) -> None:
    distance = torch.rand(6, 4, 4, generator=torch.Generator().manual_seed(5))
    expected = torch.tensor([slow_best_pairs(d, pairs) for d in distance])
    torch.testing.assert_close(best_pairs(distance, pairs), expected)


def test_clews_by_hand() -> None:
    # Two performances of work 0 at (0, 90) and (90, 180) degrees, one of work 1 at 270 twice.
    z, labels = at_angles(0, 90, 90, 180, 270, 270), torch.tensor([0, 0, 0, 0, 1, 1])
    # Best pair: 90 with 90, squared distance 0; the pair left is 0 with 180, squared distance 4. Every performance of
    # work 0 has a window a quarter turn from work 1: squared distance 2.
    uniformity = math.log(1e-6 + math.exp(-5 * 2))
    assert float(Clews(2, 1)(z, labels)) == pytest.approx(0 + uniformity, abs=1e-4)
    assert float(Clews(2, 2)(z, labels)) == pytest.approx(2 + uniformity, abs=1e-4)


def test_clews_pulls_the_best_pair_and_pushes_the_nearest_negative_only() -> None:
    z = at_angles(0, 80, 90, 200, 260, 150).requires_grad_()
    Clews(2, 1)(z, torch.tensor([0, 0, 0, 0, 1, 1])).backward()
    slope = z.grad
    assert slope is not None
    # 80 with 90 is the best pair; 200 is nearest to 150, 80 to 150.
    moved = [bool(row.abs().sum() > 1e-7) for row in slope]
    assert moved == [False, True, True, True, False, True]


def test_losses_that_cannot_be_built_are_refused_by_name() -> None:
    with pytest.raises(SettingsError, match="'magic'"):
        build_loss(Loss(kind="magic"), Data(), Net(), lambda: 10)
    with pytest.raises(SettingsError, match="windows is 2"):
        build_loss(Loss(kind="triplet"), Data(windows=2), Net(), lambda: 10)
    with pytest.raises(SettingsError, match="3 best pairs of 2 windows"):
        build_loss(Loss(kind="clews", pairs=3), Data(windows=2), Net(), lambda: 10)
