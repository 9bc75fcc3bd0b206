"""Music and a catalogue for the whole run, made with the product's own commands."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.end_to_end.installed import run
from tests.end_to_end.music import Cover, write_cover, write_references
from tests.web.conftest import artefacts, browser, visit

__all__ = ["artefacts", "browser", "visit"]


@pytest.fixture(scope="session")
def references(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The table of the references; their recordings are beside it."""
    return write_references(tmp_path_factory.mktemp("references"))


@pytest.fixture(scope="session")
def catalogue(references: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A catalogue of five works."""
    directory = tmp_path_factory.mktemp("index") / "catalogue"
    done = run("indexer", "add", "--manifest", references, "--catalogue", directory)
    assert done.returncode == 0, done.stderr
    assert done.stdout.startswith("added 5 (")
    return directory


@pytest.fixture(scope="session")
def recording(tmp_path_factory: pytest.TempPathFactory) -> Cover:
    """A cover between silence and talk."""
    return write_cover(tmp_path_factory.mktemp("recording") / "evening at the café.wav", before_s=6, talk_s=52)


@pytest.fixture(autouse=True)
def own_home(tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A home of the test's own: nothing of the user's is seen or touched."""
    home = tmp_path_factory.mktemp("home")
    for name in ("RECOGNIZER_DATA_DIR", "RECOGNIZER_REDIS_URL", "RECOGNIZER_WEB_TOKEN", "XDG_DATA_HOME"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("HOME", str(home))
    monkeypatch.setenv("XDG_CACHE_HOME", str(home / "cache"))
    yield home
