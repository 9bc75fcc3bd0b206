"""Renders of many takes at once and music found in packages: what sounds where, what counts as music."""

from __future__ import annotations

import shutil
import subprocess
import zipfile
from pathlib import Path

import numpy as np
import pytest

from models.data.arrange import Notes
from models.validation import distractors
from models.validation.bulk import RATE_HZ, Take, mixed, render_all, write_wav
from models.validation.distractors import collect, is_music, recordings
from models.validation.manifest import ValidationError

SOUNDFONT = Path("/usr/share/sounds/sf2/TimGM6mb.sf2")
needs_fluidsynth = pytest.mark.skipif(
    not (SOUNDFONT.exists() and shutil.which("fluidsynth")), reason="fluidsynth or its timgm6mb soundfont is missing"
)


def peak_hz(pcm: np.ndarray) -> float:
    spectrum = np.abs(np.fft.rfft(pcm * np.hanning(len(pcm))))
    return float(np.fft.rfftfreq(len(pcm), 1 / RATE_HZ)[spectrum.argmax()])


@needs_fluidsynth
def test_takes_of_one_run_are_cut_at_their_own_times() -> None:
    takes = [
        Take(Notes.of([1.0], 1.0, [pitch], 1.0, 1.0), seconds, None, (i,), (73, 0, 32))
        for i, (pitch, seconds) in enumerate(((69, 3.5), (76, 2.25), (64, 4.0)))
    ]
    for take, pcm, hertz in zip(takes, render_all(takes, SOUNDFONT), (440.0, 659.3, 329.6), strict=True):
        assert len(pcm) == int(take.seconds * RATE_HZ)
        level = np.abs(pcm.astype(float))
        assert level[: int(0.95 * RATE_HZ)].max() < 0.05 * level.max()
        assert level[int(1.05 * RATE_HZ) : int(1.2 * RATE_HZ)].max() > 0.2 * level.max()
        # Up to octaves: an overtone may be the strongest. Half a semitone is left for a soundfont's vibrato.
        off = 12 * np.log2(peak_hz(pcm[int(1.2 * RATE_HZ) : int(1.9 * RATE_HZ)]) / hertz)
        assert abs(off - 12 * round(off / 12)) < 0.5


@needs_fluidsynth
def test_a_silent_take_is_refused() -> None:
    with pytest.raises(ValidationError, match="silent"):
        render_all([Take(Notes.of([5.0], 1.0, [69], 1.0, 1.0), 3.0, None, (1,))], SOUNDFONT)


def test_a_mix_has_the_level_between_its_parts_that_was_asked_for() -> None:
    time = np.arange(4 * RATE_HZ) / RATE_HZ
    low = (3000 * np.sin(2 * np.pi * 200 * time) * (time < 1)).astype(np.int16)  # sounds a quarter of the time
    high = (20000 * np.sin(2 * np.pi * 1500 * time)).astype(np.int16)
    spectrum = np.abs(np.fft.rfft(mixed(low, high, 6.0)[:RATE_HZ].astype(float)))
    assert 20 * np.log10(spectrum[200] / spectrum[1500]) == pytest.approx(6.0, abs=0.3)


def package(folder: Path) -> None:
    tone = (np.sin(np.arange(25 * RATE_HZ) * 0.1) * 9000).astype(np.int16)
    write_wav(folder / "usr/share/game/music/theme.wav", tone)
    write_wav(folder / "usr/share/game/music/again.wav", tone)
    write_wav(folder / "usr/share/game/music/short.wav", tone[: 5 * RATE_HZ])
    write_wav(folder / "usr/share/game/music/Our_s.wav", tone[1:])
    write_wav(folder / "usr/share/game/sounds/rain.wav", tone)
    write_wav(folder / "usr/share/game/sounds/title.wav", np.tile(tone, 3))
    (folder / "usr/share/game/music/broken.ogg").write_bytes(b"OggS" + b"\0" * 400)
    (folder / "usr/share/doc/p").mkdir(parents=True)
    (folder / "usr/share/doc/p/copyright").write_text("Files: *\nLicense: CC0-1.0\n\nFiles: b\nLicense: GPL-2+\n")


def test_music_is_listed_once_with_its_licence(tmp_path: Path) -> None:
    package(tmp_path / "p")
    said: list[str] = []
    left_out = frozenset({"p/our-s"})
    kept = collect(("p",), tmp_path, left_out, said.append)
    assert [Path(r.path).name for r in kept] == ["again.wav", "title.wav"]
    assert kept[0].licence == "CC0-1.0; GPL-2+"
    assert kept[0].seconds == 25.0
    assert "2 of 4 recordings kept" in said[0]
    assert (tmp_path / "distractors.csv").read_text().splitlines()[1].startswith("p/usr/share/game/music/again.wav,p,")


def test_a_title_in_another_encoding_is_no_obstacle(tmp_path: Path) -> None:
    write_wav(tmp_path / "a.wav", np.zeros(3 * RATE_HZ, np.int16))
    title = b"LIST" + (18).to_bytes(4, "little") + b"INFOINAM" + (6).to_bytes(4, "little") + b"caf\xa9\xe9\0"
    data = (tmp_path / "a.wav").read_bytes() + title
    (tmp_path / "a.wav").write_bytes(data[:4] + (len(data) - 8).to_bytes(4, "little") + data[8:])
    assert distractors.duration_s(tmp_path / "a.wav") == pytest.approx(3.0)


@pytest.mark.skipif(not shutil.which("dpkg-deb"), reason="dpkg-deb is missing: not a Debian system")
def test_a_package_is_unpacked_and_stripped(tmp_path: Path) -> None:
    source = tmp_path / "source"
    package(source)
    with zipfile.ZipFile(source / "usr/share/game/data.pk3", "w") as archive:
        archive.write(source / "usr/share/game/music/theme.wav", "sound/music/inside.wav")
        archive.writestr("../escaped.wav", b"no")
    (source / "usr/share/game/picture.png").write_bytes(b"x")
    (source / "usr/share/game/music/link.wav").symlink_to("theme.wav")
    (source / "DEBIAN").mkdir()
    control = "Package: p\nVersion: 1.2-3\nArchitecture: all\nMaintainer: a <a@b.c>\nDescription: music\n"
    (source / "DEBIAN/control").write_text(control)
    out = tmp_path / "out"
    (out / ".debs").mkdir(parents=True)
    subprocess.run(["dpkg-deb", "-b", "-Znone", source, out / ".debs/p_1.2-3_all.deb"], check=True, capture_output=True)
    folder = distractors.fetch("p", out)
    assert not list(folder.rglob("*.png")) + list(folder.rglob("link.wav")) + list(folder.rglob("*.pk3"))
    found = {Path(r.path).name: r for r in recordings("p", out)}
    assert set(found) == {"theme.wav", "again.wav", "Our_s.wav", "inside.wav", "title.wav"}
    assert found["theme.wav"].version == "1.2-3"
    assert not list(tmp_path.glob("escaped.wav")) + list(out.glob("escaped.wav"))
    assert not list((out / ".debs").iterdir())


def test_without_debian_tools_the_error_says_what_to_do(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(ValidationError, match="apt-get or dpkg-deb is not on this machine"):
        distractors.fetch("some-music", tmp_path)


def test_the_nearest_telling_folder_decides() -> None:
    assert is_music(Path("usr/share/game/sounds/music/a.ogg"))
    assert not is_music(Path("usr/share/game/music/voices/a.ogg"))
    assert is_music(Path("usr/share/game/data/a.ogg"))
