"""Decoding real files, written here through FFmpeg's own muxers and encoders."""

from __future__ import annotations

import io
import math
import os
import struct
import subprocess
import sys
import threading
from pathlib import Path

import av
import numpy as np
import pytest

from recognizer.decode import decode
from recognizer.errors import DecodeError
from tests.audio_samples import tune, write_audio, write_tune

RATE_HZ = 16_000


class Pipe:
    """A body without ``seek``, delivered in pieces of ``piece_bytes``."""

    def __init__(self, body: bytes, piece_bytes: int = 1000) -> None:
        self._body, self._piece_bytes = io.BytesIO(body), piece_bytes
        self.delivered_bytes = 0

    def read(self, size: int) -> bytes:
        piece = self._body.read(min(size, self._piece_bytes))
        self.delivered_bytes += len(piece)
        return piece


def whole(source: object, **options: float) -> np.ndarray:
    return np.concatenate(list(decode(source, RATE_HZ, **options)))  # type: ignore[arg-type]


def same_audio(decoded: np.ndarray, expected: np.ndarray, *, within: float) -> bool:
    """Whether both signals agree, up to a codec's noise and a delay of at most 50 ms."""
    a, b = decoded.astype(float), expected.astype(float) * 32768
    size = min(len(a), len(b)) - 2000
    lags = np.fft.irfft(np.fft.rfft(a[:size], 2 * size) * np.conj(np.fft.rfft(b[:size], 2 * size)))
    lag = int(np.argmax(lags))
    lag = lag - 2 * size if lag > size else lag
    assert abs(lag) < 800
    a, b = a[max(0, lag) : max(0, lag) + size], b[max(0, -lag) : max(0, -lag) + size]
    return float(np.sqrt(np.mean((a - b) ** 2) / np.mean(b**2))) < within


@pytest.mark.parametrize(
    ("ending", "rate_hz", "within"),
    [
        (".wav", 44_100, 0.02),
        (".wav", 16_000, 1e-4),
        (".wav", 8_000, 0.2),
        (".flac", 48_000, 0.02),
        (".mp3", 44_100, 0.2),
        (".ogg", 44_100, 0.4),
        (".opus", 48_000, 0.4),
        (".m4a", 44_100, 0.3),
        (".webm", 48_000, 0.4),
        (".aac", 44_100, 0.3),
    ],
)
def test_reads_the_usual_formats(tmp_path: Path, ending: str, rate_hz: int, within: float) -> None:
    path = write_tune(tmp_path / f"tune{ending}", seconds=6, seed=1, rate_hz=rate_hz)
    decoded = whole(path)
    assert decoded.dtype == np.int16
    assert len(decoded) / RATE_HZ == pytest.approx(6.0, abs=0.1)
    assert same_audio(decoded, tune(6, seed=1, rate_hz=RATE_HZ), within=within)


@pytest.mark.parametrize("ending", [".wav", ".mp3", ".ogg", ".flac", ".webm", ".aac"])
def test_a_body_without_seek_gives_the_same_audio_in_any_chunking(tmp_path: Path, ending: str) -> None:
    rate_hz = 48_000 if ending == ".webm" else 44_100
    body = write_tune(tmp_path / f"tune{ending}", seconds=5, seed=2, rate_hz=rate_hz).read_bytes()
    first = whole(Pipe(body, 400))
    for piece_bytes in (1_001, 30_000, 10**6):
        assert np.array_equal(first, whole(Pipe(body, piece_bytes)))
    from_file = whole(io.BytesIO(body))
    common = min(len(first), len(from_file)) - 100  # only a file knows how much padding its last packet has
    assert np.array_equal(first[:common], from_file[:common])
    assert abs(len(first) - len(from_file)) < RATE_HZ * 0.1


def test_a_live_body_yields_before_it_has_ended(tmp_path: Path) -> None:
    body = write_tune(tmp_path / "tune.mp3", seconds=20, seed=3).read_bytes()
    pipe = Pipe(body, 500)
    blocks = decode(pipe, RATE_HZ)  # type: ignore[arg-type]
    next(blocks)
    assert pipe.delivered_bytes < len(body) / 10  # under two seconds of it
    blocks.close()  # type: ignore[attr-defined]


def test_read1_is_preferred_so_that_a_slow_body_is_not_waited_for(tmp_path: Path) -> None:
    body = write_tune(tmp_path / "tune.mp3", seconds=8, seed=3).read_bytes()
    reading, writing = os.pipe()
    got_first = threading.Event()

    def feed() -> None:
        with os.fdopen(writing, "wb") as pipe:
            pipe.write(body[: len(body) // 2])
            pipe.flush()
            assert got_first.wait(20)  # the rest comes only once the first half was heard
            pipe.write(body[len(body) // 2 :])

    feeder = threading.Thread(target=feed)
    feeder.start()
    with os.fdopen(reading, "rb") as source:
        samples = 0
        for block in decode(source, RATE_HZ):
            samples += len(block)
            got_first.set()
    feeder.join()
    assert samples / RATE_HZ == pytest.approx(8, abs=0.1)


def test_follows_a_change_of_rate_and_channels_in_mid_stream(tmp_path: Path) -> None:
    one = write_tune(tmp_path / "one.ogg", seconds=4, seed=4, rate_hz=44_100).read_bytes()
    stereo = np.stack([tune(3, seed=5, rate_hz=22_050)] * 2)
    two = write_audio(tmp_path / "two.ogg", stereo, 22_050).read_bytes()
    decoded = whole(Pipe(one + two))  # as an Ogg radio does from song to song
    assert len(decoded) / RATE_HZ == pytest.approx(7.0, abs=0.1)
    assert same_audio(decoded[4 * RATE_HZ + 800 :], tune(3, seed=5, rate_hz=RATE_HZ)[800:], within=0.4)


def test_mp3_frames_of_another_rate_are_followed(tmp_path: Path) -> None:
    one = write_tune(tmp_path / "one.mp3", seconds=3, seed=4, rate_hz=44_100).read_bytes()
    two = write_audio(tmp_path / "two.mp3", np.stack([tune(3, 5, 32_000)] * 2), 32_000).read_bytes()
    assert len(whole(Pipe(one + two))) / RATE_HZ == pytest.approx(6.0, abs=0.2)


def test_channels_are_averaged(tmp_path: Path) -> None:
    left = tune(2, seed=6, rate_hz=RATE_HZ)
    path = write_audio(tmp_path / "left.wav", np.stack([left, np.zeros_like(left)]), RATE_HZ)
    expected = np.rint(np.rint(left * 32767) / 2)
    assert np.abs(whole(path) - expected).max() <= 1


@pytest.mark.parametrize("channels", [6, 8])
@pytest.mark.parametrize("ending", [".wav", ".flac", ".m4a"])
def test_surround_sound_is_averaged_too(tmp_path: Path, ending: str, channels: int) -> None:
    audio = np.stack([tune(3, seed=6, rate_hz=44_100)] * channels)
    decoded = whole(write_audio(tmp_path / f"surround{ending}", audio, 44_100))
    assert len(decoded) / RATE_HZ == pytest.approx(3.0, abs=0.1)
    if ending != ".m4a":  # which has a narrow channel for low frequencies
        assert same_audio(decoded, tune(3, seed=6, rate_hz=RATE_HZ), within=0.02)


FUZZ = """
import io, pathlib, random, sys
from recognizer.decode import decode
from recognizer.errors import DecodeError
dice = random.Random(1)
bodies = [path.read_bytes() for path in sorted(pathlib.Path(sys.argv[1]).iterdir())]
heard = refused = 0
for turn in range(400):
    body = bytearray(bodies[turn % len(bodies)])
    for _ in range(dice.choice([1, 5, 50, 500])):
        body[dice.randrange(dice.choice([200, len(body)]))] = dice.randrange(256)
    try:
        heard += any(len(block) for block in decode(io.BytesIO(bytes(body)), 16_000, max_seconds=600))
    except DecodeError:
        refused += 1
print(heard, refused)
"""


def test_damage_of_any_kind_ends_in_audio_or_in_a_sentence(tmp_path: Path) -> None:
    """In a process of its own, because what it is afraid of is a crash."""
    for ending in (".wav", ".mp3", ".ogg", ".opus", ".flac", ".m4a", ".webm", ".aac"):
        rate_hz = 48_000 if ending in (".opus", ".webm") else 44_100
        write_tune(tmp_path / f"tune{ending}", seconds=3, rate_hz=rate_hz)
    command = [sys.executable, "-c", FUZZ, str(tmp_path)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=100, cwd=Path(__file__).parents[2])
    assert (done.returncode, done.stderr) == (0, "")
    heard, refused = map(int, done.stdout.split())
    assert heard > 100 and refused > 50


def test_damaged_packets_are_skipped(tmp_path: Path) -> None:
    body = bytearray(write_tune(tmp_path / "tune.mp3", seconds=10, seed=7).read_bytes())
    rng = np.random.default_rng(0)
    middle = len(body) // 2
    body[middle : middle + 20_000] = rng.integers(0, 256, 20_000, dtype=np.uint8).tobytes()
    decoded = whole(io.BytesIO(bytes(body)))
    assert 7.0 < len(decoded) / RATE_HZ <= 10.1  # 20 kB are about 2.5 s
    assert same_audio(decoded[: 4 * RATE_HZ], tune(10, 7, RATE_HZ)[: 4 * RATE_HZ], within=0.2)


def test_a_truncated_file_gives_what_it_holds(tmp_path: Path) -> None:
    path = write_tune(tmp_path / "tune.mp3", seconds=10, seed=7)
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 3])
    assert len(whole(path)) / RATE_HZ == pytest.approx(10 / 3, abs=0.3)


def float_wav(samples: np.ndarray) -> bytes:
    data = samples.astype("<f4").tobytes()
    head = struct.pack("<4sI4s4sIHHIIHH", b"RIFF", 36 + len(data), b"WAVE", b"fmt ", 16, 3, 1, 16_000, 64_000, 4, 32)
    return head + struct.pack("<4sI", b"data", len(data)) + data


def test_nan_and_huge_floats_do_no_harm(tmp_path: Path) -> None:
    samples = tune(2, 8, RATE_HZ)
    samples[100:200], samples[200], samples[201] = np.nan, np.inf, -1e38
    decoded = whole(io.BytesIO(float_wav(samples)))
    assert np.all(decoded[100:200] == 0)
    assert decoded[200] == 32767 and decoded[201] == -32768
    assert np.array_equal(decoded[300:], np.rint(samples[300:] * 32768).astype(np.int16))


def pcm_wav(rate_hz: int) -> bytes:
    data = bytes(20_000)
    head = struct.pack(
        "<4sI4s4sIHHIIHH", b"RIFF", 36 + len(data), b"WAVE", b"fmt ", 16, 1, 1, rate_hz, rate_hz * 2, 2, 16
    )
    return head + struct.pack("<4sI", b"data", len(data)) + data


def test_a_rate_that_would_blow_up_is_refused() -> None:
    with pytest.raises(DecodeError, match="2 samples per second; expected 4000 to 768000"):
        whole(io.BytesIO(pcm_wav(2)))


@pytest.mark.parametrize(
    ("name", "body", "message"),
    [
        ("text.mp3", b"these are words and no music\n" * 500, "not audio in a known format"),
        (
            "random.mp3",
            np.random.default_rng(1).integers(0, 256, 50_000, dtype=np.uint8).tobytes(),
            "text|known|no ",
        ),
        ("empty.wav", b"", "is empty; expected an audio file"),
        ("header.wav", pcm_wav(16_000)[:44], "holds no decodable audio"),
        ("page.html", b"<!doctype html><html><body>404</body></html>" * 50, "not audio in a known format"),
    ],
)
def test_what_is_not_audio_is_refused_in_one_sentence(tmp_path: Path, name: str, body: bytes, message: str) -> None:
    path = tmp_path / name
    path.write_bytes(body)
    with pytest.raises(DecodeError, match=message) as caught:
        whole(path)
    assert name in str(caught.value) and "\n" not in str(caught.value)


@pytest.mark.parametrize(
    "playlist",
    [
        "#EXTM3U\n#EXT-X-TARGETDURATION:5\n#EXTINF:5,\n{target}\n#EXT-X-ENDLIST\n",
        "ffconcat version 1.0\nfile '{target}'\n",
        "v=0\no=- 0 0 IN IP4 127.0.0.1\ns=x\nc=IN IP4 127.0.0.1\nt=0 0\nm=audio 5004 RTP/AVP 0\n",
    ],
)
def test_playlists_open_nothing(tmp_path: Path, playlist: str) -> None:
    target = write_tune(tmp_path / "tune.wav", seconds=1)
    path = tmp_path / "list.wav"
    path.write_text(playlist.format(target=target))
    with pytest.raises(DecodeError, match="not audio in a known format"):
        whole(path)


def test_only_regular_files_are_opened(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe.wav")
    with pytest.raises(DecodeError, match="not a regular file"):
        whole(tmp_path / "pipe.wav")
    with pytest.raises(DecodeError, match="not a regular file"):
        whole(tmp_path)
    with pytest.raises(DecodeError, match="cannot be opened: No such file"):
        whole(tmp_path / "missing.wav")
    with pytest.raises(DecodeError, match="cannot be opened"):
        whole(Path("nul\0byte.wav"))


def test_a_video_without_sound_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "silent.mp4"
    with av.open(str(path), "w") as container:
        stream = container.add_stream("mpeg4", rate=5)
        stream.width, stream.height, stream.pix_fmt = 32, 32, "yuv420p"
        for _ in range(5):
            container.mux(stream.encode(av.VideoFrame.from_ndarray(np.zeros((32, 32, 3), np.uint8))))
        container.mux(stream.encode(None))
    with pytest.raises(DecodeError, match="holds no audio track"):
        whole(path)


def test_audio_longer_than_the_limit_ends(tmp_path: Path) -> None:
    path = write_tune(tmp_path / "tune.wav", seconds=3)
    blocks = []
    with pytest.raises(DecodeError, match="longer than 2 s, the most that is read"):
        for block in decode(path, RATE_HZ, max_seconds=2):
            blocks.append(block)
    assert 0 < sum(map(len, blocks)) <= 2 * RATE_HZ
    assert len(whole(path, max_seconds=math.inf)) == 3 * RATE_HZ


@pytest.mark.parametrize("after_bytes", [0, 100, 40_000])
def test_the_errors_of_the_source_pass_through(tmp_path: Path, after_bytes: int) -> None:
    body = write_tune(tmp_path / "tune.mp3", seconds=10, seed=3).read_bytes()

    class Broken(Pipe):
        def read(self, size: int) -> bytes:
            if self.delivered_bytes >= after_bytes:
                raise TimeoutError("no data for 10 s")
            return super().read(size)

    with pytest.raises(TimeoutError, match="no data for 10 s"):
        whole(Broken(body, 100))


def test_a_source_that_returns_too_much_overruns_nothing(tmp_path: Path) -> None:
    body = write_tune(tmp_path / "tune.wav", seconds=5).read_bytes()

    class Generous:
        def __init__(self) -> None:
            self.bodies = [body, b""]

        def read(self, size: int) -> bytes:
            return self.bodies.pop(0) if self.bodies else b""

    assert len(whole(Generous())) == 5 * RATE_HZ
