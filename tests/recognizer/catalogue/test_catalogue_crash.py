"""A commit may end at any moment; the last good generation must load, and the next writer must go on."""

from __future__ import annotations

import os
import random
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from recognizer.catalogue import Catalogue
from recognizer.errors import CatalogueError
from tests.recognizer.catalogue.builders import fill, made_up, writer

STEPS = ("open", "write", "fsync", "replace", "unlink")


class PowerCut(BaseException):
    """The machine stops here."""


class Saboteur:
    """Counts the system calls that change the disk, and stops before, or in the middle of, the n-th."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, stop_at: int, error: BaseException) -> None:
        self.calls, self.stop_at, self.error = 0, stop_at, error
        for name in STEPS:
            monkeypatch.setattr(os, name, self.wrap(name, getattr(os, name)))

    def wrap(self, name: str, real: Callable[..., Any]) -> Callable[..., Any]:
        def call(*arguments: Any, **options: Any) -> Any:
            if name == "open" and not arguments[1] & os.O_CREAT:
                return real(*arguments, **options)
            self.calls += 1
            if self.calls == self.stop_at:
                if name == "write":  # a torn write: half of it arrives
                    real(arguments[0], bytes(arguments[1])[: len(arguments[1]) // 2])
                raise self.error
            return real(*arguments, **options)

        return call


def crash_points(error: BaseException, tmp_path: Path) -> Iterator[tuple[Path, Saboteur]]:
    """The same commit of two additions and two removals, once for every step it can fail at."""
    stop_at = 1
    while True:
        directory = tmp_path / str(stop_at)
        fill(directory, range(8), per_commit=2)
        with pytest.MonkeyPatch.context() as patch, writer(directory) as open_writer:
            open_writer.add(*made_up(8))
            open_writer.add(*made_up(9))
            open_writer.remove(["r0", "r5"])
            saboteur = Saboteur(patch, stop_at, error)
            try:
                open_writer.commit()
            except PowerCut:
                pass
            except CatalogueError as caught:
                assert "No space left" in str(caught) and "generation 4 is unchanged" in str(caught)
        if saboteur.calls < stop_at:
            return
        yield directory, saboteur
        stop_at += 1


BEFORE = {f"r{n}" for n in range(8)}
AFTER = (BEFORE | {"r8", "r9"}) - {"r0", "r5"}


@pytest.mark.parametrize("error", [PowerCut(), OSError(28, "No space left on device")], ids=["power", "disk full"])
def test_the_last_good_generation_survives_a_stop_at_every_step(error: BaseException, tmp_path: Path) -> None:
    seen = set()
    count = 0
    for directory, _ in crash_points(error, tmp_path):
        count += 1
        view = Catalogue.open(directory).view()
        assert Catalogue.open(directory).verify() == []
        held = {track.reference_id for track in view.tracks}
        assert (view.generation, held) in [(4, BEFORE), (5, AFTER)]
        seen.add(view.generation)
        with writer(directory) as open_writer:  # the next run completes the work and cleans up
            open_writer.remove(["r0", "r5"])
            for number in (8, 9):
                if f"r{number}" not in open_writer.tracks:
                    open_writer.add(*made_up(number))
            open_writer.commit()
            open_writer.add(*made_up(20))
            open_writer.commit()
        assert {t.reference_id for t in Catalogue.open(directory).view().tracks} == AFTER | {"r20"}
        left = [path.name for path in directory.rglob("*") if path.name.startswith(".tmp-")]
        assert left == []
    assert count > 15
    assert seen == {4, 5}


def test_a_full_disk_forgets_nothing_and_the_commit_can_be_repeated(tmp_path: Path) -> None:
    fill(tmp_path / "c", range(4))
    with writer(tmp_path / "c") as open_writer:
        open_writer.add(*made_up(8))
        open_writer.remove(["r0"])
        with pytest.MonkeyPatch.context() as patch:
            Saboteur(patch, 3, OSError(28, "No space left on device"))
            with pytest.raises(CatalogueError, match="No space left on device.; generation 1 is unchanged"):
                open_writer.commit()
        assert open_writer.commit() == 2
    held = {track.reference_id for track in Catalogue.open(tmp_path / "c").view().tracks}
    assert held == {"r1", "r2", "r3", "r8"}


def test_a_writer_killed_at_random_moments_never_breaks_it(tmp_path: Path) -> None:
    program = (
        "import sys; from pathlib import Path; from tests.recognizer.catalogue.builders import *\n"
        "w = writer(Path(sys.argv[1])); n = 1 + max([int(t[1:]) for t in w.tracks], default=-1)\n"
        "print('ready', flush=True)\n"
        "while True:\n"
        "    w.add(*made_up(n)); w.commit(); n += 1\n"
        "    if n % 3 == 0: w.remove([f'r{n - 2}']); w.commit(compact=True)\n"
        "    print('committed', flush=True)\n"
    )
    dice = random.Random(5)
    generation = 0
    for _ in range(6):
        command = [sys.executable, "-c", program, str(tmp_path / "c")]
        with subprocess.Popen(command, stdout=subprocess.PIPE, cwd=Path(__file__).parents[3]) as process:
            assert process.stdout is not None
            assert process.stdout.readline() == b"ready\n"
            for _ in range(2):  # a busy disk takes its time for a commit
                assert process.stdout.readline() == b"committed\n"
            time.sleep(dice.uniform(0.01, 0.2))
            process.send_signal(signal.SIGKILL)
        view = Catalogue.open(tmp_path / "c").view()
        assert Catalogue.open(tmp_path / "c").verify() == []
        assert view.generation >= generation
        generation = view.generation
    assert generation > 6
