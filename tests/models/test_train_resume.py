"""A training run that is killed and started again ends where an unbroken one ends."""

from __future__ import annotations

import csv
from pathlib import Path

import numpy as np
import pytest

torch = pytest.importorskip("torch", reason="torch is not installed (extra 'train')")

from models import train  # noqa: E402
from models.data.score import MELODY, make_score  # noqa: E402
from models.data.store import _write  # noqa: E402
from models.schedule import Average, learning_rate  # noqa: E402
from models.settings import Schedule, SettingsError, read_settings  # noqa: E402

CONFIG = """
name = "{name}"
[data]
manifest = "{folder}/works.csv"
store = "{folder}/s.npz"
works_per_batch = 4
group = 2
helpers = 0
[net]
widths = [4, 6, 8, 8]
dimension = 16
hidden = 16
[schedule]
steps = 4
warmup = 2
save_s = 0.0
probe_steps = 2
"""


def prepare(folder: Path, name: str) -> Path:
    rng = np.random.default_rng(0)
    onset = np.arange(0, 64, 0.5)
    scores = [
        make_score(onset, onset * 0 + 0.5, 60 + rng.integers(0, 12, len(onset)), np.full(len(onset), MELODY), 0.5)
        for _ in range(10)
    ]
    _write(folder / "s.npz", [f"{i}.mid" for i in range(10)], scores)
    with (folder / "works.csv").open("w", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(["path", "work_id", "split"])
        writer.writerows([f"{i}.mid", str(i), "val" if i >= 7 else "train"] for i in range(10))
    config = folder / f"{name}.toml"
    config.write_text(CONFIG.format(name=name, folder=folder))
    return config


class Killed(BaseException):
    """Stands for a kill: nothing catches it."""


def test_a_killed_run_goes_on_to_the_same_weights(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert train.main([str(prepare(tmp_path, "whole")), "--runs", str(tmp_path)]) == 0
    broken = prepare(tmp_path, "broken")
    real = train.train_step

    def dying(run: train.Run, views: torch.Tensor, labels: torch.Tensor) -> float:
        if run.step == 3:
            raise Killed
        return real(run, views, labels)

    monkeypatch.setattr(train, "train_step", dying)
    with pytest.raises(Killed):
        train.main([str(broken), "--runs", str(tmp_path)])
    monkeypatch.setattr(train, "train_step", real)
    assert torch.load(tmp_path / "broken" / "last.pt", weights_only=True)["step"] == 3
    assert train.main([str(broken), "--runs", str(tmp_path)]) == 0
    one = torch.load(tmp_path / "whole" / "last.pt", weights_only=True)
    two = torch.load(tmp_path / "broken" / "last.pt", weights_only=True)
    for key in ("net", "average"):
        for name, value in one[key].items():
            assert torch.allclose(value.double(), two[key][name].double(), atol=1e-5), name
    assert len((tmp_path / "broken" / "log.csv").read_text().splitlines()) == 3


def test_the_rate_rises_then_falls_to_its_end() -> None:
    schedule = Schedule(steps=100, rate=1.0, last_rate=0.1, warmup=10)
    rates = [learning_rate(schedule, step) for step in range(101)]
    assert rates[0] == pytest.approx(0.1)
    assert max(rates) == rates[10] == pytest.approx(1.0)
    assert rates[100] == pytest.approx(0.1)
    assert all(a >= b for a, b in zip(rates[10:], rates[11:], strict=False))


def test_the_average_moves_towards_the_weights_and_leaves_the_network_alone() -> None:
    net = torch.nn.Linear(1, 1, bias=False)
    average = Average(net, 0.9)
    start = net.weight.item()
    net.weight.data += 1
    average.update(net)
    copied = average.into(net)
    assert start < copied.weight.item() < net.weight.item()
    assert net.weight.item() == pytest.approx(start + 1)


@pytest.mark.parametrize("extra", ["unknown = 1\n", "[data]\nmanifest='m'\nstore='s'\nspeed=3\n"])
def test_unknown_settings_are_refused(tmp_path: Path, extra: str) -> None:
    path = tmp_path / "c.toml"
    base = 'name = "x"\n[schedule]\nsteps = 1\n' + (
        "[data]\nmanifest='m'\nstore='s'\n" if "[data]" not in extra else ""
    )
    path.write_text(extra + base if extra.startswith("unknown") else base + extra)
    with pytest.raises(SettingsError, match="unknown|speed"):
        read_settings(path)
