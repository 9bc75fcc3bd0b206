"""The front end's stage, in the same trainer: learns, resumes, writes what the export reads."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

torch = pytest.importorskip("torch", reason="torch is not installed (extra 'train')")

from models import train  # noqa: E402
from models.curves import read_log  # noqa: E402
from models.nets.salience import SalienceConfig, SalienceNet  # noqa: E402

SECONDS = 8


def write_shard(path: Path, seed: int) -> None:
    """Two pieces: a tone for each second, and the truth about it."""
    rng = np.random.default_rng(seed)
    pitch = rng.integers(40, 76, (2, SECONDS))
    time = np.arange(16000) / 16000
    tones = np.sin(2 * np.pi * 440 * 2 ** ((pitch[..., None] + 24 - 69) / 12) * time).reshape(2, -1)
    truth = np.zeros((2, SECONDS * 8, 84), np.float16)
    for piece, second in np.ndindex(*pitch.shape):
        truth[piece, 8 * second : 8 * second + 8, pitch[piece, second]] = 1
    heard = (0.12 + 0.58 * truth).astype(np.float16)
    pcm = (tones * 8000).astype(np.int16)
    np.savez(path, pcm=pcm, heard=heard, truth=truth, known=np.ones(2, np.bool_))


def config(folder: Path, name: str, steps: int) -> Path:
    path = folder / f"{name}.toml"
    path.write_text(
        f'name = "{name}"\nkind = "front"\n[front]\nshards = "shards"\npieces = 2\nframes = 16\nwidth = 4\n'
        f"[schedule]\nsteps = {steps}\nrate = 1e-2\nlast_rate = 1e-2\nwarmup = 1\nema = 0.5\nsave_s = 0.0\n"
        "probe_steps = 4\n"
    )
    return path


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "shards").mkdir()
    for kind in ("render", "real"):
        for number in range(2):
            write_shard(tmp_path / "shards" / f"{kind}-{number:03d}.npz", number)
    return tmp_path


def run(path: Path) -> int:
    return train.main([str(path), "--runs", str(path.parent), "--data", str(path.parent)])


def test_the_front_end_learns_resumes_and_can_be_exported(folder: Path) -> None:
    assert run(config(folder, "whole", 12)) == 0
    assert run(config(folder, "broken", 12)) == 0
    held_out = read_log(folder / "whole" / "log.csv")["held_out_loss"]
    assert held_out[-1] < 0.8 * held_out[0]
    state = torch.load(folder / "whole" / "last.pt", weights_only=True)
    SalienceNet(SalienceConfig(width=state["width"])).load_state_dict(state["average"])
    again = torch.load(folder / "broken" / "last.pt", weights_only=True)
    assert all(torch.equal(value, again["net"][name]) for name, value in state["net"].items())


def test_a_broken_front_end_run_goes_on_to_the_same_weights(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert run(config(folder, "whole", 4)) == 0
    real = train.Run.train_step

    def dying(self: train.Run, batch: tuple[torch.Tensor, ...]) -> float:
        if self.step == 2:
            raise KeyboardInterrupt
        return real(self, batch)

    monkeypatch.setattr(train.Run, "train_step", dying)
    with pytest.raises(KeyboardInterrupt):
        run(config(folder, "broken", 4))
    monkeypatch.setattr(train.Run, "train_step", real)
    assert run(config(folder, "broken", 4)) == 0
    one, two = (torch.load(folder / name / "last.pt", weights_only=True) for name in ("whole", "broken"))
    assert all(torch.equal(value, two["net"][name]) for name, value in one["net"].items())


def test_a_folder_without_shards_is_refused_in_one_sentence(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(config(tmp_path, "none", 4)) == 2
    assert "models.prepare audio" in capsys.readouterr().err
