"""Losses against plain definitions."""

from __future__ import annotations

import math

import pytest

torch = pytest.importorskip("torch", reason="torch is not installed (extra 'train')")

from models.losses.build import build_loss  # noqa: E402
from models.losses.contrastive import SupervisedContrastive  # noqa: E402
from models.losses.softmax import WorkSoftmax  # noqa: E402
from models.losses.triplet import SemiHardTriplet  # noqa: E402
from models.settings import Loss, SettingsError  # noqa: E402


def vectors(seed: int, count: int = 8) -> torch.Tensor:
    generator = torch.Generator().manual_seed(seed)
    return torch.nn.functional.normalize(torch.randn(count, 5, generator=generator), dim=1)


def test_contrastive_is_the_mean_log_share_of_the_positives() -> None:
    z, labels = vectors(0, 6), torch.tensor([0, 1, 2, 0, 1, 0])
    total = 0.0
    for i in range(6):
        others = [math.exp(float(z[i] @ z[j]) / 0.1) for j in range(6) if j != i]
        mine = [math.exp(float(z[i] @ z[j]) / 0.1) for j in range(6) if j != i and labels[i] == labels[j]]
        if mine:
            total += -sum(math.log(m / sum(others)) for m in mine) / len(mine)
    assert float(SupervisedContrastive(0.1)(z, labels)) == pytest.approx(total / 6, rel=1e-4)


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


def test_a_margin_makes_the_softmax_harder_and_right_answers_make_it_small() -> None:
    torch.manual_seed(0)
    plain, strict = WorkSoftmax(4, 5), WorkSoftmax(4, 5, margin=0.3)
    strict.load_state_dict(plain.state_dict())
    z, labels = vectors(2, 4), torch.arange(4)
    with torch.no_grad():
        assert float(strict(z, labels)) > float(plain(z, labels))
        plain.weight.copy_(z)
        assert float(plain(z, labels)) < 0.5 * float(plain(z.roll(1, 0), labels))


def test_unknown_losses_are_refused_by_name() -> None:
    with pytest.raises(SettingsError, match="'magic'"):
        build_loss(Loss(kind="magic"), 10, 5)
