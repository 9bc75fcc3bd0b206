"""Adding, removing, re-adding, reading and merging, on a real directory."""

from __future__ import annotations

import hashlib
import json
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from recognizer.catalogue import Catalogue, CatalogueView, CatalogueWriter, manifest_files
from recognizer.catalogue import writer as writer_module
from recognizer.errors import CatalogueBusy, CatalogueError, ModelMismatch
from tests.recognizer.catalogue.builders import CONTRACT, MODEL_ID, fill, made_up, writer


def assert_holds(view: CatalogueView, numbers: list[int]) -> None:
    """The view holds exactly these made-up tracks, whole and with the right rows."""
    assert {track.reference_id for track in view.tracks} == {f"r{n}" for n in numbers}
    assert len(view.tracks) == len(numbers) == view.manifest.tracks
    assert view.works == view.manifest.works == len({n // 2 for n in numbers})
    assert len(view.vectors) == len(view.vector_track) == len(view.vector_start_s) == view.manifest.windows
    for n in numbers:
        track, vectors, starts_s, pitch, pieces = made_up(n)
        number = view.track_number(f"r{n}")
        assert number is not None and view.tracks[number] == track
        rows = np.flatnonzero(view.vector_track == number)
        assert np.array_equal(view.vectors[rows], vectors)
        assert np.array_equal(view.vector_start_s[rows], starts_s)
        assert np.array_equal(view.pieces[view.piece_track == number], pieces.astype(np.float16))
        np.testing.assert_allclose(view.pitch(number), pitch, atol=pitch.max() / 500)
        assert number in view.tracks_of_work(track.work_id)


def test_what_was_added_is_read_back(tmp_path: Path) -> None:
    assert fill(tmp_path / "c", range(7)) == 1
    view = Catalogue.open(tmp_path / "c").view()
    assert_holds(view, list(range(7)))
    assert (view.generation, view.model_id, view.pitch_fps) == (1, MODEL_ID, 4.0)
    assert view.tracks_of_work("w0") == [0, 1]
    assert view.track_number("r99") is None and view.tracks_of_work("w99") == []
    assert Catalogue.open(tmp_path / "c").tracks() == list(view.tracks)


def test_an_empty_view_and_an_empty_directory_are_alike(tmp_path: Path) -> None:
    stored = Catalogue.create(tmp_path / "c", CONTRACT, MODEL_ID).view()
    empty = CatalogueView.empty(CONTRACT, MODEL_ID)
    for view in (stored, empty):
        assert view.tracks == () and view.vectors.shape == (0, 6) and view.generation == 0
        assert view.index.search(np.zeros((1, 6), np.float32), 5)[1].shape == (1, 0)
    assert stored.manifest == empty.manifest
    with pytest.raises(CatalogueError, match="already; open it, or name another"):
        Catalogue.create(tmp_path / "c", CONTRACT, MODEL_ID)


def test_many_small_commits_are_merged_and_nothing_changes(tmp_path: Path) -> None:
    fill(tmp_path / "c", range(100), per_commit=1)
    catalogue = Catalogue.open(tmp_path / "c")
    assert_holds(catalogue.view(), list(range(100)))
    assert catalogue.manifest.generation == 100
    assert len(catalogue.manifest.segments) <= 8
    # Files on disk: this generation's and the previous one's.
    assert len(list((tmp_path / "c" / "files").iterdir())) <= 4 * 16


def test_segments_grow_into_larger_classes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(writer_module, "_SMALL_BYTES", 200)
    monkeypatch.setattr(writer_module, "SEGMENT_BYTES", 4_000)
    fill(tmp_path / "c", range(120), per_commit=1)
    catalogue = Catalogue.open(tmp_path / "c")
    assert_holds(catalogue.view(), list(range(120)))
    sizes = [4 * 6 * segment.windows for segment in catalogue.manifest.segments]
    assert max(sizes) <= 4_000
    assert len(sizes) < 30
    with writer(tmp_path / "c") as open_writer:
        open_writer.commit(compact=True)
    catalogue = Catalogue.open(tmp_path / "c")
    assert_holds(catalogue.view(), list(range(120)))
    assert len(catalogue.manifest.segments) <= 7


def test_remove_then_add_again(tmp_path: Path) -> None:
    fill(tmp_path / "c", range(10))
    with writer(tmp_path / "c") as open_writer:
        assert [t.reference_id for t in open_writer.remove(["r3", "r4", "nobody"])] == ["r3", "r4"]
        assert open_writer.commit() == 2
        assert_holds(Catalogue.open(tmp_path / "c").view(), [0, 1, 2, 5, 6, 7, 8, 9])
        open_writer.add(*made_up(3))
        open_writer.commit()
    view = Catalogue.open(tmp_path / "c").view()
    assert_holds(view, [0, 1, 2, 3, 5, 6, 7, 8, 9])
    with writer(tmp_path / "c") as open_writer:
        open_writer.remove(["r3"])
        open_writer.commit()
    assert_holds(Catalogue.open(tmp_path / "c").view(), [0, 1, 2, 5, 6, 7, 8, 9])


def test_what_is_added_and_removed_before_a_commit_was_never_there(tmp_path: Path) -> None:
    with writer(tmp_path / "c") as open_writer:
        open_writer.add(*made_up(1))
        open_writer.remove(["r1"])
        assert open_writer.commit() == 0
        open_writer.add(*made_up(1))
        assert open_writer.commit() == 1
        assert open_writer.commit() == 1  # nothing changed


def test_removing_everything_leaves_an_empty_catalogue(tmp_path: Path) -> None:
    fill(tmp_path / "c", range(5))
    with CatalogueWriter(tmp_path / "c") as open_writer:  # no model is needed to remove
        open_writer.remove([f"r{n}" for n in range(5)])
        open_writer.commit()
    view = Catalogue.open(tmp_path / "c").view()
    assert_holds(view, [])
    assert view.manifest.segments == ()


def test_segments_that_are_mostly_removed_are_rewritten(tmp_path: Path) -> None:
    fill(tmp_path / "c", range(10))
    with writer(tmp_path / "c") as open_writer:
        open_writer.remove([f"r{n}" for n in range(6)])
        open_writer.commit()
    (segment,) = Catalogue.open(tmp_path / "c").manifest.segments
    assert segment.removed == () and segment.tracks == 4


def test_what_was_not_committed_is_forgotten(tmp_path: Path) -> None:
    fill(tmp_path / "c", range(3))
    with writer(tmp_path / "c") as open_writer:
        open_writer.add(*made_up(3))
        open_writer.remove(["r0"])
    assert_holds(Catalogue.open(tmp_path / "c").view(), [0, 1, 2])


def test_a_reference_is_added_once(tmp_path: Path) -> None:
    with writer(tmp_path / "c") as open_writer:
        open_writer.add(*made_up(1))
        with pytest.raises(ValueError, match="r1 is in the catalogue already; remove it first"):
            open_writer.add(*made_up(1))


@pytest.mark.parametrize(
    "damage", ["vectors", "starts", "pitch", "nan", "long", "no pitch", "pieces", "nan piece", "long piece"]
)
def test_rows_that_do_not_fit_are_refused(tmp_path: Path, damage: str) -> None:
    track, vectors, starts_s, pitch, pieces = made_up(4)
    if damage == "vectors":
        vectors = vectors[:, :-1]
    elif damage == "starts":
        starts_s = starts_s[:-1]
    elif damage == "pitch":
        pitch = pitch[:, :-1]
    elif damage == "nan":
        vectors[0, 0] = np.nan
    elif damage == "long":
        vectors[0] *= 1.1
    elif damage == "pieces":
        pieces = pieces[:, :-1]
    elif damage == "nan piece":
        pieces[0, 0] = np.nan
    elif damage == "long piece":
        pieces[0] *= 1.1
    else:
        pitch = pitch[:0]
    with writer(tmp_path / "c") as open_writer:
        with pytest.raises(ValueError, match="shape|finite|unit norm"):
            open_writer.add(track, vectors, starts_s, pitch, pieces)
        assert open_writer.commit() == 0


def test_another_model_is_refused_with_what_to_do(tmp_path: Path) -> None:
    fill(tmp_path / "c", range(3))
    other = "sha256:" + "b" * 64
    for refused in (
        lambda: CatalogueWriter(tmp_path / "c", CONTRACT, other),
        lambda: Catalogue.open(tmp_path / "c").view().require_model(other, "v9"),
    ):
        with pytest.raises(ModelMismatch, match="built with model made-up .*indexer rebuild.*--model"):
            refused()
    Catalogue.open(tmp_path / "c").view().require_model(MODEL_ID)
    with writer(tmp_path / "c"):  # the refusal gave the lock back
        pass


def test_one_writer_at_a_time(tmp_path: Path) -> None:
    with writer(tmp_path / "c"):
        with pytest.raises(CatalogueBusy, match=f"process .number {os.getpid()}. is writing .*wait until"):
            writer(tmp_path / "c")
        Catalogue.open(tmp_path / "c").view()  # reading goes on
    with writer(tmp_path / "c"):
        pass


def test_the_lock_of_a_killed_writer_is_free(tmp_path: Path) -> None:
    program = (
        "import os, sys; from pathlib import Path; from tests.recognizer.catalogue.builders import *\n"
        "w = writer(Path(sys.argv[1])); "
        "w.add(*made_up(1)); w.commit(); w.add(*made_up(2)); os.kill(os.getpid(), 9)"
    )
    done = subprocess.run([sys.executable, "-c", program, str(tmp_path / "c")], cwd=Path(__file__).parents[3])
    assert done.returncode == -9
    assert fill(tmp_path / "c", range(2, 4)) == 2
    assert_holds(Catalogue.open(tmp_path / "c").view(), [1, 2, 3])


def test_readers_keep_their_generation_over_the_next_commit_and_follow_after_two(tmp_path: Path) -> None:
    fill(tmp_path / "c", range(3))
    old = Catalogue.open(tmp_path / "c")
    fill(tmp_path / "c", range(3, 5))
    with writer(tmp_path / "c") as open_writer:
        open_writer.commit(compact=True)
    fill(tmp_path / "c", range(5, 6))
    assert_holds(old.view(), [0, 1, 2, 3, 4, 5])  # its own files are gone by now
    still = Catalogue.open(tmp_path / "c")
    with writer(tmp_path / "c") as open_writer:
        open_writer.commit(compact=True)
    assert still.view().generation == still.manifest.generation  # kept for one more commit


def test_a_catalogue_that_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(CatalogueError, match="there is no catalogue in .*nowhere; make one with `indexer add"):
        Catalogue.open(tmp_path / "nowhere")
    with pytest.raises(CatalogueError, match="there is no catalogue"):
        CatalogueWriter(tmp_path / "nowhere")
    assert not (tmp_path / "nowhere").exists()
    (tmp_path / "file").write_text("x")
    with pytest.raises(CatalogueError, match="there is no catalogue"):
        Catalogue.open(tmp_path / "file")
    with pytest.raises(CatalogueError, match="cannot be written .Not a directory.; name another directory"):
        writer(tmp_path / "file")


def test_a_replica_is_built_from_the_manifest_and_files_by_hash(tmp_path: Path) -> None:
    fill(tmp_path / "c", range(30), per_commit=4)
    catalogue = Catalogue.open(tmp_path / "c")
    shared = {sha: catalogue.read(sha) for sha in manifest_files(catalogue.manifest_bytes)}
    replica = CatalogueView.from_files(catalogue.manifest_bytes, shared.__getitem__)
    original = catalogue.view()
    assert replica.tracks == original.tracks
    assert np.array_equal(replica.vectors, original.vectors)
    assert replica.manifest == original.manifest


def test_a_catalogue_of_the_first_version_is_read_and_added_to(tmp_path: Path) -> None:
    with writer(tmp_path / "c") as open_writer:
        open_writer.add(*made_up(3))  # of no pieces
        open_writer.commit()
    manifest = tmp_path / "c" / "manifest.json"
    body = json.loads(manifest.read_bytes())
    assert "pieces" not in body["segments"][0] and body.pop("checksum")
    body["version"] = 1
    text = json.dumps(body, sort_keys=True, indent=1).encode() + b"\n"
    manifest.write_text(json.dumps({**body, "checksum": hashlib.sha256(text).hexdigest()}))
    assert_holds(Catalogue.open(tmp_path / "c").view(), [3])
    with writer(tmp_path / "c") as open_writer:
        open_writer.add(*made_up(4))
        open_writer.commit()
        assert_holds(Catalogue.open(tmp_path / "c").view(), [3, 4])
        open_writer.commit(compact=True)
    assert_holds(Catalogue.open(tmp_path / "c").view(), [3, 4])
