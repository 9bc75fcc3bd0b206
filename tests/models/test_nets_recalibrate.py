"""Refitting statistics changes statistics and nothing else."""

from __future__ import annotations

import pytest

torch = pytest.importorskip("torch", reason="torch is not installed (extra 'train')")

from models.nets.embedding import EmbeddingConfig, EmbeddingNet  # noqa: E402
from models.recalibrate import refit  # noqa: E402


def test_statistics_become_those_of_the_windows_and_weights_stay() -> None:
    torch.manual_seed(0)
    net = EmbeddingNet(EmbeddingConfig((8, 8, 8, 8), 16, 16)).eval()
    before = {name: value.clone() for name, value in net.state_dict().items()}
    windows = torch.rand(64, 160, 84) ** 4
    refit(net, windows)
    changed = {n for n, v in net.state_dict().items() if not torch.equal(v, before[n])}
    assert changed
    assert all("running" in name or "num_batches" in name for name in changed)
    assert not net.training and not any(m.training for m in net.modules())
    seen: list[torch.Tensor] = []
    net.hidden_norm.register_forward_hook(lambda _module, inputs, _output: seen.append(inputs[0]))
    refit(net, windows)
    assert torch.allclose(net.hidden_norm.running_mean, seen[0].mean(0), atol=1e-5)
