"""A training run that is killed and started again ends where an unbroken one ends."""

from __future__ import annotations

import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

torch = pytest.importorskip("torch", reason="torch is not installed (extra 'train')")

from models import train  # noqa: E402
from models.losses.build import build_loss  # noqa: E402
from models.parallel import World  # noqa: E402
from models.run import Run, build_run  # noqa: E402
from models.schedule import Average, learning_rate  # noqa: E402
from models.settings import Schedule, SettingsError, read_settings  # noqa: E402
from tests.models.small_corpus import write_config, write_corpus  # noqa: E402


def run(config: Path) -> int:
    return train.main([str(config), "--runs", str(config.parent), "--data", str(config.parent)])


def weights(folder: Path) -> dict[str, dict[str, torch.Tensor]]:
    state = torch.load(folder / "last.pt", weights_only=True)
    return {part: state[part] for part in ("net", "average", "loss")}


def assert_equal_runs(one: Path, two: Path) -> None:
    expected, found = weights(one), weights(two)
    for part, values in expected.items():
        for name, value in values.items():
            assert torch.equal(found[part][name], value), f"{part} {name}"


class Killed(BaseException):
    """Stands for a kill: nothing catches it."""


@pytest.mark.parametrize("loss", ["contrastive", "softmax"])
def test_a_broken_run_goes_on_to_the_same_weights(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, loss: str) -> None:
    write_corpus(tmp_path)
    assert run(write_config(tmp_path, "whole", loss, memory=12)) == 0
    broken = write_config(tmp_path, "broken", loss, memory=12)
    real = Run.train_step

    def dying(self: Run, batch: tuple[torch.Tensor, ...]) -> float:
        if self.step == 3:
            raise Killed
        return real(self, batch)

    monkeypatch.setattr(Run, "train_step", dying)
    with pytest.raises(Killed):
        run(broken)
    monkeypatch.setattr(Run, "train_step", real)
    assert torch.load(tmp_path / "broken" / "last.pt", weights_only=True)["step"] == 3
    assert run(broken) == 0
    assert_equal_runs(tmp_path / "whole", tmp_path / "broken")
    assert len((tmp_path / "broken" / "log.csv").read_text().splitlines()) == 3


@pytest.mark.slow
def test_a_process_killed_at_any_moment_goes_on_to_the_same_weights(tmp_path: Path) -> None:
    write_corpus(tmp_path)
    assert run(write_config(tmp_path, "whole", steps=30, probe_steps=1000)) == 0
    config = write_config(tmp_path, "killed", steps=30, probe_steps=1000)
    checkpoint = tmp_path / "killed" / "last.pt"
    command = [sys.executable, "-m", "models.train", str(config), "--runs", str(tmp_path), "--data", str(tmp_path)]
    process = subprocess.Popen(command, stderr=subprocess.DEVNULL)
    deadline = time.monotonic() + 200
    while not checkpoint.exists() and time.monotonic() < deadline:
        time.sleep(0.005)
    time.sleep(0.05)  # in the middle of a step or of a save
    process.send_signal(signal.SIGKILL)
    assert process.wait() == -signal.SIGKILL, "the run ended before it could be killed"
    assert 0 < torch.load(checkpoint, weights_only=True)["step"] < 30
    assert run(config) == 0
    assert_equal_runs(tmp_path / "whole", tmp_path / "killed")


def test_a_half_written_checkpoint_is_never_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write_corpus(tmp_path)
    config = write_config(tmp_path, "run", steps=2)
    assert run(config) == 0
    before = (tmp_path / "run" / "last.pt").read_bytes()
    config.write_text(config.read_text().replace("steps = 2", "steps = 3", 1))

    def dying(state: object, file: object) -> None:
        file.write(b"half of a checkpoint")  # type: ignore[attr-defined]
        raise Killed

    monkeypatch.setattr(torch, "save", dying)
    with pytest.raises(Killed):
        run(config)
    assert (tmp_path / "run" / "last.pt").read_bytes() == before


def test_a_stage_starts_from_the_averaged_weights_of_another(tmp_path: Path) -> None:
    write_corpus(tmp_path)
    assert run(write_config(tmp_path, "first", "softmax")) == 0
    second = write_config(tmp_path, "second", "triplet", steps=0)
    second.write_text('start = "first/last.pt"\n' + second.read_text())
    settings = read_settings(second).within(tmp_path)
    started = build_run(settings, tmp_path / "second", train.build_stage(settings), World())
    first = weights(tmp_path / "first")["average"]
    for name, value in started.stage.trainee.net.state_dict().items():
        torch.testing.assert_close(value, first[name], rtol=0, atol=0)
    assert started.step == 0


def test_pre_training_leaves_the_embedding_layer_as_it_was_drawn(tmp_path: Path) -> None:
    write_corpus(tmp_path)
    config = write_config(tmp_path, "pre", "softmax")
    drawn = train.build_stage(read_settings(config).within(tmp_path)).trainee.net.state_dict()
    drawn = {name: value.clone() for name, value in drawn.items()}
    assert run(config) == 0
    after = weights(tmp_path / "pre")["net"]
    assert torch.equal(after["out.weight"], drawn["out.weight"])
    assert not torch.equal(after["stem.conv.weight"], drawn["stem.conv.weight"])


def test_the_curves_are_drawn_beside_the_log(tmp_path: Path) -> None:
    pytest.importorskip("matplotlib", reason="matplotlib is not installed (extra 'train')")
    write_corpus(tmp_path)
    assert run(write_config(tmp_path, "run", steps=2, probe_steps=1)) == 0
    assert (tmp_path / "run" / "curves.png").read_bytes().startswith(b"\x89PNG")


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


@pytest.mark.parametrize(
    ("text", "word"),
    [
        ("unknown = 1\n[data]\nmanifest='m'\nstore='s'\n", "unknown"),
        ("[data]\nmanifest='m'\nstore='s'\nspeed=3\n", "speed"),
        ("[data]\nmanifest='m'\n", "data.store"),
        ("kind = 'front'\n", "front.shards"),
        ("kind = 'both'\n", "'both'"),
    ],
)
def test_unusable_settings_are_refused(tmp_path: Path, text: str, word: str) -> None:
    path = tmp_path / "c.toml"
    path.write_text('name = "x"\n' + text + "[schedule]\nsteps = 1\n")
    with pytest.raises(SettingsError, match=word):
        read_settings(path)


def test_every_configuration_of_the_package_is_read_and_has_a_loss() -> None:
    configs = sorted((Path(train.__file__).parent / "configs").glob("*.toml"))
    kinds = set()
    for path in configs:
        settings = read_settings(path)
        kinds.add("front" if settings.kind == "front" else settings.loss.kind)
        if settings.kind == "embedding":
            build_loss(settings.loss, settings.data, settings.net, lambda: 10)
    assert kinds == {"front", "contrastive", "triplet", "softmax", "angular", "clews"}
