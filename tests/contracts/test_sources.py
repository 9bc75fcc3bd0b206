"""What every kind of source must do, whatever it is; a new module in worker/sources is picked up by its file name."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from recognizer.errors import SourceError
from tests.services import PULSE_DEVICE, end, pulseaudio, write_wav
from tests.worker.scripted import answer, serve
from worker.sources import kind_of, kinds

SECONDS = 6
HZ = 523.0

# Each source is opened in a process of its own: what it imports, and how it ends, is part of the contract.
CHECK = """
import json, sys
import numpy as np
from worker.sources import SourceOptions, SourceStream, open_source
spec, rate, seconds = sys.argv[1], int(sys.argv[2]), float(sys.argv[3])
opened = open_source(spec, rate_hz=rate, options=SourceOptions(allow_private=True))
parts, types, lengths = [], set(), []
with opened as stream:
    assert isinstance(stream, SourceStream), type(stream)
    assert iter(stream) is stream
    for block in stream:
        types.add((str(block.dtype), block.ndim))
        lengths.append(len(block))
        parts.append(block)
        assert stream.take_lost() == 0
        if sum(lengths) >= seconds * rate:
            break
pcm = np.concatenate(parts)
tail = pcm[-2 * rate:]
spectrum = np.abs(np.fft.rfft(tail * np.hanning(len(tail))))
loaded = sorted(m.rpartition(".")[2] for m in sys.modules if m.startswith("worker.sources."))
print(json.dumps({"types": sorted(types), "live": stream.live, "samples": len(pcm), "shortest": min(lengths),
                  "longest": max(lengths), "hz": float(np.argmax(spectrum) * rate / len(tail)), "loaded": loaded,
                  "torch": "torch" in sys.modules, "redis": "redis" in sys.modules}))
"""


def tone(path: Path) -> Path:
    time_s = np.arange(SECONDS * 44_100) / 44_100
    stereo = np.repeat((9000 * np.sin(2 * np.pi * HZ * time_s)).astype(np.int16), 2)
    return write_wav(path, stereo, 44_100, channels=2)


@contextlib.contextmanager
def example(kind: str, folder: Path) -> Iterator[tuple[str, dict[str, str], Path | None]]:
    """A spec of this kind that plays the tone, the environment it needs, and what to put on standard input."""
    wav = tone(folder / "tone.wav")
    if kind == "file":
        yield str(wav), dict(os.environ), None
    elif kind == "stdin":
        yield "-", dict(os.environ), wav
    elif kind == "http":
        body = wav.read_bytes()
        whole = answer(headers=f"Content-Type: audio/wav\r\nContent-Length: {len(body)}\r\n", body=body)
        with serve(lambda path, connection: connection.sendall(whole)) as server:
            yield server.url("/tone.wav"), dict(os.environ), None
    elif kind == "mic":
        with pulseaudio(folder) as pulse:
            long = write_wav(folder / "long.wav", np.tile(np.fromfile(wav, "<i2", offset=44), 4), 44_100, channels=2)
            player = pulse.play(long)
            yield f"mic:{PULSE_DEVICE}", pulse.env, None
            end(player)
    else:
        pytest.fail(f"the source kind {kind!r} has no example in this test; add one")


@pytest.mark.parametrize("kind", kinds())
@pytest.mark.parametrize("rate_hz", [16_000, 22_050])
def test_a_source(kind, rate_hz, tmp_path):
    with example(kind, tmp_path) as (spec, environment, standard_input), contextlib.ExitStack() as exits:
        stdin = exits.enter_context(standard_input.open("rb")) if standard_input else subprocess.DEVNULL
        command = [sys.executable, "-W", "error", "-c", CHECK, spec, str(rate_hz), str(SECONDS - 1.5)]
        done = subprocess.run(command, env=environment, stdin=stdin, capture_output=True, text=True, timeout=60)
    assert done.returncode == 0, done.stderr[-2000:]
    seen = json.loads(done.stdout)
    assert seen["types"] == [["int16", 1]], "mono int16"
    assert seen["shortest"] > 0
    assert seen["longest"] <= 60 * rate_hz, "in blocks, not as a whole recording"
    assert seen["samples"] >= (SECONDS - 1.5) * rate_hz
    assert seen["hz"] == pytest.approx(HZ, abs=1.5), "at the rate asked for"
    assert isinstance(seen["live"], bool)
    assert seen["loaded"] == [kind], "nothing but the kind asked for is imported"
    assert not seen["torch"]
    assert not seen["redis"]


@pytest.mark.parametrize("kind", kinds())
def test_a_source_that_is_not_there(kind, tmp_path):
    from worker.sources import SourceOptions, open_source

    absent = {
        "file": str(tmp_path / "none.wav"),
        "http": "http://127.0.0.1:1/none",
        "mic": "mic:no such microphone",
    }
    if kind == "stdin":
        command = [sys.executable, "-c", CHECK, "-", "16000", "1"]
        done = subprocess.run(command, stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=30)
        assert "SourceError: standard input holds nothing" in done.stderr
        return
    with (
        pytest.raises(SourceError),
        open_source(absent[kind], rate_hz=16_000, options=SourceOptions(allow_private=True)),
    ):
        pass


@pytest.mark.parametrize(
    ("spec", "kind"),
    [
        ("mic", "mic"),
        ("mic:USB", "mic"),
        ("http://x/", "http"),
        ("HTTPS://x/", "http"),
        ("-", "stdin"),
        ("file:a.wav", "file"),
        ("a.wav", "file"),
        ("./a:b.wav", "file"),
        ("/x/http:y", "file"),
        ("mic.wav", "file"),
    ],
)
def test_kinds_are_read_from_the_spec(spec, kind):
    assert kind_of(spec) == kind


def test_raw_pcm_on_standard_input(tmp_path):
    script = CHECK.replace("allow_private=True", "pcm_rate_hz=44100, pcm_channels=2")
    pcm = tone(tmp_path / "tone.wav").read_bytes()[44:]
    command = [sys.executable, "-c", script, "-", "16000", "4"]
    done = subprocess.run(command, input=pcm, capture_output=True, timeout=60)
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout)["hz"] == pytest.approx(HZ, abs=1.5)


def test_standard_input_that_is_no_audio_is_not_guessed(tmp_path):
    command = [sys.executable, "-c", CHECK, "-", "16000", "1"]
    done = subprocess.run(command, input=b"hello, this is text", capture_output=True, timeout=30)
    assert b"for raw s16le PCM give its sample rate" in done.stderr


def test_ctrl_c_while_waiting_for_standard_input(tmp_path):
    script = CHECK.replace("pcm = np.conc", "print('ended', flush=True)\npcm = np.conc")
    command = [sys.executable, "-c", script, "-", "16000", "60"]
    process = subprocess.Popen(command, stdin=subprocess.PIPE, stderr=subprocess.PIPE, stdout=subprocess.PIPE)
    assert process.stdin is not None
    process.stdin.write(tone(tmp_path / "tone.wav").read_bytes()[:200_000])
    process.stdin.flush()
    time.sleep(2.5)
    process.send_signal(signal.SIGINT)
    out, err = process.communicate(timeout=20)
    assert err.count(b"Traceback") == 1, "the script's own"
    assert b"KeyboardInterrupt" in err
    assert out == b""
