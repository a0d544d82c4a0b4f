"""The scorer of branches against LIBLINEAR, over the branches in place of the labels."""

import numpy as np
import pytest
from sklearn.svm import LinearSVC

from prodclf_assets.classifier.label_sets import LabelSets
from prodclf_assets.classifier.retrieval import branch_scorer as module
from prodclf_assets.classifier.retrieval.branch_scorer import BranchScorer
from prodclf_tests.classifier.shop import label_sets, sparse

ROWS, FEATURES = 80, 30
PARENT = np.array([0, 0, 1, 1, 1, 2], np.int32)
LABELS = len(PARENT)
DRAWN = np.random.default_rng(8)
X = np.where(DRAWN.random((ROWS, FEATURES)) < 0.3, DRAWN.random((ROWS, FEATURES)), 0).astype(np.float32)
Y = (np.arange(ROWS) % LABELS).astype(np.int32)
EVERY = np.tile(np.arange(LABELS, dtype=np.int32), (ROWS, 1))
UNSEEN = np.where(DRAWN.random((20, FEATURES)) < 0.3, DRAWN.random((20, FEATURES)), 0).astype(np.float32)


@pytest.fixture
def _exact(monkeypatch: pytest.MonkeyPatch) -> None:
    """As long as it takes, and no weight dropped."""
    monkeypatch.setattr(module, "PASSES", 3000)
    monkeypatch.setattr(module, "CUT", 0.0)


def fit(
    truth: LabelSets, shortlists: np.ndarray = EVERY, parent: np.ndarray = PARENT, threads: int = 1
) -> BranchScorer:
    return BranchScorer.fit(sparse(X), truth, shortlists, parent, FEATURES, threads, c=0.5)


def scores(scorer: BranchScorer, matrix: np.ndarray = UNSEEN, threads: int = 1) -> np.ndarray:
    """float32[n, labels]."""
    candidates = np.tile(np.arange(LABELS, dtype=np.int32), (len(matrix), 1))
    return scorer.scores(sparse(matrix), candidates, threads)


def reference(is_in: np.ndarray, rows: np.ndarray | slice = slice(None)) -> np.ndarray:
    """The scores by LIBLINEAR of one branch, whose products are told from the others among some rows."""
    model = LinearSVC(C=0.5, tol=1e-8, max_iter=100_000, dual=True, random_state=0)
    return model.fit(X[rows], is_in[rows]).decision_function(UNSEEN)


def assert_alike(found: np.ndarray, wanted: np.ndarray) -> None:
    np.testing.assert_allclose(found, wanted, atol=0.1)
    assert np.corrcoef(found.ravel(), wanted.ravel())[0, 1] > 0.999


@pytest.mark.usefixtures("_exact")
def test_a_label_is_scored_as_its_branch_is_told_from_the_others() -> None:
    found = scores(fit(LabelSets.single(Y)))
    for label in range(LABELS):
        assert_alike(found[:, label], reference(PARENT[Y] == PARENT[label]))


@pytest.mark.usefixtures("_exact")
def test_a_product_in_two_branches_is_an_example_of_both_and_against_neither() -> None:
    sets = [[int(label)] + ([5] if row % 7 == 0 and label != 5 else []) for row, label in enumerate(Y)]
    found = scores(fit(label_sets(sets)))
    inside = np.array([[branch in PARENT[each] for branch in range(3)] for each in sets])
    for label in range(LABELS):
        assert_alike(found[:, label], reference(inside[:, PARENT[label]]))


@pytest.mark.usefixtures("_exact")
def test_a_product_speaks_against_the_branches_of_its_shortlist_only() -> None:
    shortlists = EVERY[:, :3].copy()  # none of a label of branch 2
    shortlists[::2, 2] = 5
    found = scores(fit(LabelSets.single(Y), shortlists))
    rows = (shortlists == 5).any(axis=1) | (Y == 5)
    assert_alike(found[:, 5], reference(Y == 5, rows))


def test_each_candidate_has_the_score_of_its_branch_wherever_it_stands() -> None:
    scorer = fit(LabelSets.single(Y))
    every = scores(scorer)
    np.testing.assert_array_equal(every[:, 0], every[:, 1])
    np.testing.assert_array_equal(every[:, 2], every[:, 4])
    candidates = np.stack([np.random.default_rng(row).permutation(LABELS)[:4] for row in range(20)])
    found = scorer.scores(sparse(UNSEEN), candidates.astype(np.int32), 1)
    np.testing.assert_array_equal(found, np.take_along_axis(every, candidates, axis=1))


def test_threads_and_blocks_change_nothing() -> None:
    many = np.tile(UNSEEN, (300, 1))
    one, two = (fit(LabelSets.single(Y), threads=threads) for threads in (1, 3))
    np.testing.assert_array_equal(one.bias, two.bias)
    np.testing.assert_array_equal(one.weights.weights, two.weights.weights)
    np.testing.assert_array_equal(scores(one, many, 3), np.tile(scores(one), (300, 1)))


@pytest.mark.parametrize("parent", [np.zeros(LABELS, np.int32), np.arange(LABELS, dtype=np.int32)])
def test_where_labels_have_no_branches_it_says_nothing(parent: np.ndarray) -> None:
    """All in one branch, or each in one of its own: what a branch says is what is known already."""
    scorer = fit(LabelSets.single(Y), parent=parent)
    assert (scores(scorer) == 0).all()
    assert not len(scorer.bias)


@pytest.mark.parametrize("rows", [0, 2])
def test_nothing_to_answer_or_nothing_known_of_it(rows: int) -> None:
    scorer = fit(LabelSets.single(Y))
    found = scores(scorer, np.zeros((rows, FEATURES)))
    assert found.shape == (rows, LABELS)
    np.testing.assert_array_equal(found, np.tile(scorer.bias[PARENT], (rows, 1)))


def test_nothing_to_learn_from() -> None:
    nothing = LabelSets.single(np.empty(0, np.int32))
    scorer = BranchScorer.fit(sparse(X[:0]), nothing, EVERY[:0], PARENT, FEATURES, 1, c=0.5)
    assert np.isfinite(scores(scorer)).all()
