"""The front end: the right bin, the same answer in pieces as at once, at any level."""

from __future__ import annotations

import numpy as np
import pytest

torch = pytest.importorskip("torch", reason="torch is not installed (extra 'train')")

from models.nets.constantq import ConstantQ, ConstantQConfig  # noqa: E402
from models.nets.embedding import EmbeddingConfig, EmbeddingNet  # noqa: E402
from models.nets.recognizer import STEP_SAMPLES, RecognizerNet, contract  # noqa: E402
from models.nets.salience import SalienceConfig, SalienceNet  # noqa: E402


def tone(midi: float, samples: int = 64000) -> torch.Tensor:
    time = torch.arange(samples) / 16000
    return 0.3 * torch.sin(2 * torch.pi * 440 * 2 ** ((midi - 69) / 12) * time)[None]


@pytest.mark.parametrize("midi", [33, 45, 57, 69, 81, 93, 100])
def test_a_tone_lights_the_middle_bin_of_its_semitone(midi: int) -> None:
    transform = ConstantQ(ConstantQConfig())
    power = transform(tone(midi)).mean(1)[0]
    assert int(power.argmax()) == (midi - 24) * 3 + 1


def test_frames_are_where_they_say() -> None:
    config = ConstantQConfig()
    transform = ConstantQ(config)
    pcm = torch.zeros(1, 2 * transform.margin + 40 * config.hop)
    at = 20
    start = transform.margin + at * config.hop
    pcm[:, start : start + config.hop] = tone(93, config.hop)
    power = transform(pcm)[0, :, (93 - 24) * 3 + 1]
    assert int(power.argmax()) == at


def front() -> SalienceNet:
    torch.manual_seed(0)
    made = SalienceNet(SalienceConfig(width=6))
    made(torch.randn(2, 64000) * 0.1)
    return made.eval()


def test_steps_one_by_one_equal_the_whole() -> None:
    made = front()
    context = made.config.context_samples
    pcm = torch.randn(2, 2 * context + 3 * STEP_SAMPLES) * 0.1
    with torch.no_grad():
        whole = made(pcm)
        steps = [made(pcm[:, i * STEP_SAMPLES : (i + 1) * STEP_SAMPLES + 2 * context]) for i in range(3)]
    assert whole.shape == (2, 48, 84)
    assert torch.allclose(torch.cat(steps, 1), whole, atol=1e-5)


def test_the_volume_does_not_matter() -> None:
    made = front()
    pcm = torch.cat([tone(60), tone(67)], 1) + torch.randn(1, 128000) * 0.01
    with torch.no_grad():
        assert torch.allclose(made(pcm), made(pcm * 0.25), atol=1e-3)


def test_streaming_and_whole_windows_give_one_embedding() -> None:
    torch.manual_seed(1)
    net = RecognizerNet(front(), EmbeddingNet(EmbeddingConfig((8, 12, 16, 20), 32, 24)).eval()).eval()
    promise = contract("test", net.front.config, EmbeddingConfig(dimension=32))
    context, steps = promise.context_samples, promise.window_steps
    pcm = torch.randn(1, 2 * context + steps * STEP_SAMPLES) * 0.1
    past = torch.zeros(1, promise.past_frames, promise.feature_dim)
    with torch.no_grad():
        features, pitch, whole, end = net(pcm, past[:, :0])
        for i in range(steps):
            part = pcm[:, i * STEP_SAMPLES : (i + 1) * STEP_SAMPLES + 2 * context]
            new, _, last, last_end = net(part, past)
            past = torch.cat([past, new], 1)[:, -promise.past_frames :]
    assert features.shape == (1, promise.window_frames, promise.feature_dim)
    assert pitch.shape == (1, steps * promise.pitch_frames_per_step, promise.pitch_bins)
    np.testing.assert_allclose(whole.numpy(), last.numpy(), atol=1e-4)
    np.testing.assert_allclose(end.numpy(), last_end.numpy(), atol=1e-4)
    half = features[:, promise.window_frames // 2 :]
    with torch.no_grad():
        np.testing.assert_allclose(end.numpy(), net.embedding(half).numpy(), atol=1e-4)
    assert float(pitch.min()) >= 0
