"""Banks of views, and several views and windows of a work."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from models.data.bank import Bank, build_bank, labels_path
from models.data.feed import batches
from models.data.manifest import read_manifest
from models.data.store import ScoreStore
from models.data.views import Corpus, Recipe, batch, consecutive, draw_versions
from models.settings import Data, SettingsError
from tests.models.small_corpus import write_corpus

RECIPE = Recipe(frames=64, group=2, views=3, windows=2)
DATA = Data(works_per_batch=4, group=2, views=3, windows=2, helpers=0)


def corpus(folder: Path, works: int = 10) -> Corpus:
    write_corpus(folder, works, versions=2)
    return Corpus(read_manifest(folder / "works.csv"), ScoreStore(folder / "s.npz"))


@pytest.fixture
def bank(tmp_path: Path) -> Path:
    path = tmp_path / "bank.npy"
    build_bank(corpus(tmp_path), RECIPE, 3, 0, path, lambda done, of: None)
    return path


def test_a_round_holds_every_work_once_and_the_bank_is_the_same_again(tmp_path: Path, bank: Path) -> None:
    read = Bank(bank)
    assert read.rolls.shape == (3, 5, 3, 2, 2, 64, 84)
    assert all(sorted(turn.ravel()) == list(range(10)) for turn in read.works)
    again = tmp_path / "again.npy"
    build_bank(corpus(tmp_path), RECIPE, 3, 0, again, lambda done, of: None)
    np.testing.assert_array_equal(Bank(again).rolls, read.rolls)


def test_batches_of_a_bank_have_the_order_of_new_ones(bank: Path) -> None:
    read = Bank(bank)
    rolls, works = read.batch(4, (5, 1))
    assert rolls.shape == (3 * 4 * 2, 64, 84)
    assert len(set(works.tolist())) == 4
    turn, group = (int(i[0]) for i in np.nonzero((read.works == works[2:]).all(2)))
    # View 1, work 3 of the batch (second of its group), window 0.
    np.testing.assert_array_equal(rolls[(1 * 4 + 3) * 2], read.rolls[turn, group, 1, 1, 0])
    np.testing.assert_array_equal(rolls, read.batch(4, (5, 1))[0])
    seen = {tuple(read.batch(4, (5, step))[1]) for step in range(20)}
    assert len(seen) > 10


def test_trainers_share_a_batch_of_a_bank(bank: Path) -> None:
    read = Bank(bank)
    whole = read.batch(4, (2, 0))
    halves = [read.batch(4, (2, 0), (rank, 2)) for rank in (0, 1)]
    assert np.concatenate([works for _, works in halves]).tolist() == whole[1].tolist()
    views = [rolls.reshape(3, 2, 2, 64, 84) for rolls, _ in halves]
    np.testing.assert_array_equal(np.concatenate(views, 1).reshape(whole[0].shape), whole[0])


def test_a_bank_feeds_the_trainer_and_refuses_what_it_does_not_hold(bank: Path) -> None:
    data = replace(DATA, bank=str(bank))
    made = list(batches([], data, seed=1, first=2, last=5))
    assert len(made) == 3
    np.testing.assert_array_equal(made[0][1], Bank(bank).batch(4, (1, 2))[1])
    for wrong in ({"views": 2}, {"windows": 1}, {"works_per_batch": 12}, {"works_per_batch": 3}):
        with pytest.raises(SettingsError, match="bank"):
            next(batches([], replace(data, **wrong), 1, 0, 1))  # type: ignore[arg-type]
    with pytest.raises(SettingsError, match="multiple of 3"):
        next(batches([], data, 1, 0, 1, part=(0, 3)))


def test_an_interrupted_bank_has_no_labels(tmp_path: Path) -> None:
    def stop(done: int, of: int) -> None:
        if done == 4:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        build_bank(corpus(tmp_path), RECIPE, 3, 0, tmp_path / "b.npy", stop)
    assert not (tmp_path / "b.npy").exists()
    assert not labels_path(tmp_path / "b.npy").exists()


def test_further_views_are_the_same_place_in_other_tempos_and_windows_follow_each_other(tmp_path: Path) -> None:
    works = corpus(tmp_path)
    recipe = replace(RECIPE, views=4, frames=160, jitter_s=0.0, human=1.0)
    passages = draw_versions(works, works.works[0], recipe, np.random.default_rng(0))
    assert len(passages) == 4
    assert passages[2].centre == pytest.approx(passages[0].centre)
    assert passages[3].centre == pytest.approx(passages[1].centre)
    assert len({p.beat_s for p in passages}) == 4
    for places in consecutive(passages, recipe):
        assert abs(places[1].centre - places[0].centre) * places[0].beat_s == pytest.approx(20)
    signs = {np.sign(b.centre - a.centre) for a, b in consecutive(passages, recipe)}
    assert len(signs) == 1


def test_windows_of_a_view_follow_each_other_in_a_batch(tmp_path: Path) -> None:
    works = corpus(tmp_path)
    rolls, labels = batch(works, replace(RECIPE, frames=160), 4, (1,))
    assert rolls.shape == (3 * 4 * 2, 160, 84)
    assert len(labels) == 4
    pairs = rolls.reshape(3, 4, 2, 160, 84).astype(int)
    assert np.abs(pairs[:, :, 0] - pairs[:, :, 1]).mean() > 0


def test_a_part_of_a_corpus_keeps_the_numbers_of_its_works(tmp_path: Path) -> None:
    works = corpus(tmp_path)
    drawn = [
        set(batch(works.part(n, 2), Recipe(frames=64, group=2), 4, (s,))[1].tolist()) for n in (0, 1) for s in (1, 2)
    ]
    assert all(w % 2 == 0 for part in drawn[:2] for w in part)
    assert all(w % 2 == 1 for part in drawn[2:] for w in part)
