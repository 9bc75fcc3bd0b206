"""Tags, works and references: which files are one work."""

from __future__ import annotations

from pathlib import Path

import mutagen
import mutagen.id3
import mutagen.mp4
import pytest

from indexer.find import find_audio
from indexer.identity import normalised, reference_id, stored_path, work_id
from indexer.tags import Tags, isrc, iswc, read_tags
from tests.audio_samples import write_tune

SHA = "0123456789abcdef" * 4


def write_mp3(path: Path) -> None:
    tags = mutagen.id3.ID3()
    tags.add(mutagen.id3.TIT2(encoding=3, text="Tïtle"))
    tags.add(mutagen.id3.TPE1(encoding=3, text=["Ann", "Ben"]))
    tags.add(mutagen.id3.TSRC(encoding=3, text="USRC17607839"))
    tags.add(mutagen.id3.TXXX(encoding=3, desc="ISWC", text="T-034.524.680-1"))
    tags.save(path)


def write_vorbis(path: Path) -> None:
    file = mutagen.File(path)
    file.tags.update({"TITLE": ["Tïtle"], "ARTIST": ["Ann", "Ben"], "ISRC": ["USRC17607839"], "ISWC": ["T0345246801"]})
    file.save()


def write_mp4(path: Path) -> None:
    file = mutagen.File(path)
    file["\xa9nam"], file["\xa9ART"] = ["Tïtle"], ["Ann", "Ben"]
    file["----:com.apple.iTunes:ISRC"] = [mutagen.mp4.MP4FreeForm(b"US-RC1-76-07839")]
    file["----:com.apple.iTunes:ISWC"] = [mutagen.mp4.MP4FreeForm(b"T0345246801")]
    file.save()


@pytest.mark.parametrize(
    ("ending", "write"),
    [
        (".mp3", write_mp3),
        (".flac", write_vorbis),
        (".ogg", write_vorbis),
        (".opus", write_vorbis),
        (".m4a", write_mp4),
    ],
)
def test_tags_of_every_format_say_the_same(tmp_path: Path, ending: str, write: object) -> None:
    path = write_tune(tmp_path / f"a{ending}", seconds=1, rate_hz=48_000)
    write(path)  # type: ignore[operator]
    assert read_tags(path) == Tags("Tïtle", "Ann, Ben", "USRC17607839", "T0345246801")


def test_hostile_and_missing_tags_do_no_harm(tmp_path: Path) -> None:
    assert read_tags(write_tune(tmp_path / "plain.wav", seconds=1)) == Tags()
    assert read_tags(tmp_path / "missing.mp3") == Tags()
    path = write_tune(tmp_path / "evil.mp3", seconds=1)
    tags = mutagen.id3.ID3()
    tags.add(mutagen.id3.TIT2(encoding=3, text="\u202eevil\x1b[2J\n" + "x" * 5000))
    tags.add(mutagen.id3.TPE1(encoding=3, text="\0"))
    tags.add(mutagen.id3.TSRC(encoding=3, text="'; DROP TABLE"))
    tags.save(path)
    found = read_tags(path)
    assert found.title is not None and found.title.startswith("evil[2J xxx") and len(found.title) == 500
    assert (found.artist, found.isrc) == (None, None)
    damaged = tmp_path / "damaged.mp3"
    damaged.write_bytes(b"ID3\x04\x00\x00\x7f\x7f\x7f\x7f" + path.read_bytes()[:200])
    assert read_tags(damaged).isrc is None


@pytest.mark.parametrize("text", ["", None, "US-RC1", "USRC1760783X", "T-034.524.680-1"])
def test_what_is_no_isrc_is_none(text: str | None) -> None:
    assert isrc(text) is None


@pytest.mark.parametrize("text", ["", None, "T-034", "USRC17607839"])
def test_what_is_no_iswc_is_none(text: str | None) -> None:
    assert iswc(text) is None


def test_title_and_artist_make_a_work_whatever_their_spelling() -> None:
    first = work_id("Déjà  Vu!", "The Anns", SHA)
    assert first == work_id("deja vu", "THE ANNS", SHA[::-1])
    assert first != work_id("deja vu", "others", SHA)
    assert first != work_id("deja", "vu The Anns", SHA)


@pytest.mark.parametrize(("title", "artist"), [(None, "Ann"), ("Intro", None), ("???", "Ann"), (None, None)])
def test_without_title_and_artist_every_file_is_a_work(title: str | None, artist: str | None) -> None:
    assert work_id(title, artist, SHA) == f"w-{SHA[:16]}"
    assert reference_id(SHA) == f"r-{SHA[:16]}"


def test_names_are_compared_by_letters_and_digits() -> None:
    assert normalised("  L’été — №5 (live)") == "l ete no5 live"
    assert normalised("東京") == "東京"


def test_folders_are_searched_for_audio_and_files_are_taken_as_named(collection: Path, tmp_path: Path) -> None:
    files, others = find_audio([collection, collection / "cover.jpg", collection / "one.mp3"])
    names = [str(path.relative_to(collection)) for path in files]
    assert names == ["one.mp3", "untagged.wav", "more/two.ogg", "cover.jpg"]
    assert others == 1
    (tmp_path / "link").symlink_to(collection)
    (tmp_path / "loop").symlink_to(tmp_path)
    assert find_audio([tmp_path]) == ([], 0)


def test_a_name_that_is_not_utf8_is_stored_as_text(tmp_path: Path) -> None:
    assert stored_path(Path("/music/na\udcefve.mp3")) == "/music/na\\xefve.mp3"
