import csv
import wave

import numpy as np
import pytest

from recognizer.decode import decode
from recognizer.demo.programme import DemoMaterial, Programme, faded, programme, read_truth, reference_audio, write_demo
from recognizer.demo.songbook import CATALOGUE, UNKNOWN
from recognizer.demo.synth import RATE_HZ
from recognizer.gate import MusicGate


@pytest.fixture(scope="module")
def broadcast() -> Programme:
    return programme(seed=1)


@pytest.fixture(scope="module")
def told() -> list[str]:
    return []


@pytest.fixture(scope="module")
def material(tmp_path_factory: pytest.TempPathFactory, told: list[str]) -> DemoMaterial:
    return write_demo(tmp_path_factory.mktemp("demo") / "new", seed=1, on_progress=told.append)


def test_the_programme_plants_five_other_versions(broadcast: Programme) -> None:
    works = [planted.work_id for planted in broadcast.planted]
    assert len(works) == len(set(works)) == 5
    assert set(works) <= {tune.work_id for tune in CATALOGUE}
    assert not set(works) & {tune.work_id for tune in UNKNOWN}
    assert 240 < len(broadcast.audio) / RATE_HZ < 360
    for planted in broadcast.planted:
        assert 35 < planted.end_s - planted.start_s < 56
        assert planted.transpose_semitones % 12 != 0
        assert 0.8 <= planted.tempo_ratio <= 1.25
    assert broadcast.planted[0].start_s < 10, "a cover must be on air within the first minute"


def test_the_truth_says_where_the_covers_sound(broadcast: Programme) -> None:
    """What is heard between the truth's start and end is the cover alone: its edges are where the sound changes."""
    audio = broadcast.audio
    for planted in broadcast.planted:
        inside = audio[int((planted.start_s + 1) * RATE_HZ) : int((planted.end_s - 1) * RATE_HZ)]
        seconds = np.sqrt(np.mean(np.square(inside[: len(inside) // RATE_HZ * RATE_HZ].reshape(-1, RATE_HZ)), axis=1))
        assert seconds.min() > 0.01
    greensleeves = broadcast.planted[1]
    before = audio[int((greensleeves.start_s - 1) * RATE_HZ) : int((greensleeves.start_s - 0.1) * RATE_HZ)]
    assert np.abs(before).max() == 0, "it begins after silence"
    one, other = broadcast.planted[2:4]
    assert one.end_s - other.start_s == pytest.approx(3.0, abs=0.02), "the cross-fade"


def test_the_transposition_is_heard(broadcast: Programme) -> None:
    for planted in broadcast.planted:
        tune = next(tune for tune in CATALOGUE if tune.work_id == planted.work_id)
        cover = _chroma(broadcast.audio[int(planted.start_s * RATE_HZ) : int(planted.end_s * RATE_HZ)])
        reference = _chroma(reference_audio(tune))
        scores = [float(np.dot(np.roll(reference, shift), cover)) for shift in range(12)]
        assert int(np.argmax(scores)) == planted.transpose_semitones % 12, planted.title


def _chroma(audio: np.ndarray) -> np.ndarray:
    frames = audio[: len(audio) // 8192 * 8192].reshape(-1, 8192) * np.hanning(8192)
    power = np.abs(np.fft.rfft(frames, axis=1)).mean(axis=0)
    hz = np.fft.rfftfreq(8192, 1 / RATE_HZ)
    used = (hz > 100) & (hz < 1500)
    pitch_class = np.rint(12 * np.log2(hz[used] / 440)).astype(int) % 12
    chroma = np.bincount(pitch_class, weights=power[used], minlength=12)
    return chroma - chroma.mean()


def test_one_seed_gives_one_programme(broadcast: Programme, material: DemoMaterial) -> None:
    with wave.open(str(material.programme_wav)) as file:
        again = np.frombuffer(file.readframes(file.getnframes()), dtype="<i2")
    assert np.array_equal(again, (broadcast.audio * 32767).astype("<i2")), "made twice, the same both times"


def test_written_files_are_complete(material: DemoMaterial, broadcast: Programme, told: list[str]) -> None:
    assert told == [*(tune.title for tune in CATALOGUE), "the programme"]
    with material.catalogue_csv.open(encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file))
    assert list(rows[0]) == ["path", "work_id", "title", "artist", "isrc", "iswc"]
    assert [material.catalogue_csv.parent / row["path"] for row in rows] == list(material.catalogue_files)
    assert len(rows) == len(CATALOGUE)
    for path in material.catalogue_files:
        seconds = sum(len(block) for block in decode(path, 16_000)) / 16_000
        assert 55 < seconds < 80
    assert read_truth(material.truth_csv) == broadcast.planted


def test_the_gate_hears_music_talk_and_silence_where_they_are(material: DemoMaterial, broadcast: Programme) -> None:
    pcm = np.concatenate(list(decode(material.programme_wav, 16_000))).astype(np.float32) / 32768
    gate = MusicGate()
    kinds = [gate.step(pcm[at : at + 44_000]).kind for at in range(0, len(pcm) - 44_000, 32_000)]

    def share(start_s: float, end_s: float, kind: str) -> float:
        steps = kinds[int(np.ceil(start_s / 2)) : int((end_s - 0.75) // 2)]
        return steps.count(kind) / len(steps)

    for planted in broadcast.planted:
        assert share(planted.start_s, planted.end_s, "music") > 0.9, planted.title
    first, second, third, fourth, fifth = broadcast.planted
    assert share(0, first.start_s, "speech_or_noise") == 1
    assert share(second.start_s - 5, second.start_s, "silence") > 0
    assert share(second.end_s + 2, third.start_s, "speech_or_noise") > 0
    assert kinds[-1] == "silence"


def test_fades() -> None:
    audio = faded(np.ones(4 * RATE_HZ, dtype=np.float32), in_s=1, out_s=2)
    assert audio[[0, RATE_HZ // 2, RATE_HZ * 3 // 2, RATE_HZ * 3, -1]] == pytest.approx([0, 0.5, 1, 0.5, 0], abs=1e-3)
    assert audio.dtype == np.float32
