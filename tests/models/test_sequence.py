"""The pitch sequence: what it looks at, what its loss asks for, and how it is taught, exported and taken out again."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

torch = pytest.importorskip("torch", reason="torch is not installed (extra 'train')")

from models import export, passages, train, unpack  # noqa: E402
from models.data.manifest import read_manifest  # noqa: E402
from models.data.store import ScoreStore  # noqa: E402
from models.data.views import Corpus, Recipe, draw_line  # noqa: E402
from models.losses.alignment import AlignmentLoss  # noqa: E402
from models.nets.embedding import EmbeddingConfig, EmbeddingNet  # noqa: E402
from models.nets.recognizer import RecognizerNet, contract  # noqa: E402
from models.nets.salience import SalienceConfig, SalienceNet  # noqa: E402
from models.nets.sequence import (  # noqa: E402
    CONTEXT_FRAMES,
    OCTAVE_WEIGHTS,
    SequenceConfig,
    SequenceNet,
    beginning,
)
from models.settings import SettingsError, read_settings  # noqa: E402
from recognizer.embedder import Embedder  # noqa: E402
from tests.models.small_corpus import write_corpus  # noqa: E402
from tests.models.small_sounds import write_pure_tones  # noqa: E402

CONFIG = """
name = "{name}"
kind = "sequence"
[data]
manifest = "works.csv"
store = "s.npz"
works_per_batch = 2
group = 2
[sequence]
pairs = "pairs"
sounds = "sounds.npz"
front = "front/last.pt"
batches = {batches}
held_out = 1
frames = 96
width = 4
strangers = 1
[schedule]
steps = {steps}
warmup = 1
save_s = 0.0
probe_steps = 2
"""


def random_net() -> SequenceNet:
    torch.manual_seed(1)
    net = SequenceNet(SequenceConfig(width=4))
    torch.nn.init.normal_(net.out.weight)
    torch.nn.init.normal_(net.register_of)
    return net.eval()


def music(frames: int, seed: int = 0) -> torch.Tensor:
    return torch.rand(1, frames, 84, generator=torch.Generator().manual_seed(seed)) ** 6


def test_without_training_the_octaves_count_and_nothing_else() -> None:
    salience = music(32)
    with torch.no_grad():
        sequence = SequenceNet(SequenceConfig())(beginning(salience))[0].numpy()
    means = salience[0].numpy().reshape(16, 2, 7, 12).mean(1)
    expected = np.sqrt((means * np.array(OCTAVE_WEIGHTS)[:, None]).sum(1))
    np.testing.assert_allclose(sequence, expected, atol=1e-4)


def test_steps_give_the_sequence_of_the_whole_and_know_nothing_of_what_comes() -> None:
    net, whole = random_net(), music(160)
    later = torch.cat([whole[:, :96], music(64, seed=1)], 1)
    with torch.no_grad():
        expected = net(beginning(whole))
        past = beginning(whole)
        steps = [net(past[:, i : i + CONTEXT_FRAMES + 16]) for i in range(0, 160, 16)]
        other = net(beginning(later))
    np.testing.assert_allclose(torch.cat(steps, 1).numpy(), expected.numpy(), atol=1e-5)
    np.testing.assert_allclose(other[:, :48].numpy(), expected[:, :48].numpy(), atol=1e-5)
    assert float((other[:, 48:] - expected[:, 48:]).abs().max()) > 0.01


def test_the_line_of_the_recognizer_gives_the_same_sequence_step_by_step() -> None:
    torch.manual_seed(0)
    front = SalienceNet(SalienceConfig(width=4)).eval()
    net = RecognizerNet(front, EmbeddingNet(EmbeddingConfig((8, 8, 8, 8), 16, 16)).eval(), random_net()).eval()
    promise = contract("test", front.config, EmbeddingConfig(dimension=16))
    context, step = promise.context_samples, promise.step_samples
    pcm = torch.randn(1, 2 * context + 4 * step) * 0.1
    past, steps = torch.zeros(1, promise.past_frames, promise.feature_dim), []
    with torch.no_grad():
        whole = net(pcm, past[:, :0])[1]
        for i in range(4):
            new, pitch, _, _ = net(pcm[:, i * step : (i + 1) * step + 2 * context], past)
            past = torch.cat([past, new], 1)[:, -promise.past_frames :]
            steps.append(pitch)
    # What is heard as nearly silent is not nothing: the very beginning differs by the silence before it.
    np.testing.assert_allclose(torch.cat(steps, 1).numpy(), whole.numpy(), atol=1e-4)


def test_a_transposition_rotates_the_sequence_where_the_register_says_nothing() -> None:
    net = random_net()
    torch.nn.init.zeros_(net.register_of)
    torch.nn.init.zeros_(net.counts)
    salience = torch.zeros(1, 64, 84)
    salience[:, :, 36:48] = music(64)[:, :, :12]  # far from the ends of the scale
    with torch.no_grad():
        here, there = (net(beginning(s)) for s in (salience, salience.roll(5, 2)))
    np.testing.assert_allclose(there.numpy(), here.roll(5, 2).numpy(), atol=1e-5)


def test_a_line_says_where_the_second_passage_plays_what_the_first_plays(tmp_path: Path) -> None:
    write_corpus(tmp_path)
    corpus = Corpus(read_manifest(tmp_path / "works.csv"), ScoreStore(tmp_path / "s.npz"))
    for seed in range(20):
        first, second, line = draw_line(corpus, corpus.works[seed % 5], Recipe(), np.random.default_rng(seed))
        for t in (-6.0, 0.0, 3.0):
            beat = first.centre + t / first.beat_s
            assert second.centre + (line.ratio * t + line.offset_s) / second.beat_s == pytest.approx(beat)


def views(faster: float = 1.25, late: float = 6.0) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    """Six works; the second view is the first, faster, later and four semitones up."""
    generator = torch.Generator().manual_seed(0)
    first = torch.nn.functional.interpolate(torch.rand(6, 12, 24, generator=generator), 96).transpose(1, 2)
    place = (torch.arange(96) - 47.5 - late) / faster + 47.5
    second = first[:, place.round().long().clamp(0, 95)].roll(4, 2)
    return first, second, torch.tensor([[faster, late]]).expand(6, 2)


def test_the_loss_knows_the_moment_whatever_tempo_and_key() -> None:
    first, second, line = views()
    loss = AlignmentLoss(strangers=1)
    found = loss.find(first, second, line)
    assert 0.3 < float(found.there.float().mean()) < 0.95  # the second view is a part of the first
    assert float(found.right[found.there].mean()) > 0.85
    told = (found.right[:, :, None] > found.wrong).float().mean(2)
    assert float(told[found.there].mean()) > 0.98
    wrong = line.clone()
    wrong[:, 1] -= 24
    assert float(loss(first, second, wrong)) > float(loss(first, second, line)) + 1


@pytest.fixture
def data(tmp_path: Path) -> Path:
    write_corpus(tmp_path)
    write_pure_tones(tmp_path / "sounds.npz")
    torch.manual_seed(3)
    net = SalienceNet(SalienceConfig(width=4))
    (tmp_path / "runs" / "front").mkdir(parents=True)
    embedding = EmbeddingNet(EmbeddingConfig((8, 8, 8, 8), 16, 16))
    for state in (net.state_dict(), embedding.state_dict()):  # of equal tensors an exporter keeps one
        for name, value in state.items():
            if "norm" in name and value.is_floating_point():
                value.uniform_(0.5, 1.5)
    parts = {f"front.{k}": v for k, v in net.state_dict().items()}
    parts |= {f"embedding.{k}": v for k, v in embedding.state_dict().items()}
    config = {"widths": (8, 8, 8, 8), "dimension": 16, "hidden": 16}
    torch.save({"average": parts, "width": 4, "config": config, "step": 0}, tmp_path / "runs" / "front" / "last.pt")
    return tmp_path


def write_config(folder: Path, name: str = "run", batches: int = 2, steps: int = 4) -> Path:
    path = folder / f"{name}.toml"
    path.write_text(CONFIG.format(name=name, batches=batches, steps=steps))
    return path


def command(module: object, config: Path) -> int:
    arguments = [str(config), "--data", str(config.parent), "--runs", str(config.parent / "runs")]
    return int(module.main(arguments))  # type: ignore[attr-defined]


def test_pairs_are_made_once_and_are_always_the_same(data: Path) -> None:
    config = write_config(data)
    assert command(passages, config) == 0
    files = sorted((data / "pairs").iterdir())
    assert [f.name for f in files] == ["train-0000.npz", "train-0001.npz", "val-0000.npz"]
    with np.load(files[1]) as stored:
        salience, line = stored["salience"], stored["line"]
    assert salience.shape == (4, 96, 84) and salience.dtype == np.uint8 and line.shape == (2, 2)
    assert salience.max() > salience.min()
    kept = files[0].stat().st_mtime_ns
    files[1].unlink()
    assert command(passages, config) == 0
    assert files[0].stat().st_mtime_ns == kept
    with np.load(files[1]) as stored:
        assert np.array_equal(stored["salience"], salience) and np.array_equal(stored["line"], line)


@pytest.mark.slow
@pytest.mark.filterwarnings("default")  # the exporter warns about itself
def test_a_run_learns_goes_on_and_is_exported_and_unpacked(data: Path) -> None:
    assert command(passages, write_config(data)) == 0
    assert command(train, write_config(data, "whole")) == 0
    assert command(train, write_config(data, "broken", steps=2)) == 0
    assert command(train, write_config(data, "broken")) == 0
    whole, broken = (torch.load(data / "runs" / n / "last.pt", weights_only=True) for n in ("whole", "broken"))
    assert all(torch.equal(whole["net"][name], value) for name, value in broken["net"].items())
    assert "val_loss" in (data / "runs" / "whole" / "log.csv").read_text().splitlines()[0]
    assert not torch.equal(whole["net"]["out.weight"], torch.zeros_like(whole["net"]["out.weight"]))

    front, sequence, out = data / "runs" / "front" / "last.pt", data / "runs" / "whole" / "last.pt", data / "out"
    given = ["--front", str(front), "--embedding", str(front), "--name", "small", "--out", str(out)]
    assert export.main([*given, "--sequence", str(sequence)]) == 0
    [model] = out.iterdir()
    assert Embedder(model).contract.pitch_bins == 12
    assert unpack.main([str(model), "--out", str(data / "taken.pt")]) == 0
    taken = torch.load(data / "taken.pt", weights_only=True)["sequence"]
    for name, value in whole["average"].items():
        np.testing.assert_allclose(taken[f"sequence.{name}"].numpy(), value.numpy(), atol=2e-3)
    net, *_ = export.load(data / "taken.pt", data / "taken.pt", data / "taken.pt")
    assert net.sequence.config.width == 4


def test_what_is_missing_is_said(data: Path, capsys: pytest.CaptureFixture[str]) -> None:
    config = write_config(data)
    assert command(train, config) == 2
    assert "train-0000.npz" in capsys.readouterr().err
    (data / "runs" / "front" / "last.pt").rename(data / "runs" / "front.pt")
    assert command(passages, config) == 2
    assert "models.unpack" in capsys.readouterr().err
    assert command(passages, write_config(data, "none", batches=0)) == 2
    with pytest.raises(ValueError, match="no pitch sequence"):
        export.load(data / "runs" / "front.pt", data / "runs" / "front.pt", data / "runs" / "front.pt")
    settings = read_settings(config).within(data)
    with pytest.raises(SettingsError, match="1 or more"):
        train.build_stage(replace(settings, sequence=replace(settings.sequence, batches=0, held_out=0)))
