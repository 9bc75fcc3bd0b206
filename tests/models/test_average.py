"""Averaged checkpoints are between the two, and only of one network."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

torch = pytest.importorskip("torch", reason="training needs torch (pip install '.[train]')")

from models.average import main  # noqa: E402
from models.nets.embedding import EmbeddingConfig, EmbeddingNet  # noqa: E402
from models.validate_scores import load  # noqa: E402

CONFIG = {"widths": [8, 12, 16, 20], "dimension": 32, "hidden": 24}


def checkpoint(path: Path, seed: int, dimension: int = 32) -> Path:
    torch.manual_seed(seed)
    config = CONFIG | {"dimension": dimension}
    net = EmbeddingNet(EmbeddingConfig(**config))
    torch.save({"average": net.state_dict(), "config": config, "step": seed}, path)
    return path


def test_the_average_lies_between(tmp_path: Path) -> None:
    a, b, out = checkpoint(tmp_path / "a.pt", 1), checkpoint(tmp_path / "b.pt", 2), tmp_path / "c.pt"
    assert main([str(a), str(b), "--share", "0.25", "--out", str(out)]) == 0
    first, second, between = (load(path).state_dict() for path in (a, b, out))
    for name, weight in between.items():
        if weight.is_floating_point():
            expected = 0.75 * first[name].numpy() + 0.25 * second[name].numpy()
            np.testing.assert_allclose(weight.numpy(), expected, atol=1e-6, err_msg=name)
    with torch.no_grad():
        assert load(out)(torch.rand(1, 160, 84)).shape == (1, 32)


@pytest.mark.parametrize(
    ("dimension", "share", "sentence"), [(16, "0.5", "different networks"), (32, "2", "from 0 to 1")]
)
def test_what_makes_no_sense_is_refused(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], dimension: int, share: str, sentence: str
) -> None:
    a, b = checkpoint(tmp_path / "a.pt", 1), checkpoint(tmp_path / "b.pt", 2, dimension)
    with pytest.raises(SystemExit):
        main([str(a), str(b), "--share", share, "--out", str(tmp_path / "c.pt")])
    assert sentence in capsys.readouterr().err
    assert not (tmp_path / "c.pt").exists()
