from __future__ import annotations

import shutil
import sys
from pathlib import Path

import pytest

from indexer import cli
from tests.indexer.helpers import Indexer, write_collection


@pytest.fixture
def indexer(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> Indexer:
    return Indexer(capsys, monkeypatch)


@pytest.fixture(scope="session")
def collection(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder of three tunes; not to be changed."""
    return write_collection(tmp_path_factory.mktemp("music") / "collection")


@pytest.fixture(scope="session")
def _indexed_once(collection: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    directory = tmp_path_factory.mktemp("catalogue") / "c"
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(sys, "argv", ["indexer", "add", str(collection), "--catalogue", str(directory)])
        with pytest.raises(SystemExit) as ended:
            cli.load()()
    assert ended.value.code == 0
    return directory


@pytest.fixture
def indexed(_indexed_once: Path, tmp_path: Path) -> Path:
    """A catalogue of the collection, the test's own."""
    return Path(shutil.copytree(_indexed_once, tmp_path / "indexed"))
