"""Runs the command in this process, and shares one small indexed collection among tests."""

from __future__ import annotations

import json
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from indexer import cli
from tests.audio_samples import write_tune


@dataclass(frozen=True)
class Done:
    """What a command said."""

    code: int
    out: str
    err: str

    @property
    def lines(self) -> list[Any]:
        """Standard output as JSON Lines."""
        return [json.loads(line) for line in self.out.splitlines()]


class Indexer:
    """Calls ``indexer`` with arguments."""

    def __init__(self, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
        self._capsys, self._monkeypatch = capsys, monkeypatch

    def __call__(self, *arguments: object) -> Done:
        self._monkeypatch.setattr(sys, "argv", ["indexer", *map(str, arguments)])
        self._capsys.readouterr()
        code: Any = 0
        try:
            cli.load()()
        except SystemExit as error:
            code = error.code
        captured = self._capsys.readouterr()
        return Done(int(code or 0), captured.out, captured.err)


def write_collection(folder: Path) -> Path:
    """Three tunes in three formats, one of them without tags."""
    (folder / "more").mkdir(parents=True)
    write_tune(folder / "one.mp3", seconds=26, seed=1, tags={"title": "One", "artist": "Ann"})
    write_tune(folder / "more" / "two.ogg", seconds=26, seed=2, tags={"title": "Two", "artist": "Ben"})
    write_tune(folder / "untagged.wav", seconds=26, seed=3, rate_hz=16_000)
    (folder / "cover.jpg").write_bytes(b"\xff\xd8 not audio")
    (folder / ".hidden.mp3").write_bytes(b"hidden")
    return folder
