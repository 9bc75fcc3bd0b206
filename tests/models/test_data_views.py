"""Views: the same song in other clothes, the same batch from the same seed."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from models.data.anchors import anchors
from models.data.arrange import Notes, excerpt
from models.data.harmony import TRIADS, harmonise, reharmonised
from models.data.hear import BINS, FPS, LOWEST_PITCH, hear, rasterise
from models.data.manifest import Entry
from models.data.score import MELODY, OTHER, Score, make_score
from models.data.store import ScoreStore, _write
from models.data.style import draw_style
from models.data.views import Corpus, Recipe, batch, draw_pair, view


def random_tune(seed: int, beats: int = 64) -> Score:
    rng = np.random.default_rng(seed)
    onset = np.arange(0, beats, 0.5)
    pitch = 60 + np.cumsum(rng.integers(-3, 4, len(onset))) % 17
    return make_score(onset, np.full(len(onset), 0.5), pitch, np.full(len(onset), MELODY), 0.5)


def corpus(tmp_path: Path, works: int = 12) -> Corpus:
    scores = [random_tune(i) for i in range(works)]
    first = scores[0]
    # A second, human version of work 0: a fourth up, in note values twice as long, sixteen beats later.
    other = Score(first.onset * 2 + np.float32(16), first.duration * 2, first.pitch + np.uint8(5), first.role, 0.5)
    paths = [f"{i}.mid" for i in range(works)] + ["0b.mid"]
    _write(tmp_path / "s.npz", paths, [*scores, other])
    entries = [Entry(p, p[0] if p == "0b.mid" else p.split(".")[0], p, "train", "c", None) for p in paths]
    return Corpus(entries, ScoreStore(tmp_path / "s.npz"))


def test_equal_seeds_give_equal_batches_of_different_works(tmp_path: Path) -> None:
    works = corpus(tmp_path)
    rolls, labels = batch(works, Recipe(), 8, (1, 2))
    again, _ = batch(works, Recipe(), 8, (1, 2))
    other, _ = batch(works, Recipe(), 8, (1, 3))
    assert rolls.shape == (16, 160, BINS)
    assert rolls.dtype == np.uint8
    assert len(set(labels.tolist())) == 8
    np.testing.assert_array_equal(rolls, again)
    assert np.any(rolls != other)


def test_versions_are_anchored_whatever_their_key_and_note_values(tmp_path: Path) -> None:
    works = corpus(tmp_path)
    found = works.anchors("0.mid", "0b.mid")
    straight = found[np.abs(found[:, 1] - (2 * found[:, 0] + 16)) < 1e-6]
    assert len(straight) > 0.8 * len(found) > 10
    np.testing.assert_allclose(straight[:, 2], 2.0)
    assert len(anchors(random_tune(1), random_tune(2))) == 0


def test_a_pair_of_human_versions_hears_the_same_place_at_nearly_the_same_speed(tmp_path: Path) -> None:
    works = corpus(tmp_path)
    recipe = Recipe(human=1.0, tempo_spread=0.0, jitter_s=0.0)
    rng = np.random.default_rng(0)
    for _ in range(20):
        a, b = draw_pair(works, ["0.mid", "0b.mid"], recipe, rng)
        twice, once = (a, b) if a.beat_s < b.beat_s else (b, a)
        if a.score.beats == b.score.beats:
            continue  # no second version drawn
        longer, shorter = (a, b) if a.score.beats > b.score.beats else (b, a)
        assert longer.centre == pytest.approx(2 * shorter.centre + 16, abs=1e-6)
        assert twice.beat_s / once.beat_s == pytest.approx(0.5)


def chroma(roll: np.ndarray) -> np.ndarray:
    folded = roll.reshape(len(roll), BINS // 12, 12).sum(1)
    return folded.sum(0) / np.linalg.norm(folded.sum(0))


def test_views_of_a_work_share_more_melody_than_views_of_others(tmp_path: Path) -> None:
    works = corpus(tmp_path)
    rng = np.random.default_rng(3)
    clean = replace(
        draw_style(rng), accompaniment="none", bass=0.0, drums=0.0, missed=0.0, melody_missed=0.0, edits=0.0, ghost=0.0,
        upper_ghost=0.0, sub_ghost=0.0, glide=0.0, floor=0.0, blobs=0.0, melody_octave=0, melody_doubling=0.0,
    )  # fmt: skip
    recipe = Recipe(jitter_s=0.0)
    first, second = [], []
    for work in works.works[1:]:
        a, b = draw_pair(works, work, recipe, rng)
        first.append(chroma(view(a, clean, 160, rng)))
        second.append(chroma(view(b, clean, 160, rng)))
    best = np.array([[max(a @ np.roll(b, k) for k in range(12)) for b in second] for a in first])
    assert np.mean(best.argmax(1) == np.arange(len(best))) > 0.7


def test_a_note_is_drawn_where_and_when_it_sounds() -> None:
    style = replace(draw_style(np.random.default_rng(0)), attack_s=0.0, melody_decay_per_s=0.0)
    notes = Notes.of([1.0], 0.5, [LOWEST_PITCH + 40], 0.8, 1.0)
    roll = rasterise(notes, 4 * FPS, style)
    np.testing.assert_array_equal(np.argwhere(roll > 0), [[f, 40] for f in range(FPS, FPS + FPS // 2)])
    np.testing.assert_allclose(roll[FPS : FPS + FPS // 2, 40], 0.8, atol=1e-6)


def test_hearing_stays_within_bounds_for_any_style() -> None:
    rng = np.random.default_rng(5)
    for _ in range(40):
        count = int(rng.integers(1, 200))
        notes = Notes.of(rng.uniform(-5, 25, count), rng.exponential(1, count), rng.integers(0, 128, count), 1.0, 0.0)
        roll = hear(notes, 160, draw_style(rng), 0.5, rng)
        assert roll.shape == (160, BINS)
        assert np.isfinite(roll).all()
        assert 0 <= roll.min() <= roll.max() <= 1


def test_plain_chords_are_recognized_and_replaced_by_neighbours() -> None:
    roots = [0, 5, 7, 0]
    rows = [(2.0 * i, 48 + (r + k) % 12 + 12) for i, r in enumerate(roots) for k in (0, 4, 7)]
    score = make_score([r[0] for r in rows], [2.0] * 12, [r[1] for r in rows], [OTHER] * 12, 0.5)
    chords = harmonise(score)
    assert chords.tolist() == roots
    changed = reharmonised(chords, np.random.default_rng(0), 1.0)
    for old, new in zip(chords, changed, strict=True):
        assert len(set(TRIADS[old]) & set(TRIADS[new])) == 2


def test_a_short_tune_comes_round_again() -> None:
    score = make_score([0, 1, 2, 3], [1] * 4, [60, 62, 64, 65], [MELODY] * 4, 0.5)
    part = excerpt(score, 2, 10, 4)
    order = np.argsort(part.onset)
    assert part.pitch[order].tolist() == [64, 65, 60, 62, 64, 65, 60, 62]
    np.testing.assert_allclose(part.onset[order], np.arange(8))


def test_a_new_draw_of_style_uses_every_kind() -> None:
    rng = np.random.default_rng(0)
    styles = [draw_style(rng) for _ in range(300)]
    assert {s.accompaniment for s in styles} == {"original", "chords", "none"}
    assert any(s.drums for s in styles) and any(s.glide for s in styles) and any(not s.bass for s in styles)
