"""The comparison of losses: rows share a budget and the exam is of human versions where it says so."""

from __future__ import annotations

import csv
from pathlib import Path

import numpy as np
import pytest

torch = pytest.importorskip("torch", reason="torch is not installed (extra 'train')")

from models import ablate  # noqa: E402
from models.data.manifest import read_manifest  # noqa: E402
from models.data.store import ScoreStore  # noqa: E402
from models.exam import make_exam, read_exam, write_exam  # noqa: E402
from models.settings import read_settings  # noqa: E402
from tests.models.small_corpus import write_corpus  # noqa: E402

CONFIG = """
name = "small"
[data]
manifest = "works.csv"
store = "s.npz"
collections = [""]
works_per_batch = 4
group = 2
helpers = 0
[net]
widths = [4, 6, 8, 8]
dimension = 16
hidden = 16
[schedule]
steps = 4
warmup = 1
probe_steps = 4
"""


def test_every_row_shows_the_network_as_many_views() -> None:
    base = read_settings(ablate.CONFIGS / "ablation.toml")
    for row in ablate.ROWS:
        stages = ablate.stages_of(row, 1, base)
        views = [s.schedule.steps * s.data.works_per_batch * s.data.views * s.data.windows for s in stages]
        assert sum(views) == base.schedule.steps * base.data.works_per_batch * base.data.views, row
        assert {s.net for s in stages} == {base.net}
        assert [s.start for s in stages] == ["", *(f"{s.name}/last.pt" for s in stages[:-1])]


def test_figures_by_hand() -> None:
    scores = np.array([[0.9, 0.2, 0.1], [0.8, 0.5, 0.3], [0.7, 0.35, 0.4]])
    figures = ablate.figures_of(scores, np.eye(3, dtype=np.bool_))
    # Ranks 1, 2, 2. At 0.5 one of the right pairs (0.9, 0.5, 0.4) is refused and two of the six wrong ones (0.8, 0.7)
    # are accepted.
    assert figures["mrr"] == pytest.approx((1 + 1 / 2 + 1 / 2) / 3)
    assert figures["top1"] == pytest.approx(1 / 3)
    assert figures["eer"] == pytest.approx(1 / 3)
    assert figures["acc_pair"] == pytest.approx(6 / 9)


def test_the_exam_asks_for_versions_by_other_people_where_there_are_two(tmp_path: Path) -> None:
    write_corpus(tmp_path, works=10, versions=2)
    entries = read_manifest(tmp_path / "works.csv")
    exam = make_exam(entries, ScoreStore(tmp_path / "s.npz"), others=2)
    assert exam.human.sum() == 5
    assert len(exam.human) == 7
    assert exam.queries.shape == (2, 7, *exam.references.shape[1:])
    assert all(roll.any() for roll in exam.references)
    write_exam(exam, tmp_path / "exam.npz")
    np.testing.assert_array_equal(read_exam(tmp_path / "exam.npz").queries, exam.queries)


@pytest.mark.slow
def test_rows_that_are_done_are_not_done_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write_corpus(tmp_path, works=40, versions=2)
    (tmp_path / "small.toml").write_text(CONFIG)
    places = [f"--{name}={tmp_path / at}" for name, at in (("runs", "runs"), ("out", "out"), ("data", "."))]
    arguments = [*places, f"--config={tmp_path / 'small.toml'}", "--works=16", "--seeds=1"]
    assert ablate.main([*arguments, "--rows=softmax-triplet"]) == 0
    assert ablate.main([*arguments, "--rows=clews,triplet"]) == 0
    with (tmp_path / "out" / "ablations.csv").open() as file:
        lines = list(csv.DictReader(file))
    assert [(line["row"], line["steps"]) for line in lines] == [
        ("triplet", "4"),
        ("softmax-triplet", "2+2"),
        ("clews", "2"),
    ]
    assert all(0 <= float(line["human_mrr"]) <= 1 for line in lines)

    def never(*_: object) -> Path:
        raise AssertionError("trained again")

    monkeypatch.setattr(ablate, "train", never)
    assert ablate.main([*arguments, "--rows=triplet,clews"]) == 0
    text = (tmp_path / "out" / "ablations.md").read_text()
    assert text.count("| triplet (no pre-training) |") == 2
    assert "(human) among" in text
