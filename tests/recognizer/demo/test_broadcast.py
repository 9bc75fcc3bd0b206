"""Real listeners over a real socket; the programme is short so that real time is short."""

import http.client
import threading
import time
from pathlib import Path
from urllib.parse import urlsplit
from urllib.request import urlopen

import numpy as np
import pytest

from recognizer.decode import decode
from recognizer.demo.broadcast import Broadcast
from recognizer.demo.programme import write_wav
from recognizer.demo.synth import RATE_HZ
from recognizer.errors import UsageError

PROGRAMME_S = 4.0


@pytest.fixture(scope="module")
def wav(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A tone that climbs a fourth each second, so that a position can be told from its pitch."""
    time_s = np.arange(int(PROGRAMME_S * RATE_HZ)) / RATE_HZ
    hz = 300 * (4 / 3) ** np.floor(time_s)
    path = tmp_path_factory.mktemp("broadcast") / "programme.wav"
    write_wav(path, (0.3 * np.sin(2 * np.pi * np.cumsum(hz) / RATE_HZ)).astype(np.float32))
    return path


def _listen(url: str, max_seconds: float | None = None, hearing: threading.Event | None = None) -> np.ndarray:
    with urlopen(url, timeout=10) as response:  # noqa: S310
        blocks, heard = [], 0
        for block in decode(response, 16_000):
            blocks.append(block)
            if hearing is not None:
                hearing.set()
            heard += len(block)
            if max_seconds is not None and heard > max_seconds * 16_000:
                break
    return np.concatenate(blocks)


def _hz(pcm: np.ndarray, at_s: float) -> float:
    part = pcm[int(at_s * 16_000) :][:4096]
    return float(np.argmax(np.abs(np.fft.rfft(part * np.hanning(len(part)), 1 << 16))) * 16_000 / (1 << 16))


def test_the_first_listener_misses_nothing_and_hears_it_in_real_time(wav: Path) -> None:
    with Broadcast(wav, once=True, wait_for_listener=True) as station:
        time.sleep(0.3)
        began = time.monotonic()
        pcm = _listen(station.url)
        took = time.monotonic() - began
        assert station.ended.is_set()
    assert len(pcm) / 16_000 == pytest.approx(PROGRAMME_S, abs=0.2)
    assert [_hz(pcm, s + 0.4) for s in range(4)] == pytest.approx([300 * (4 / 3) ** s for s in range(4)], rel=0.01)
    assert PROGRAMME_S - 0.3 < took < PROGRAMME_S + 3


def test_two_listeners_hear_the_same_and_the_second_joins_live(wav: Path) -> None:
    with Broadcast(wav, once=True, wait_for_listener=True) as station:
        heard: list[np.ndarray] = []
        began = threading.Event()
        first = threading.Thread(target=lambda: heard.append(_listen(station.url, hearing=began)))
        first.start()
        assert began.wait(20)
        time.sleep(1.2)
        late = _listen(station.url)
        first.join(timeout=10)
    assert len(heard) == 1
    # The late one came 1.2 s in or a little later: the station was 2 s ahead of the clock and handed over its last 2 s.
    missed_s = PROGRAMME_S - len(late) / 16_000
    assert 0.8 < missed_s < 2.5
    assert _hz(late, 0.3) == pytest.approx(_hz(heard[0], 0.3 + missed_s), rel=0.01)


def test_it_plays_round_and_round_without_a_seam(wav: Path) -> None:
    with Broadcast(wav) as station:
        pcm = _listen(station.url, max_seconds=PROGRAMME_S + 1.5)
        assert not station.ended.is_set()
    later = next(s for s in np.arange(0.3, 5, 0.1) if _hz(pcm, s) > 600 and _hz(pcm, s + 1.2) < 400)
    seam = pcm[int((later - 0.1) * 16_000) : int((later + 1.2) * 16_000)].astype(float).reshape(-1, 160)[:120]
    assert np.sqrt(np.mean(np.square(seam), axis=1)).min() > 1000, "no gap where the programme begins again"


def test_what_a_player_is_told(wav: Path) -> None:
    with Broadcast(wav, wait_for_listener=True, name="Radio Test") as station:
        address = urlsplit(station.url)
        for method, path, status in (("HEAD", address.path, 200), ("GET", "/other", 404), ("GET", address.path, 200)):
            connection = http.client.HTTPConnection(address.hostname or "", address.port, timeout=5)
            connection.request(method, path)
            response = connection.getresponse()
            assert response.status == status
            if status == 200:
                assert response.headers["Content-Type"] == "audio/mpeg"
                assert response.headers["icy-name"] == "Radio Test"
            if (method, status) == ("GET", 200):
                assert response.read(2)[0] == 0xFF, "starts with an MP3 frame"
            connection.close()


def test_it_goes_off_the_air_at_once(wav: Path) -> None:
    station = Broadcast(wav)
    with station, urlopen(station.url, timeout=5) as response:  # noqa: S310
        assert response.read(100)
        began = time.monotonic()
        station.close()
        while response.read(4096):
            pass
        assert time.monotonic() - began < 3
    before = {thread.name for thread in threading.enumerate()}
    assert not {"broadcast-http", "broadcast-play"} & before


def test_a_station_that_never_began_closes(wav: Path) -> None:
    Broadcast(wav).close()


def test_other_files_are_refused(tmp_path: Path) -> None:
    import wave

    path = tmp_path / "stereo.wav"
    with wave.open(str(path), "wb") as file:
        file.setnchannels(2)
        file.setsampwidth(2)
        file.setframerate(32_000)
        file.writeframes(bytes(400))
    with pytest.raises(UsageError, match="not 16-bit mono"):
        Broadcast(path)
