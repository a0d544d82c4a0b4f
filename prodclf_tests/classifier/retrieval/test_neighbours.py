"""The nearest neighbours against a search by dense arithmetic."""

import numpy as np
import pytest

from prodclf_assets.classifier.label_sets import LabelSets
from prodclf_assets.classifier.retrieval import neighbours as module
from prodclf_assets.classifier.retrieval.neighbours import FAR, NEAR, VIEWS, Neighbours
from prodclf_tests.classifier.shop import label_sets, sparse

ROWS, FEATURES, LABELS = 150, 60, 9
DRAWN = np.random.default_rng(4)


def random_matrix(rows: int, share: float = 0.08) -> np.ndarray:
    """Few features a row, so that most rows have nothing in common; and each twice, but for the length."""
    return np.where(DRAWN.random((rows, FEATURES)) < share, DRAWN.random((rows, FEATURES)), 0).astype(
        np.float32
    )


X, UNSEEN = random_matrix(ROWS), random_matrix(40)
SETS = [[row % LABELS] + ([(row + 4) % LABELS] if row % 5 == 0 else []) for row in range(ROWS)]
CANDIDATES = np.stack([DRAWN.permutation(LABELS)[:5] for _ in UNSEEN]).astype(np.int32)


def fit(matrix: np.ndarray = X, sets: list[list[int]] = SETS) -> Neighbours:
    return Neighbours.fit(sparse(matrix), label_sets(sets), FEATURES)


def reference(
    matrix: np.ndarray = X, sets: list[list[int]] = SETS, most_shared: int = module.MAX_SHARED
) -> np.ndarray:
    """float64[n, k, views] by cosine of every product with every other, over features that few have."""
    counted = (matrix > 0).sum(axis=0) <= most_shared
    unit = matrix / np.maximum(np.linalg.norm(matrix, axis=1, keepdims=True), 1e-6)
    asked = UNSEEN / np.maximum(np.linalg.norm(UNSEEN, axis=1, keepdims=True), 1e-6)
    alike = asked[:, counted] @ unit[:, counted].T
    found = np.zeros((*CANDIDATES.shape, len(VIEWS)))
    for row, likeness in enumerate(alike):
        nearest = [product for product in np.argsort(-likeness)[:FAR] if likeness[product] > 0]
        weights = likeness**4
        for place, label in enumerate(CANDIDATES[row]):
            mine = [product for product in nearest if label in sets[product]]
            for view, among in enumerate((nearest[:NEAR], nearest)):
                total = weights[among].sum()
                found[row, place, view] = (
                    weights[[p for p in mine if p in among]].sum() / total if total else 0
                )
            found[row, place, 2] = likeness[mine].max() if mine else 0
    return found


def views(index: Neighbours, matrix: np.ndarray = UNSEEN, threads: int = 1) -> np.ndarray:
    return index.views(sparse(matrix), CANDIDATES[np.arange(len(matrix)) % len(CANDIDATES)], threads)


def test_views_are_those_of_a_search_through_all() -> None:
    wanted = reference()
    assert (wanted > 0).any(axis=(0, 1)).all()
    np.testing.assert_allclose(views(fit()), wanted, atol=1e-4)


def test_a_product_like_one_that_is_known_is_nearest_to_it_however_long_its_text() -> None:
    nearest = fit().views(sparse(X[:20] * 7), np.array([SETS[row][:1] for row in range(20)], np.int32), 1)[
        :, 0, 2
    ]
    np.testing.assert_allclose(nearest, (X[:20] > 0).any(axis=1), atol=1e-5)


def test_a_neighbour_in_two_categories_speaks_for_both() -> None:
    index = Neighbours.fit(sparse(np.eye(1, FEATURES)), label_sets([[3, 1]]), FEATURES)
    found = index.views(sparse(np.eye(1, FEATURES)), np.array([[1, 2, 3]], np.int32), 1)
    np.testing.assert_allclose(found[0], [[1, 1, 1], [0, 0, 0], [1, 1, 1]], rtol=1e-6)


def test_what_many_products_have_counts_in_their_length_only(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "MAX_SHARED", 11)
    wanted = reference(most_shared=11)
    assert 0 < ((X > 0).sum(axis=0) > 11).sum() < FEATURES
    np.testing.assert_allclose(views(fit()), wanted, atol=1e-4)
    assert np.abs(wanted - reference()).max() > 0.1


def test_of_too_many_products_some_are_drawn_the_same_each_time(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "MAX_PRODUCTS", 50)
    index, again = fit(), fit()
    assert len(index.label_indptr) == 51
    np.testing.assert_array_equal(index.products, again.products)
    # A product that is searched is found by its own text.
    own = np.array([each[:1] for each in SETS], np.int32)
    drawn = np.flatnonzero(index.views(sparse(X), own, 1)[:, 0, 2] > 0.9999).tolist()
    assert 45 <= len(drawn) <= 50
    assert min(drawn) < 30, "not the last ones"
    assert max(drawn) > 120, "nor the first ones"
    np.testing.assert_allclose(views(index), reference(X[drawn], [SETS[row] for row in drawn]), atol=1e-4)


def test_threads_blocks_and_company_change_nothing() -> None:
    index = fit()
    once = views(index)
    np.testing.assert_array_equal(views(index, np.tile(UNSEEN, (200, 1)), 3), np.tile(once, (200, 1, 1)))
    alone = index.views(sparse(UNSEEN[7:8]), CANDIDATES[7:8], 1)
    np.testing.assert_array_equal(alone[0], once[7])


def test_products_of_nothing_known_have_no_neighbours() -> None:
    assert (views(fit(), np.zeros((2, FEATURES))) == 0).all()
    assert views(fit(), UNSEEN[:0]).shape == (0, 5, len(VIEWS))


def test_without_products_there_are_no_neighbours() -> None:
    empty = Neighbours.fit(sparse(X[:0]), LabelSets.single(np.empty(0, np.int32)), FEATURES)
    for index in (empty, Neighbours.none(FEATURES)):
        assert (views(index) == 0).all()
        assert views(index).shape == (40, 5, len(VIEWS))
