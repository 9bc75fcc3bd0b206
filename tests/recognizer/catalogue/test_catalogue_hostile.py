"""Damaged and hostile catalogues are refused before anything in them is believed."""

from __future__ import annotations

import hashlib
import io
import json
import pickle
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from recognizer.catalogue import Catalogue, CatalogueView, Manifest, Track
from recognizer.catalogue.track import clean_text
from recognizer.errors import CatalogueCorrupt, CatalogueError
from tests.recognizer.catalogue.builders import fill, made_up


@pytest.fixture
def published(tmp_path: Path) -> tuple[dict[str, Any], dict[str, bytes]]:
    """A manifest as parsed JSON, and its files by hash."""
    fill(tmp_path / "c", range(5))
    catalogue = Catalogue.open(tmp_path / "c")
    files = {file.sha256: catalogue.read(file.sha256) for file in catalogue.manifest.files()}
    return json.loads(catalogue.manifest_bytes), files


def sealed(body: dict[str, Any]) -> bytes:
    """A manifest whose checksum is right, whatever it says."""
    body = {key: value for key, value in body.items() if key != "checksum"}
    text = json.dumps(body, sort_keys=True, indent=1, allow_nan=False).encode() + b"\n"
    return json.dumps({**body, "checksum": hashlib.sha256(text).hexdigest()}).encode()


def set_at(*path: str | int, to: Any) -> Callable[[dict[str, Any]], None]:
    def change(body: Any) -> None:
        for key in path[:-1]:
            body = body[key]
        body[path[-1]] = to

    return change


SEGMENT = ("segments", 0)


@pytest.mark.parametrize(
    "change",
    [
        set_at("format", to="something"),
        set_at("version", to=3),
        set_at("generation", to=-1),
        set_at("generation", to=True),
        set_at("generation", to="1"),
        set_at("model_id", to=""),
        set_at("model_name", to="a\x1b[2Jb"),
        set_at("dimension", to=10**9),
        set_at("dimension", to=7),
        set_at("pitch_bins", to=0),
        set_at("pitch_fps", to=0),
        set_at("tracks", to=6),
        set_at("segments", to={}),
        set_at("segments", to=[7]),
        set_at(*SEGMENT, "files", to={}),
        set_at(*SEGMENT, "files", "vectors", "sha256", to="../../etc/passwd"),
        set_at(*SEGMENT, "files", "vectors", "sha256", to="A" * 64),
        set_at(*SEGMENT, "files", "vectors", "bytes", to=1 << 60),
        set_at(*SEGMENT, "files", "tracks", "bytes", to=0),
        set_at(*SEGMENT, "windows", to=1 << 39),
        set_at(*SEGMENT, "windows", to=14),
        set_at(*SEGMENT, "pieces", to=0),
        set_at(*SEGMENT, "pieces", to=3),
        set_at(*SEGMENT, "pieces", to=1 << 39),
        set_at(*SEGMENT, "pieces", to="4"),
        set_at(*SEGMENT, "files", "pieces", to={}),
        set_at(*SEGMENT, "files", "more", to={}),
        set_at(*SEGMENT, "frames", to=1 << 50),
        set_at(*SEGMENT, "tracks", to=4),
        set_at(*SEGMENT, "removed", to=[5]),
        set_at(*SEGMENT, "removed", to=[1, 1]),
        set_at(*SEGMENT, "removed", to=[2, 1]),
        set_at(*SEGMENT, "removed", to="01"),
    ],
)
def test_impossible_manifests_are_refused(
    published: tuple[dict[str, Any], dict[str, bytes]], change: Callable[[dict[str, Any]], None]
) -> None:
    body, files = published
    assert len(CatalogueView.from_files(sealed(body), files.__getitem__).tracks) == 5  # the seal itself is right
    change(body)
    with pytest.raises(CatalogueCorrupt) as caught:
        CatalogueView.from_files(sealed(body), files.__getitem__)
    assert len(str(caught.value)) < 500 and "\x1b" not in str(caught.value)


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"\x80\x04",
        b"[]",
        b"[" * 100_000,
        b'{"format": "recognizer-catalogue"}',
        b" " * (33 * 1024 * 1024),
    ],
)
def test_what_is_no_manifest_is_refused(data: bytes) -> None:
    with pytest.raises(CatalogueCorrupt):
        Manifest.from_bytes(data)


def test_every_flipped_bit_of_a_manifest_is_noticed(tmp_path: Path) -> None:
    fill(tmp_path / "c", range(2))
    data = (tmp_path / "c" / "manifest.json").read_bytes()
    whole = Manifest.from_bytes(data)
    for at in range(len(data)):
        flipped = bytearray(data)
        flipped[at] ^= 1
        try:
            assert Manifest.from_bytes(bytes(flipped)) == whole  # white space only
        except CatalogueCorrupt:
            continue


def test_a_damaged_manifest_names_the_intact_one_before(tmp_path: Path) -> None:
    fill(tmp_path / "c", range(4), per_commit=2)
    manifest = tmp_path / "c" / "manifest.json"
    manifest.write_bytes(manifest.read_bytes()[:-30])
    with pytest.raises(CatalogueCorrupt, match="generation 1 is intact: copy manifest.previous.json over"):
        Catalogue.open(tmp_path / "c")
    manifest.write_bytes((tmp_path / "c" / "manifest.previous.json").read_bytes())
    assert len(Catalogue.open(tmp_path / "c").view().tracks) == 2


@pytest.mark.parametrize("name", ["vectors", "starts", "pitch", "pieces", "tracks"])
@pytest.mark.parametrize("damage", ["flip", "truncate", "append", "swap"])
def test_damaged_files_are_refused_before_they_are_parsed(
    published: tuple[dict[str, Any], dict[str, bytes]], name: str, damage: str
) -> None:
    body, files = published
    entries = body["segments"][0]["files"]
    sha = entries[name]["sha256"]
    data = files[sha]
    files[sha] = {
        "flip": data[:-1] + bytes([data[-1] ^ 1]),
        "truncate": data[:-4],
        "append": data + b"\0",
        "swap": files[entries["vectors" if name != "vectors" else "pitch"]["sha256"]],
    }[damage]
    with pytest.raises(CatalogueCorrupt, match=f"file {sha[:12]}… of the catalogue is damaged"):
        CatalogueView.from_files(sealed(body), files.__getitem__)


def npy(array: np.ndarray, **options: Any) -> bytes:
    buffer = io.BytesIO()
    np.lib.format.write_array(buffer, array, **options)
    return buffer.getvalue()


class Bomb:
    def __reduce__(self) -> tuple[Any, ...]:
        return (pytest.fail, ("a pickle was loaded",))


def hostile_arrays() -> dict[str, bytes]:
    good = np.concatenate([made_up(n)[1] for n in range(5)])
    header = npy(good)[:128]
    return {
        "pickle": npy(np.array([Bomb()], dtype=object), allow_pickle=True).ljust(500, b"\0"),
        "raw pickle": pickle.dumps(Bomb()).ljust(500, b"\0"),
        "huge shape": header.replace(b"(15, 6)", b"(1 << 50"[:7]) + good.tobytes(),
        "other shape": npy(good.reshape(6, 15)),
        "fortran": npy(np.asfortranarray(good)),
        "float64": npy(good.astype(np.float64)[:8]).ljust(500, b"\0"),
        "big endian": npy(good.astype(">f4")),
        "version 2": npy(good, version=(2, 0)),
        "nan": npy(np.full_like(good, np.nan)),
        "short": npy(good)[:-4] + b"",
        "nothing": b"\0" * 500,
    }


@pytest.mark.parametrize("kind", list(hostile_arrays()))
def test_arrays_that_pass_their_hash_but_not_their_shape_are_refused(
    published: tuple[dict[str, Any], dict[str, bytes]], kind: str
) -> None:
    body, files = published
    data = hostile_arrays()[kind]
    sha = hashlib.sha256(data).hexdigest()
    body["segments"][0]["files"]["vectors"] = {"sha256": sha, "bytes": len(data)}
    with pytest.raises(CatalogueCorrupt):
        CatalogueView.from_files(sealed(body), {**files, sha: data}.__getitem__)


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("work_id", ""),
        ("work_id", None),
        ("reference_id", "r1"),  # another track's
        ("title", "a\nb"),
        ("title", "\u202egnp.exe"),
        ("title", "x" * 501),
        ("title", 7),
        ("artist", "\ud800"),
        ("sha256", "zz"),
        ("duration_s", -1),
        ("duration_s", "1"),
        ("windows", 0),
        ("windows", 2),
        ("windows", True),
        ("frames", 10**9),
        ("frames", -1),
        ("pieces", 1),
        ("pieces", -1),
        ("pieces", "0"),
        ("pitch_scale", 0),
        ("path", ["x"]),
        ("extra", 1),
    ],
)
def test_hostile_tracks_are_refused(published: tuple[dict[str, Any], dict[str, bytes]], field: str, value: Any) -> None:
    body, files = published
    entry = body["segments"][0]["files"]["tracks"]
    lines = files[entry["sha256"]].splitlines()
    lines[0] = json.dumps({**json.loads(lines[0]), field: value}).encode()
    data = b"\n".join(lines) + b"\n"
    sha = hashlib.sha256(data).hexdigest()
    body["segments"][0]["files"]["tracks"] = {"sha256": sha, "bytes": len(data)}
    with pytest.raises(CatalogueCorrupt):
        CatalogueView.from_files(sealed(body), {**files, sha: data}.__getitem__)


def test_files_that_are_links_are_not_followed(tmp_path: Path) -> None:
    fill(tmp_path / "c", range(3))
    for path in (tmp_path / "c" / "files").iterdir():
        path.rename(tmp_path / path.name)
        path.symlink_to(tmp_path / path.name)
    with pytest.raises(OSError, match="symbolic links"):
        Catalogue.open(tmp_path / "c").view()


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    fill(tmp_path / "c", range(3))
    gone = next((tmp_path / "c" / "files").iterdir())
    gone.unlink()
    with pytest.raises(CatalogueCorrupt, match=f"file {gone.name[:12]}… of the catalogue in .* is missing"):
        Catalogue.open(tmp_path / "c").view()


def test_verify_names_every_damaged_file(tmp_path: Path) -> None:
    fill(tmp_path / "c", range(3))
    assert Catalogue.open(tmp_path / "c").verify() == []
    paths = sorted((tmp_path / "c" / "files").iterdir())
    for path in paths[:2]:
        path.write_bytes(path.read_bytes()[:-1] + b"!")
    problems = Catalogue.open(tmp_path / "c").verify()
    assert len(problems) == 2
    assert all(any(path.name[:12] in problem for problem in problems) for path in paths[:2])


def test_a_directory_in_the_place_of_the_manifest(tmp_path: Path) -> None:
    (tmp_path / "c" / "manifest.json").mkdir(parents=True)
    with pytest.raises(CatalogueError, match="cannot be read .Is a directory."):
        Catalogue.open(tmp_path / "c")


@pytest.mark.parametrize(
    ("text", "clean"),
    [
        ("  A \t Song\r\n", "A Song"),
        ("bell\x07 and \x1b[31mred", "bell and [31mred"),
        ("\u202eevil\u202c", "evil"),
        ("zero\u200bwidth", "zerowidth"),
        ("lone \ud83d half", "lone half"),
        ("a\u2028b", "a b"),
        ("é", "é"),
        ("می\u200cخواهم", "می\u200cخواهم"),
        ("\0\x01", None),
        ("", None),
        ("x" * 3000, "x" * 500),
    ],
)
def test_text_of_strangers_is_cleaned(text: str, clean: str | None) -> None:
    assert clean_text(text) == clean
    if clean is not None:
        assert made_up(1, title=clean)[0].title == clean


def test_a_track_says_what_is_wrong_with_it() -> None:
    with pytest.raises(ValueError, match="title is 'a\\\\x00b', expected 1 to 500 printable characters"):
        made_up(1, title="a\0b")
    assert isinstance(made_up(1)[0], Track)
