"""The embedding ignores the key exactly, and the level."""

from __future__ import annotations

import pytest

torch = pytest.importorskip("torch", reason="torch is not installed (extra 'train')")

from models.nets.embedding import CLASSES, OCTAVES, EmbeddingConfig, EmbeddingNet, fold  # noqa: E402


def net() -> EmbeddingNet:
    torch.manual_seed(0)
    made = EmbeddingNet(EmbeddingConfig(widths=(8, 12, 16, 20), dimension=32, hidden=24))
    for _ in range(3):  # away from the initial statistics
        made(torch.rand(4, 160, OCTAVES * CLASSES) ** 4)
    return made.eval()


def test_turning_the_pitch_classes_changes_nothing() -> None:
    made = net()
    x = torch.rand(3, 160, OCTAVES, CLASSES) ** 4
    with torch.no_grad():
        plain = made(x.flatten(2))
        for shift in range(1, 12):
            assert torch.allclose(made(x.roll(shift, 3).flatten(2)), plain, atol=1e-5)


def test_transposed_music_away_from_octave_borders_stays_close_and_other_music_does_not() -> None:
    made = net()
    x = torch.zeros(1, 160, OCTAVES * CLASSES)
    x[0, torch.arange(160), 12 * 3 + torch.arange(160) // 10 % 6] = 1.0
    other = torch.zeros_like(x)
    other[0, torch.arange(160), 12 * 3 + (torch.arange(160) // 10) ** 2 % 11] = 1.0
    with torch.no_grad():
        a, up, b = made(x)[0], made(x.roll(5, 2))[0], made(other)[0]
    assert float(a @ up) == pytest.approx(1.0, abs=1e-5)
    assert float(a @ b) < 0.999


def test_the_level_of_the_salience_hardly_matters_and_vectors_have_unit_length() -> None:
    made = net()
    x = torch.rand(2, 160, 84) ** 2
    with torch.no_grad():
        z, quiet = made(x), made(x * 0.6)
    assert torch.allclose(z.norm(dim=1), torch.ones(2), atol=1e-5)
    assert float((z * quiet).sum(1).min()) > 0.99


def test_silence_gives_a_finite_vector() -> None:
    with torch.no_grad():
        assert torch.isfinite(net()(torch.zeros(1, 160, 84))).all()


def test_folding_keeps_octaves_apart_and_classes_in_order() -> None:
    x = torch.zeros(1, 2, 84)
    x[0, 1, 12 * 4 + 7] = 1
    assert torch.nonzero(fold(x)).tolist() == [[0, 4, 1, 7]]
