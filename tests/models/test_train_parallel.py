"""Two trainers on one batch do what one would."""

from __future__ import annotations

import os
import subprocess
import sys
from typing import Any

import pytest

torch = pytest.importorskip("torch", reason="torch is not installed (extra 'train')")

from tests.models.parallel_child import LOSSES, example, slopes, trainee  # noqa: E402
from tests.models.small_corpus import write_config, write_corpus  # noqa: E402

pytestmark = [pytest.mark.slow, pytest.mark.timeout(500)]


@pytest.fixture(scope="module")
def ranks(tmp_path_factory: pytest.TempPathFactory) -> list[dict[str, Any]]:
    folder = tmp_path_factory.mktemp("parallel")
    write_corpus(folder)
    write_config(folder, "run", "softmax", steps=3)
    command = [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc-per-node", "2"]
    environment = {**os.environ, "OMP_NUM_THREADS": "1"}
    child = [*command, "-m", "tests.models.parallel_child", str(folder)]
    done = subprocess.run(child, env=environment, capture_output=True, text=True, timeout=450, check=False)
    assert done.returncode == 0, done.stderr[-3000:]
    return [torch.load(folder / f"rank{rank}.pt", weights_only=True) for rank in (0, 1)]


@pytest.mark.parametrize("loss", LOSSES)
def test_gradients_are_those_of_the_joined_batch(ranks: list[dict[str, Any]], loss: str) -> None:
    alone = trainee(loss)
    alone(*example()).backward()
    expected = slopes(alone)
    assert len(expected) > 10
    for rank in ranks:
        assert rank[loss].keys() == expected.keys()
        for name, value in expected.items():
            assert (rank[loss][name] - value).norm() <= 1e-4 * value.norm() + 1e-7, name


def test_all_trainers_have_one_loss_and_one_set_of_weights(ranks: list[dict[str, Any]]) -> None:
    assert ranks[0]["losses"] == pytest.approx(ranks[1]["losses"])
    for part in ("weights", "average"):
        for name, value in ranks[0][part].items():
            assert torch.equal(value, ranks[1][part][name]), name


def test_no_work_is_drawn_by_two_trainers(ranks: list[dict[str, Any]]) -> None:
    assert sorted(ranks[0]["works"] + ranks[1]["works"]) == list(range(7))
