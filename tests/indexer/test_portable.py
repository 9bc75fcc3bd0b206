"""Export and import: what is carried over, and what a hostile archive cannot do."""

from __future__ import annotations

import io
import tarfile
from pathlib import Path

import pytest

from indexer.portable import export, import_file
from recognizer.catalogue import Catalogue, CatalogueWriter
from recognizer.errors import CatalogueCorrupt, ModelMismatch, UsageError
from tests.indexer.helpers import Indexer
from tests.recognizer.catalogue.builders import CONTRACT, fill, writer
from tests.recognizer.catalogue.test_catalogue import assert_holds


def rewritten(source: Path, target: Path, change: object) -> Path:
    """A copy of an archive whose members went through ``change(info, data) -> [(info, data), …]``."""
    with tarfile.open(source) as old, tarfile.open(target, "w") as new:
        for member in old.getmembers():
            file = old.extractfile(member)
            assert file is not None
            for info, data in change(member, file.read()):  # type: ignore[operator]
                new.addfile(info, io.BytesIO(data) if info.isreg() else None)
    return target


def test_what_is_exported_is_imported(tmp_path: Path) -> None:
    fill(tmp_path / "c", range(12), per_commit=5)
    with writer(tmp_path / "c") as open_writer:
        open_writer.remove(["r3"])
        open_writer.commit()
    export(tmp_path / "c", tmp_path / "c.tar")
    done = import_file(tmp_path / "c.tar", tmp_path / "new")
    assert (done.added, done.skipped) == (11, 0)
    assert_holds(Catalogue.open(tmp_path / "new").view(), [n for n in range(12) if n != 3])
    assert Catalogue.open(tmp_path / "new").verify() == []
    again = import_file(tmp_path / "c.tar", tmp_path / "new")
    assert (again.added, again.skipped, again.generation) == (0, 11, done.generation)


def test_an_import_adds_to_what_is_there(tmp_path: Path) -> None:
    fill(tmp_path / "a", range(0, 6))
    fill(tmp_path / "b", range(4, 9))
    export(tmp_path / "a", tmp_path / "a.tar")
    done = import_file(tmp_path / "a.tar", tmp_path / "b")
    assert (done.added, done.skipped) == (4, 2)
    assert_holds(Catalogue.open(tmp_path / "b").view(), list(range(9)))


def test_equal_catalogues_give_equal_files(tmp_path: Path) -> None:
    for name in "ab":
        fill(tmp_path / name, range(5))
        export(tmp_path / name, tmp_path / f"{name}.tar")
    assert (tmp_path / "a.tar").read_bytes() == (tmp_path / "b.tar").read_bytes()


def test_a_catalogue_of_another_model_takes_nothing(tmp_path: Path) -> None:
    fill(tmp_path / "a", range(3))
    export(tmp_path / "a", tmp_path / "a.tar")
    with CatalogueWriter(tmp_path / "b", CONTRACT, "sha256:" + "b" * 64):
        pass
    with pytest.raises(ModelMismatch):
        import_file(tmp_path / "a.tar", tmp_path / "b")
    assert Catalogue.open(tmp_path / "b").tracks() == []


def test_a_damaged_catalogue_is_not_exported(tmp_path: Path) -> None:
    fill(tmp_path / "c", range(3))
    path = next((tmp_path / "c" / "files").iterdir())
    path.write_bytes(b"?" + path.read_bytes()[1:])
    with pytest.raises(CatalogueCorrupt):
        export(tmp_path / "c", tmp_path / "c.tar")
    assert not any(tmp_path.glob("*c.tar"))


def with_link(info: tarfile.TarInfo, data: bytes) -> list[tuple[tarfile.TarInfo, bytes]]:
    if not info.name.startswith("files/"):
        return [(info, data)]
    link = tarfile.TarInfo(info.name)
    link.type, link.linkname = tarfile.SYMTYPE, "/etc/passwd"
    return [(link, b"")]


def flipped(info: tarfile.TarInfo, data: bytes) -> list[tuple[tarfile.TarInfo, bytes]]:
    return [(info, data if info.name == "manifest.json" else data[:-1] + bytes([data[-1] ^ 1]))]


def twice(info: tarfile.TarInfo, data: bytes) -> list[tuple[tarfile.TarInfo, bytes]]:
    return [(info, data), (info, data)]


def without_files(info: tarfile.TarInfo, data: bytes) -> list[tuple[tarfile.TarInfo, bytes]]:
    return [(info, data)] if info.name == "manifest.json" else []


def without_manifest(info: tarfile.TarInfo, data: bytes) -> list[tuple[tarfile.TarInfo, bytes]]:
    return [] if info.name == "manifest.json" else [(info, data)]


def device(info: tarfile.TarInfo, data: bytes) -> list[tuple[tarfile.TarInfo, bytes]]:
    special = tarfile.TarInfo("files/zero")
    special.type = tarfile.CHRTYPE
    return [(info, data), (special, b"")]


def claims_more(info: tarfile.TarInfo, data: bytes) -> list[tuple[tarfile.TarInfo, bytes]]:
    bomb = tarfile.TarInfo(info.name)
    bomb.size = len(data) + 10_000_000
    return [(bomb, data + bytes(10_000_000))]


@pytest.mark.parametrize("change", [with_link, flipped, twice, without_files, without_manifest, device, claims_more])
def test_hostile_archives_are_refused_and_nothing_is_added(tmp_path: Path, change: object) -> None:
    fill(tmp_path / "c", range(4))
    export(tmp_path / "c", tmp_path / "c.tar")
    bad = rewritten(tmp_path / "c.tar", tmp_path / "bad.tar", change)
    with pytest.raises(CatalogueCorrupt, match="bad.tar"):
        import_file(bad, tmp_path / "new")
    assert not (tmp_path / "new").exists()


def test_members_under_other_names_reach_no_disk(tmp_path: Path) -> None:
    def traversal(info: tarfile.TarInfo, data: bytes) -> list[tuple[tarfile.TarInfo, bytes]]:
        evil = tarfile.TarInfo("../escaped" if info.name == "manifest.json" else str(tmp_path / "absolute"))
        evil.size = 4
        return [(info, data), *([(evil, b"evil")] if info.name == "manifest.json" else [])]

    fill(tmp_path / "c", range(4))
    export(tmp_path / "c", tmp_path / "c.tar")
    bad = rewritten(tmp_path / "c.tar", tmp_path / "bad.tar", traversal)
    assert import_file(bad, tmp_path / "sub" / "new").added == 4
    assert not list(tmp_path.rglob("escaped")) and not list(tmp_path.rglob("absolute"))


@pytest.mark.parametrize("data", [b"", b"not a tar", b"\0" * 20_000, b"\x1f\x8b\x08\x00" + b"\0" * 600])
def test_what_is_no_archive_is_refused(tmp_path: Path, data: bytes) -> None:
    path = tmp_path / "x.tar"
    path.write_bytes(data)
    with pytest.raises(CatalogueCorrupt, match="x.tar"):
        import_file(path, tmp_path / "new")
    assert not (tmp_path / "new").exists()


def test_every_truncation_is_noticed(tmp_path: Path) -> None:
    fill(tmp_path / "c", range(2))
    export(tmp_path / "c", tmp_path / "c.tar")
    data = (tmp_path / "c.tar").read_bytes()
    end = data.rstrip(b"\0")
    for size in range(0, len(end), 97):
        (tmp_path / "cut.tar").write_bytes(data[:size])
        with pytest.raises((CatalogueCorrupt, UsageError)):
            import_file(tmp_path / "cut.tar", tmp_path / "new")
    assert not (tmp_path / "new").exists()


def test_the_commands(indexer: Indexer, indexed: Path, tmp_path: Path) -> None:
    target = tmp_path / "c.tar"
    done = indexer("export", target, "--catalogue", indexed)
    assert done.code == 0 and "3 references of 3 works" in done.out
    refused = indexer("export", target, "--catalogue", indexed)
    assert refused.code == 2 and "exists already; name another file, or use --force" in refused.err
    assert indexer("export", target, "--catalogue", indexed, "--force").code == 0
    assert indexer("export", tmp_path / "no" / "c.tar", "--catalogue", indexed).code == 2
    done = indexer("import", target, "--catalogue", tmp_path / "new", "--json")
    assert done.lines == [{"added": 3, "skipped": 0, "generation": 1}]
    assert indexer("list", "--catalogue", tmp_path / "new").out == indexer("list", "--catalogue", indexed).out
    assert indexer("import", tmp_path / "none.tar", "--catalogue", tmp_path / "new").code == 2
    target.write_bytes(target.read_bytes()[:3000])
    assert indexer("import", target, "--catalogue", tmp_path / "newer").code == 1
