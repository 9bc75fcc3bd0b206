"""A real microphone as far as PortAudio can tell: the monitor of a PulseAudio null sink."""

from __future__ import annotations

import json
import subprocess
import sys
import time
from typing import NamedTuple

import numpy as np
import pytest

from recognizer.errors import SourceError
from tests.services import PULSE_DEVICE, end, pulseaudio, wait_until, write_wav
from worker.sources import SourceStream
from worker.sources.mic import QUEUE_BLOCKS, Device, Recorder, choose

DEVICES = [
    Device(0, "HDA Intel: ALC257 Analog", 2, 44_100, False),
    Device(3, "pulse", 32, 44_100, False),
    Device(4, "USB Audio Device: Mic", 1, 48_000, False),
    Device(7, "default", 32, 44_100, True),
]

# Capture in a process of its own, for some seconds or until it is ended: ALSA reads its configuration once a process.
RECORD = """
import json, sys, time
import numpy as np
from worker.capture import capture, Surroundings, Backoff
from worker.sources import SourceOptions
from recognizer.timeline import AudioChunk
spec, seconds, rate = sys.argv[1], float(sys.argv[2]), int(sys.argv[3])
world = Surroundings(backoff=Backoff(first_s=0.2, cap_s=0.5))
began, heard = time.monotonic(), []
for item in capture(spec, rate, SourceOptions(read_timeout_s=3.0), surroundings=world):
    at = round(time.monotonic() - began, 2)
    if isinstance(item, AudioChunk):
        spectrum = np.abs(np.fft.rfft(item.pcm * np.hanning(len(item.pcm))))
        print(json.dumps(["audio", at, item.start_sample, len(item.pcm), int(np.abs(item.pcm).max()),
                          float(np.argmax(spectrum) * rate / len(item.pcm)), item.epoch]), flush=True)
    else:
        print(json.dumps([type(item).__name__, at, str(item)]), flush=True)
    if time.monotonic() - began > seconds:
        break
"""


class Heard(NamedTuple):
    at_s: float
    start: int
    samples: int
    peak: int
    hz: float
    epoch: int


def tone(path, hz, seconds):
    time_s = np.arange(int(seconds * 44_100)) / 44_100
    return write_wav(path, (8000 * np.sin(2 * np.pi * hz * time_s)).astype(np.int16), 44_100)


class Recording:
    """A process that captures; what it hears can be read while it does."""

    def __init__(self, pulse, folder, spec, seconds, rate_hz=16_000):
        self._heard, self._said = folder / "heard", folder / "said"
        command = [sys.executable, "-c", RECORD, spec, str(seconds), str(rate_hz)]
        with self._heard.open("w") as out, self._said.open("w") as err:
            self.process = subprocess.Popen(command, env=pulse.env, stdout=out, stderr=err)

    def _rows(self):
        whole = self._heard.read_text().rpartition("\n")[0]
        return [json.loads(line) for line in whole.splitlines()]

    def audio(self):
        return [Heard(*row[1:]) for row in self._rows() if row[0] == "audio"]

    def marks(self):
        return [row for row in self._rows() if row[0] != "audio"]

    def states(self):
        return " ".join(text for kind, _, text in self.marks() if kind == "SourceState")

    def finish(self):
        assert self.process.wait(60) == 0, self._said.read_text()[-2000:]
        return self.audio(), self.marks()


@pytest.mark.parametrize("rate_hz", [16_000, 22_050])
def test_a_microphone_is_heard(tmp_path, rate_hz):
    with pulseaudio(tmp_path) as pulse:
        player = pulse.play(tone(tmp_path / "tone.wav", 660, 60))  # a busy machine may begin to record late
        audio, marks = Recording(pulse, tmp_path, "mic:Studio", 4.5, rate_hz).finish()
        end(player)
    assert len(audio) >= 3
    assert all(row.samples == rate_hz for row in audio)
    assert [text for kind, _, text in marks if kind == "SourceGap"] == []
    assert [row.start for row in audio] == [n * rate_hz for n in range(len(audio))]
    assert audio[-1].hz == pytest.approx(660, abs=2)
    assert audio[-1].peak == pytest.approx(8000, rel=0.05)


def test_devices_are_listed(tmp_path):
    script = "import json; from worker.sources.mic import list_devices as l; print(json.dumps(l()))"
    with pulseaudio(tmp_path) as pulse:
        found = subprocess.run(
            [sys.executable, "-c", script], env=pulse.env, capture_output=True, text=True, timeout=30
        )
    assert PULSE_DEVICE in found.stdout
    assert "ALSA lib" not in found.stderr, "drivers that are not there are not the user's business"


@pytest.mark.slow
def test_a_microphone_that_goes_and_comes_back_is_found_by_name(tmp_path):
    with pulseaudio(tmp_path) as pulse:
        recording = Recording(pulse, tmp_path, f"mic:{PULSE_DEVICE}", 3600)
        player = None
        try:
            wait_until(lambda: len(recording.audio()) >= 2, what="the microphone being heard")
            pulse.stop()
            pulse.socket.unlink(missing_ok=True)
            wait_until(
                lambda: "STALLED" in recording.states() or "RECONNECTING" in recording.states(), what="the loss noticed"
            )
            time.sleep(3)
            pulse.start()
            player = pulse.play(tone(tmp_path / "tone.wav", 440, 100))
            wait_until(lambda: [row for row in recording.audio() if row.epoch and row.peak > 4000][2:], what="the tone")
        finally:
            end(recording.process)
            end(player)
        audio, marks = recording.audio(), recording.marks()
    assert {row.epoch for row in audio} >= {0, 1}
    assert audio[-1].hz == pytest.approx(440, abs=2)
    assert "STALLED" in recording.states() or "RECONNECTING" in recording.states()
    gaps = [text for kind, _, text in marks if kind == "SourceGap"]
    assert len(gaps) >= 1
    assert all(later.start >= before.start + before.samples for before, later in zip(audio, audio[1:], strict=False))


def test_an_unknown_microphone_is_named_with_those_there_are():
    with pytest.raises(SourceError, match="'USB Audio Device: Mic'") as caught:
        choose(DEVICES, "Focusrite")
    assert caught.value.retryable, "it may be plugged in later"


def test_without_a_default_microphone_those_there_are_are_named():
    with pytest.raises(SourceError, match="no default microphone; the input devices are: none"):
        choose([], "")


@pytest.mark.parametrize(("name", "index"), [("usb audio", 4), ("PULSE", 3), ("", 7), ("default", 7), ("Mic", 4)])
def test_devices_are_chosen_by_a_part_of_the_name(name, index):
    assert choose(DEVICES, name).index == index


def test_without_pyaudio_the_extra_is_named(monkeypatch):
    monkeypatch.setitem(sys.modules, "pyaudio", None)
    from worker.sources import open_source

    with pytest.raises(SourceError, match=r"live-cover-recognizer\[mic\]"), open_source("mic", rate_hz=16_000):
        pass


def make_recorder(timeout_s=0.05):
    recorder = Recorder(16_000, 16_000, timeout_s, overflow_flag=2)
    recorder.stream = SourceStream(recorder.blocks(), live=True)
    return recorder


def test_an_overflow_is_counted_in_samples(monkeypatch):
    now = [0.0]
    monkeypatch.setattr("worker.sources.mic.time.monotonic", lambda: now[0])
    recorder, block = make_recorder(), np.ones(1600, np.int16).tobytes()
    for _ in range(3):
        now[0] += 0.1
        recorder.callback(block, 1600, None, 0)
    now[0] += 0.6  # half a second went missing
    recorder.callback(block, 1600, None, 2)
    lost = []
    for _ in range(4):
        next(recorder.stream)
        lost.append(recorder.stream.take_lost())
    assert lost[:3] == [0, 0, 0]
    assert lost[3] == pytest.approx(8000, abs=2)


def test_a_slow_reader_loses_blocks_and_knows_how_many():
    recorder, block = make_recorder(), np.zeros(1600, np.int16).tobytes()
    for _ in range(QUEUE_BLOCKS + 5):
        recorder.callback(block, 1600, None, 0)
    for _ in range(QUEUE_BLOCKS):
        next(recorder.stream)
    recorder.callback(block, 1600, None, 0)
    next(recorder.stream)
    assert recorder.stream.take_lost() == 5 * 1600


def test_a_silent_device_is_a_stall():
    with pytest.raises(SourceError, match="plugged in") as caught:
        next(make_recorder().stream)
    assert caught.value.state == "stalled"
