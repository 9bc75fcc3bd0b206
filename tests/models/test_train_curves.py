"""The plot of a run reads logs that were interrupted."""

from __future__ import annotations

from pathlib import Path

import pytest

pytest.importorskip("matplotlib", reason="matplotlib is not installed (extra 'train')")

from models.curves import main, read_log  # noqa: E402


def test_a_repeated_step_counts_once_and_the_plot_is_written(tmp_path: Path) -> None:
    log = tmp_path / "log.csv"
    log.write_text("unix_s,step,loss\n1,100,3.0\n2,200,2.5\n3,200,2.0\n4,300,1.5\n")
    assert read_log(log)["loss"] == [3.0, 2.0, 1.5]
    assert main([str(log), "--out", str(tmp_path / "c.png")]) == 0
    assert (tmp_path / "c.png").read_bytes().startswith(b"\x89PNG")
