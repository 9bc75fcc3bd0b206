"""The exact index against a plain matrix product."""

from __future__ import annotations

import numpy as np
import pytest

from recognizer.index import FlatIndex


def unit_rows(rows: int, dimension: int, seed: int) -> np.ndarray:
    vectors = np.random.default_rng(seed).standard_normal((rows, dimension)).astype(np.float32)
    return vectors / np.linalg.norm(vectors, axis=1, keepdims=True)


@pytest.mark.parametrize("queries", [1, 2, 30])
def test_finds_what_a_matrix_product_finds(queries: int) -> None:
    vectors, asked = unit_rows(500, 24, seed=1), unit_rows(queries, 24, seed=2)
    scores, rows = FlatIndex(24, [vectors[:200], vectors[200:]]).search(asked, 7)
    expected = asked @ vectors.T
    order = np.argsort(-expected, axis=1)[:, :7]
    assert np.array_equal(rows, order)
    np.testing.assert_allclose(scores, np.take_along_axis(expected, order, axis=1), atol=1e-6)


def test_vectors_are_kept_in_order_and_cannot_be_written() -> None:
    vectors = unit_rows(9, 5, seed=3)
    index = FlatIndex(5, [vectors[:4], vectors[4:4], vectors[4:]])
    assert len(index) == 9
    assert np.array_equal(index.vectors, vectors)
    with pytest.raises(ValueError, match="read-only"):
        index.vectors[0, 0] = 1.0


def test_k_beyond_the_catalogue_gives_every_row() -> None:
    vectors = unit_rows(6, 5, seed=3)
    _, rows = FlatIndex(5, [vectors]).search(vectors[:2], 100)
    assert rows.shape == (2, 6)
    assert sorted(rows[0].tolist()) == list(range(6))


def test_an_empty_index_finds_nothing() -> None:
    index = FlatIndex(5, [])
    scores, rows = index.search(unit_rows(3, 5, seed=4), 10)
    assert scores.shape == rows.shape == (3, 0)
    assert index.vectors.shape == (0, 5)


def test_wrong_shapes_are_refused() -> None:
    with pytest.raises(ValueError, match=r"queries have shape \(1, 4\), expected \(queries, 5\)"):
        FlatIndex(5, []).search(unit_rows(1, 4, seed=5), 1)
    with pytest.raises(ValueError, match=r"vectors have shape \(2, 4\), expected \(rows, 5\)"):
        FlatIndex(5, [unit_rows(2, 4, seed=5)])
