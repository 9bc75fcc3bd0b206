"""Floors for the music gate on small synthetic cases; the table of real recordings is in its docstring."""

import json
import time

import numpy as np
import pytest
import soxr

from recognizer.demo.arrange import Style, arrange
from recognizer.demo.songbook import UNKNOWN
from recognizer.demo.synth import RATE_HZ as SYNTH_HZ
from recognizer.demo.synth import Note, render
from recognizer.demo.talk import applause, simulated_talk
from recognizer.gate import RATE_HZ, SILENCE_DBFS, MusicGate, measure

STEP, CONTEXT = 2 * RATE_HZ, 6_000
SECONDS = 24
Audio = np.ndarray


def _at_16k(audio: Audio) -> Audio:
    return np.asarray(soxr.resample(audio, SYNTH_HZ, RATE_HZ), dtype=np.float32)


def _steps(audio: Audio) -> list[Audio]:
    length = STEP + 2 * CONTEXT
    return [audio[at : at + length] for at in range(0, len(audio) - length + 1, STEP)]


def _kinds(audio: Audio) -> list[str]:
    gate = MusicGate()
    return [gate.step(pcm).kind for pcm in _steps(audio)]


def _noise(slope: float, rms: float = 0.1) -> Audio:
    spectrum = np.fft.rfft(np.random.default_rng(1).normal(size=SECONDS * RATE_HZ))
    spectrum /= np.maximum(np.arange(len(spectrum)), 20 * SECONDS) ** (slope / 2)
    sound = np.fft.irfft(spectrum)
    return (sound / sound.std() * rms).astype(np.float32)


def _hum(hz: float) -> Audio:
    time_s = np.arange(SECONDS * RATE_HZ) / RATE_HZ
    hum = sum(np.sin(2 * np.pi * hz * n * time_s + n) / n for n in (1, 2, 3, 5, 7))
    return (0.1 * hum).astype(np.float32) + _noise(0, 0.001)


def _song(voice: str, pattern: str) -> Audio:
    style = Style(lead=voice, backing="guitar", pattern=pattern, drums=pattern == "strum", seed=2)
    return _at_16k(render(arrange(UNKNOWN[0], style, SECONDS)))


def _solo(voice: str) -> Audio:
    return _at_16k(
        render([n for n in arrange(UNKNOWN[4], Style(lead=voice, backing="organ"), SECONDS) if n.voice == voice])
    )


NOT_MUSIC = {
    "white noise": lambda: _noise(0),
    "pink noise": lambda: _noise(1),
    "brown noise": lambda: _noise(2),
    "50 Hz hum": lambda: _hum(50),
    "60 Hz hum": lambda: _hum(60),
    "low voice": lambda: _at_16k(simulated_talk(SECONDS, seed=1, pitch_hz=100)),
    "high voice": lambda: _at_16k(simulated_talk(SECONDS, seed=2, pitch_hz=210)),
    "low voice in noise": lambda: _at_16k(simulated_talk(SECONDS, seed=3)) + _noise(1, 0.01),
    "applause": lambda: _at_16k(applause(SECONDS, seed=1)),
}
MUSIC = {
    "piano and guitar": lambda: _song("piano", "arpeggio"),
    "brass, strummed, drums": lambda: _song("brass", "strum"),
    "singer over chords": lambda: _song("singer", "pad"),
    "song in noise": lambda: _song("violin", "strum")[: SECONDS * RATE_HZ] + _noise(1, 0.03),
    "quiet song": lambda: _song("flute", "block") * np.float32(0.04),
    "piano alone": lambda: _solo("piano"),
    "voice alone": lambda: _solo("singer"),
    "flute alone": lambda: _solo("flute"),
    "violin alone": lambda: _solo("violin"),
}


@pytest.mark.parametrize("name", NOT_MUSIC)
def test_talk_and_noise_are_kept_out(name: str) -> None:
    kinds = _kinds(NOT_MUSIC[name]())
    assert len(kinds) >= 11
    assert kinds.count("speech_or_noise") >= len(kinds) - 1


@pytest.mark.parametrize("name", MUSIC)
def test_music_is_let_through(name: str) -> None:
    kinds = _kinds(MUSIC[name]())
    assert len(kinds) >= 10
    assert kinds.count("music") >= len(kinds) - 1


@pytest.mark.parametrize(("rms", "kind"), [(0.0, "silence"), (0.0005, "silence"), (0.005, "speech_or_noise")])
def test_silence_is_told_by_level(rms: float, kind: str) -> None:
    decision = MusicGate().step(_noise(1, rms or 1)[: STEP + 2 * CONTEXT] * np.float32(rms > 0))
    assert decision.kind == kind
    assert decision.level_dbfs == pytest.approx(20 * np.log10(rms) if rms else -120, abs=1)
    assert (decision.level_dbfs < SILENCE_DBFS) == (kind == "silence")


def test_a_pause_in_a_song_does_not_close_the_gate() -> None:
    steps = _steps(_song("piano", "block"))
    gate = MusicGate()
    before = [gate.step(pcm).kind for pcm in steps[:4]]
    talk = _steps(_at_16k(simulated_talk(8, seed=5)))[0]
    assert before[1:] == ["music"] * 3
    assert gate.step(talk).kind == "music", "one odd step is forgiven"
    assert gate.step(steps[5]).kind == "music"


def test_music_after_talk_is_let_in_at_the_next_step() -> None:
    gate = MusicGate()
    assert {gate.step(pcm).kind for pcm in _steps(_at_16k(simulated_talk(20, seed=5)))} == {"speech_or_noise"}
    assert [gate.step(pcm).kind for pcm in _steps(_song("piano", "block"))[1:4]][1:] == ["music"] * 2


def test_talk_after_music_is_kept_out_within_three_steps() -> None:
    gate = MusicGate()
    for pcm in _steps(_song("piano", "block"))[:5]:
        gate.step(pcm)
    kinds = [gate.step(pcm).kind for pcm in _steps(_at_16k(simulated_talk(20, seed=5)))]
    assert kinds[3:] == ["speech_or_noise"] * len(kinds[3:])


def test_state_survives_as_json() -> None:
    steps = _steps(_song("piano", "block")) + _steps(_at_16k(simulated_talk(14, seed=5)))
    whole = MusicGate()
    expected = [whole.step(pcm) for pcm in steps]
    for cut in (0, 3, len(steps) - 3):
        first, second = MusicGate(), MusicGate()
        head = [first.step(pcm) for pcm in steps[:cut]]
        second.restore(json.loads(json.dumps(first.state())))
        assert head + [second.step(pcm) for pcm in steps[cut:]] == expected


def test_measures_are_shares_and_a_held_note_is_steady() -> None:
    # Struck again within the step, so that it is not taken for hum.
    note = _at_16k(render([Note(at, 1.0, 60, 0.8, "organ") for at in (0.0, 1.1)], wet=0.0))[:STEP]
    found = measure(note)
    assert found.steady > 0.9 and found.swaying > 0.7 and found.pauses < 0.4
    assert found.logit() > 0
    empty = measure(np.zeros(STEP, dtype=np.float32))
    assert (empty.steady, empty.swaying) == (0.0, 0.0)


def test_padding_and_broken_samples_do_no_harm() -> None:
    song = _song("piano", "block")[: STEP + 2 * CONTEXT].copy()
    song[:CONTEXT] = 0
    assert MusicGate().step(song).kind == "music"
    assert MusicGate().step(np.ones(STEP, dtype=np.float32)).kind == "speech_or_noise", "a stuck converter is no music"


def test_it_costs_little() -> None:
    pcm = _noise(1)[: STEP + 2 * CONTEXT]
    took = []
    for _ in range(30):
        began = time.perf_counter()
        measure(pcm)
        took.append(time.perf_counter() - began)
    assert min(took) < 0.01, "2 ms on an idle machine; the step it judges lasts 2 s"
