"""The linear scorers against dense NumPy and scikit-learn; candidates sorted, distinct and the same on any threads."""

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
from scipy import sparse as scipy_sparse
from sklearn.naive_bayes import ComplementNB, MultinomialNB
from sklearn.svm import LinearSVC

from prodclf_assets.catalog.product import ProductBatch
from prodclf_assets.classifier.label_sets import LabelSets
from prodclf_assets.classifier.label_tree import LabelTree
from prodclf_assets.classifier.retrieval.linear_scorers import CENTROID, COMPLEMENT, NAIVE_BAYES, NAME
from prodclf_assets.classifier.retrieval.neighbours import VIEWS
from prodclf_assets.classifier.retrieval.retriever import (
    BRANCH,
    POOLED,
    PRIOR,
    SCORES,
    SHARPNESS,
    SVM,
    Candidates,
    Retriever,
    RetrieverConfig,
)
from prodclf_assets.classifier.text_features import HashedTexts, SparseRows, TextConfig, Vocabulary
from prodclf_tests.classifier.shop import label_sets, products, sparse
from prodclf_tests.trained import TrainedModel

ROWS, FEATURES, LABELS = 60, 40, 7
EVERY_LABEL = RetrieverConfig(candidates=LABELS)


def random_matrix(rows: int, seed: int) -> np.ndarray:
    drawn = np.random.default_rng(seed)
    return np.where(drawn.random((rows, FEATURES)) < 0.25, drawn.random((rows, FEATURES)), 0).astype(
        np.float32
    )


X = random_matrix(ROWS, 1)
Y = np.concatenate([np.arange(LABELS), np.random.default_rng(2).integers(0, LABELS, ROWS - LABELS)]).astype(
    np.int32
)
NAMES = random_matrix(LABELS, 3)
UNSEEN = random_matrix(25, 4)


def fit(
    rows: SparseRows,
    labels: np.ndarray,
    names: SparseRows,
    features: int,
    config: RetrieverConfig,
    threads: int = 1,
) -> Retriever:
    """Fit on products of one label each; the labels stand in branches of two."""
    parent = np.arange(len(names), dtype=np.int32) // 2
    return Retriever.fit(rows, LabelSets.single(labels), names, parent, features, config, threads)


def fitted(config: RetrieverConfig = EVERY_LABEL, threads: int = 1) -> Retriever:
    return fit(sparse(X), Y, sparse(NAMES), FEATURES, config, threads)


def by_label(found: Candidates) -> np.ndarray:
    """float64[n, labels, scorers]: scores in the order of label codes; every label has to be a candidate."""
    order = np.argsort(found.labels, axis=1)
    return np.take_along_axis(found.scores, order[:, :, None], axis=1).astype(np.float64)


def centred(scores: np.ndarray) -> np.ndarray:
    """Scores without what is the same for every label of a product: it changes neither ranks, gaps nor softmax."""
    return scores - scores.mean(axis=1, keepdims=True)


def test_naive_bayes_is_that_of_scikit_learn() -> None:
    model = MultinomialNB(alpha=EVERY_LABEL.naive_bayes_alpha, fit_prior=False).fit(X.astype(np.float64), Y)
    found = by_label(fitted().retrieve(sparse(UNSEEN)))[:, :, NAIVE_BAYES]
    np.testing.assert_allclose(centred(found), centred(model.predict_joint_log_proba(UNSEEN)), atol=1e-4)


def test_complement_naive_bayes_is_that_of_scikit_learn() -> None:
    model = ComplementNB(alpha=EVERY_LABEL.complement_alpha).fit(X.astype(np.float64), Y)
    found = by_label(fitted().retrieve(sparse(UNSEEN)))[:, :, COMPLEMENT]
    np.testing.assert_allclose(centred(found), centred(UNSEEN @ model.feature_log_prob_.T), atol=1e-4)


def test_centroid_and_name_are_dot_products_with_unit_vectors() -> None:
    sums = np.stack([X[label == Y].sum(axis=0) for label in range(LABELS)])
    found = by_label(fitted().retrieve(sparse(UNSEEN)))
    for scorer, vectors in ((CENTROID, sums), (NAME, NAMES)):
        unit = vectors / np.linalg.norm(vectors, axis=1, keepdims=True)
        np.testing.assert_allclose(found[:, :, scorer], UNSEEN @ unit.T, atol=1e-5)


def test_a_feature_that_comes_up_twice_in_a_row_counts_twice() -> None:
    known = np.ones(2, np.float32)
    rows = SparseRows(np.array([0, 2, 3]), np.array([1, 1, 0], np.int32), np.ones(3, np.float32), known)
    added = SparseRows(np.array([0, 1, 2]), np.array([1, 0], np.int32), np.array([2, 1], np.float32), known)
    labels = np.array([0, 1], np.int32)
    left, right = (fit(r, labels, r, 2, RetrieverConfig()).retrieve(r) for r in (rows, added))
    np.testing.assert_array_equal(left.labels, right.labels)
    np.testing.assert_allclose(left.scores[:, :, :4], right.scores[:, :, :4], rtol=1e-5)


def test_huge_classes_do_not_drown_small_ones() -> None:
    """Sums over a whole catalogue do not fit into float32: 20,000,000 + 1 would be 20,000,000."""
    rows = np.array([[2e7, 0.0], [1.0, 1.0], [0.0, 1.0]], np.float32)
    labels = np.array([0, 1, 2], np.int32)
    found = by_label(
        fit(sparse(rows), labels, sparse(rows), 2, RetrieverConfig()).retrieve(sparse(np.eye(2)))
    )[:, :, COMPLEMENT]
    model = ComplementNB(alpha=0.3).fit(rows.astype(np.float64), labels)
    np.testing.assert_allclose(centred(found), centred(model.feature_log_prob_.T), rtol=1e-4)


@pytest.fixture(scope="module")
def texts(trained_model: TrainedModel) -> tuple[SparseRows, np.ndarray, SparseRows, SparseRows, int]:
    """Features and labels of the training products, features of the label names and of the test products."""
    tree = LabelTree.of(trained_model.train["category"].tolist())
    batch = ProductBatch.from_frame(trained_model.train)
    vocabulary = Vocabulary.fit(HashedTexts.of(batch, TextConfig()))
    held = ProductBatch.from_frame(pd.concat([trained_model.validation, trained_model.test]))
    return (
        vocabulary.transform(batch),
        tree.encode(trained_model.train["category"].tolist()),
        vocabulary.transform(products(tree.names)),
        vocabulary.transform(held),
        len(vocabulary),
    )


def test_the_svm_answers_as_that_of_scikit_learn(texts) -> None:
    rows, labels, names, held, features = texts
    everything = RetrieverConfig(candidates=len(names))
    found = fit(rows, labels, names, features, everything).retrieve(held)
    answers = by_label(found)[:, :, SVM].argmax(axis=1)

    def matrix(part: SparseRows) -> scipy_sparse.csr_matrix:
        shape = (len(part), features)
        return scipy_sparse.csr_matrix((part.values.astype(np.float64), part.ids, part.indptr), shape)

    model = LinearSVC(C=1.0, random_state=0).fit(matrix(rows), labels)
    assert (answers == model.predict(matrix(held))).mean() >= 0.97


def test_the_svm_solves_what_it_says() -> None:
    """With passes enough, its scores are those of LIBLINEAR, not its answers only."""
    config = replace(EVERY_LABEL, svm_passes=2000, svm_cut=0.0, svm_c=0.5)
    model = LinearSVC(C=0.5, random_state=0, tol=1e-8, max_iter=100_000, dual=True).fit(X, Y)
    found = by_label(fitted(config).retrieve(sparse(UNSEEN)))[:, :, SVM]
    np.testing.assert_allclose(found, model.decision_function(UNSEEN), atol=0.1)
    assert np.corrcoef(found.ravel(), model.decision_function(UNSEEN).ravel())[0, 1] > 0.999


def test_a_product_in_several_categories_counts_for_each_that_it_is_an_example_of() -> None:
    """As if it were there once for each; of row 0 the second category is another row's, so that it counts for one."""
    sets = [
        [int(label)] + ([(int(label) + 1) % LABELS] if row % 4 == 0 else []) for row, label in enumerate(Y)
    ]
    other = (0, sets[0][1])
    once_each = [(row, label) for row, each in enumerate(sets) for label in each if (row, label) != other]
    parent = np.arange(LABELS, dtype=np.int32) // 2
    one = Retriever.fit(sparse(X), label_sets(sets, [other]), sparse(NAMES), parent, FEATURES, EVERY_LABEL)
    rows = sparse(X[[row for row, _ in once_each]])
    again = fit(
        rows, np.array([label for _, label in once_each], np.int32), sparse(NAMES), FEATURES, EVERY_LABEL
    )
    found, wanted = (by_label(each.retrieve(sparse(UNSEEN))) for each in (one, again))
    for scorer in (NAIVE_BAYES, COMPLEMENT, CENTROID, NAME):
        np.testing.assert_allclose(found[:, :, scorer], wanted[:, :, scorer], atol=1e-4)


def test_to_the_svm_a_product_is_no_example_against_any_of_its_categories() -> None:
    sets = [
        [int(label)] + ([(int(label) + 1) % LABELS] if row % 4 == 0 else []) for row, label in enumerate(Y)
    ]
    other = (0, sets[0][1])
    config = replace(EVERY_LABEL, svm_passes=2000, svm_cut=0.0)
    parent = np.arange(LABELS, dtype=np.int32) // 2
    fitted_on = Retriever.fit(sparse(X), label_sets(sets, [other]), sparse(NAMES), parent, FEATURES, config)
    found = by_label(fitted_on.retrieve(sparse(UNSEEN)))[:, :, SVM]
    for label in range(LABELS):
        told = np.array([(row, label) != other for row in range(ROWS)])
        model = LinearSVC(C=config.svm_c, random_state=0, tol=1e-8, max_iter=100_000, dual=True)
        model.fit(X[told], np.array([label in each for each in sets])[told])
        np.testing.assert_allclose(found[:, label], model.decision_function(UNSEEN), atol=0.1)


def test_branch_and_neighbours_have_their_say_in_columns_of_their_own() -> None:
    retriever = fitted()
    found = retriever.retrieve(sparse(UNSEEN))
    np.testing.assert_array_equal(
        found.scores[:, :, BRANCH], retriever.branches.scores(sparse(UNSEEN), found.labels, 1)
    )
    np.testing.assert_array_equal(
        found.scores[:, :, BRANCH + 1 :], retriever.neighbours.views(sparse(UNSEEN), found.labels, 1)
    )
    assert SCORES[BRANCH:] == ("branch", *VIEWS)
    assert (np.abs(found.scores[:, :, BRANCH:]).max(axis=(0, 1)) > 0.1).all()


def shares(scores: np.ndarray, scorer: int) -> np.ndarray:
    exponential = np.exp((scores - scores.max(axis=1, keepdims=True)) * SHARPNESS[scorer])
    return exponential / exponential.sum(axis=1, keepdims=True)


def test_candidates_are_those_of_the_one_pass_scorers_in_the_order_of_naive_bayes_and_svm() -> None:
    config = RetrieverConfig(candidates=4, least_share=0.2)
    few = fitted(config)
    found = few.retrieve(sparse(UNSEEN))
    # The same weights, asked for every label.
    everything = by_label(replace(few, config=EVERY_LABEL).retrieve(sparse(UNSEEN)))
    prior = PRIOR * np.log(np.bincount(Y, minlength=LABELS) + 0.5)
    mixed = shares(everything[:, :, NAIVE_BAYES] + prior, NAIVE_BAYES)
    mixed += sum(shares(everything[:, :, s], s) for s in (COMPLEMENT, CENTROID))
    for row in range(len(UNSEEN)):
        chosen = np.argsort(-mixed[row], kind="stable")[:4]
        log_share = everything[row, chosen][:, [NAIVE_BAYES, SVM]] @ POOLED
        best = chosen[np.argsort(-log_share, kind="stable")]
        assert found.labels[row].tolist() == best.tolist()
        np.testing.assert_allclose(found.scores[row], everything[row, best], rtol=1e-5, atol=1e-5)
        share = np.exp(log_share - log_share.max())
        assert found.ranked[row] == max(2, (share / share.sum() >= 0.2).sum())
    assert len(set(found.ranked.tolist())) > 1


def test_how_common_a_label_is_helps_it_to_be_a_candidate_and_none_scores_for_it() -> None:
    """What the re-ranker is told of naive Bayes has no prior in it: how common a label is is told beside it."""
    sets = [
        [int(label)] + ([(int(label) + 1) % LABELS] if row % 4 == 0 else []) for row, label in enumerate(Y)
    ]
    truth = label_sets(sets, [(0, sets[0][1])])
    parent = np.zeros(LABELS, np.int32)
    config = RetrieverConfig(candidates=2)
    several = Retriever.fit(sparse(X), truth, sparse(NAMES), parent, FEATURES, config)
    counts = np.bincount(truth.codes[truth.taught], minlength=LABELS)
    np.testing.assert_allclose(several.prior, PRIOR * np.log(counts + 0.5), rtol=1e-6)
    prior = np.zeros(LABELS, np.float32)
    prior[4] = 300
    plain, common = (replace(several, prior=each) for each in (prior * 0, prior))
    assert (common.retrieve(sparse(UNSEEN)).labels == 4).any(axis=1).all()
    assert (plain.retrieve(sparse(UNSEEN)).labels == 4).any(axis=1).mean() < 0.5
    every = (by_label(replace(each, config=EVERY_LABEL).retrieve(sparse(UNSEEN))) for each in (plain, common))
    np.testing.assert_array_equal(*every)


def test_features_that_many_labels_share_choose_no_candidates_but_count_in_the_scores() -> None:
    """Everybody has feature 0; label 2 has the most of it, and nothing else of the product."""
    rows = np.zeros((LABELS, FEATURES), np.float32)
    rows[:, 0] = 1
    rows[2, 0] = 5
    rows[np.arange(LABELS), np.arange(LABELS) + 1] = 1
    asked = np.zeros((1, FEATURES), np.float32)
    asked[0, [0, 4]] = 1, 0.1
    labels = np.arange(LABELS, dtype=np.int32)

    def retrieved(telling: int) -> Candidates:
        # The SVM says nothing, so that a feature's labels are those that have it.
        config = RetrieverConfig(telling=telling, candidates=1, svm_cut=9.0)
        return fit(sparse(rows), labels, sparse(NAMES * 0), FEATURES, config).retrieve(sparse(asked))

    assert retrieved(LABELS - 1).labels.tolist() == [[3]]
    everything = replace(EVERY_LABEL, svm_cut=9.0)
    every = by_label(
        fit(sparse(rows), labels, sparse(NAMES * 0), FEATURES, everything).retrieve(sparse(asked))
    )
    # The SVM's bias comes from telling the candidates apart, which are others here.
    np.testing.assert_allclose(retrieved(LABELS - 1).scores[0, 0, :SVM], every[0, 3, :SVM], rtol=1e-5)
    asked[0, 4] = 0  # a text of commonplaces: they have to do
    assert retrieved(LABELS - 1).labels.tolist() == retrieved(LABELS).labels.tolist()


@pytest.mark.parametrize("count", [40, 64, 65, 200])
def test_long_lists_of_labels_are_read_as_short_ones(count: int) -> None:
    """Lists that are not walked have bitmaps of 64-bit words; the scores are those of the dense product."""
    drawn = np.random.default_rng(count)
    rows = np.where(drawn.random((3 * count, 12)) < 0.7, drawn.random((3 * count, 12)), 0).astype(np.float32)
    labels = (np.arange(3 * count) % count).astype(np.int32)
    names = np.zeros((count, 12))
    config = RetrieverConfig(telling=3, candidates=9, svm_passes=2)
    retriever = fit(sparse(rows), labels, sparse(names), 12, config)
    found = retriever.retrieve(sparse(rows[:20]))
    svm = scipy_sparse.csr_matrix(
        (retriever.weights.weights[:, SVM], retriever.weights.labels, retriever.weights.indptr),
        shape=(12, count),
    ).toarray()
    assert np.diff(retriever.weights.indptr).max() > 32
    expected = rows[:20] @ svm + retriever.svm_bias
    np.testing.assert_allclose(
        found.scores[:, :, SVM], np.take_along_axis(expected, found.labels, axis=1), atol=1e-5
    )
    sums = np.zeros((count, 12))
    np.add.at(sums, labels, rows)
    centroids = rows[:20] @ (sums / np.linalg.norm(sums, axis=1, keepdims=True)).T
    np.testing.assert_allclose(
        found.scores[:, :, CENTROID], np.take_along_axis(centroids, found.labels, axis=1), atol=1e-5
    )


def test_candidates_are_distinct_and_have_their_shapes() -> None:
    found = fitted(RetrieverConfig(candidates=3)).retrieve(sparse(UNSEEN))
    assert found.labels.dtype == np.int32
    assert found.scores.dtype == np.float32
    assert found.scores.shape == (25, 3, len(SCORES))
    assert found.ranked.dtype == np.int32
    assert set(found.ranked.tolist()) <= {2, 3}
    assert all(len(set(row)) == 3 for row in found.labels.tolist())
    assert found.labels.min() >= 0
    assert found.labels.max() < LABELS


def test_fewer_labels_than_asked_for() -> None:
    labels = (X[:, 0] > X[:, 1]).astype(np.int32)
    retriever = fit(sparse(X), labels, sparse(NAMES[:2]), FEATURES, RetrieverConfig())
    found = retriever.retrieve(sparse(X))
    assert found.labels.shape == (ROWS, 2)
    assert (found.labels[:, 0] == labels).mean() > 0.9


def test_threads_blocks_and_repeats_change_nothing() -> None:
    labels = 20
    rows = sparse(np.tile(X, (50, 1)))
    codes = (np.arange(50 * ROWS) % labels).astype(np.int32)
    names = sparse(random_matrix(labels, 5))
    one, two, three = (
        fit(rows, codes, names, FEATURES, RetrieverConfig(svm_passes=3), threads) for threads in (1, 3, 1)
    )
    for other in (two, three):
        np.testing.assert_array_equal(one.mass_bias, other.mass_bias)
        np.testing.assert_array_equal(one.svm_bias, other.svm_bias)
        for part in ("indptr", "labels", "weights"):
            np.testing.assert_array_equal(getattr(one.weights, part), getattr(other.weights, part))
            np.testing.assert_array_equal(
                getattr(one.branches.weights, part), getattr(other.branches.weights, part)
            )
        np.testing.assert_array_equal(one.branches.bias, other.branches.bias)
    left, right = one.retrieve(rows, threads=1), one.retrieve(rows, threads=3)
    alone = one.retrieve(sparse(np.tile(X, (50, 1))[17:18]))
    np.testing.assert_array_equal(left.labels, right.labels)
    np.testing.assert_array_equal(left.scores, right.scores)
    np.testing.assert_array_equal(left.scores[17], alone.scores[0])


def test_labels_of_a_single_product_are_learnt() -> None:
    rows = np.eye(LABELS, FEATURES, dtype=np.float32)
    labels = np.arange(LABELS, dtype=np.int32)
    found = fit(sparse(rows), labels, sparse(NAMES), FEATURES, EVERY_LABEL).retrieve(sparse(rows))
    assert found.labels[:, 0].tolist() == labels.tolist()


def test_a_label_without_products_can_still_be_named() -> None:
    """Out of fold, a label may have lost all its products; its name remains."""
    has = Y != 3
    names = np.zeros_like(NAMES)
    names[3, FEATURES - 1] = 1
    found = by_label(
        fit(sparse(X[has]), Y[has], sparse(names), FEATURES, EVERY_LABEL).retrieve(
            sparse(np.eye(FEATURES)[-1:])
        )
    )
    assert np.isfinite(found).all()
    assert found[0, :, NAME].argmax() == 3
    assert found[0, 3, CENTROID] == 0


def test_a_product_with_no_known_feature_gets_candidates_that_nothing_speaks_for() -> None:
    retriever = fitted(RetrieverConfig(candidates=3))
    found = retriever.retrieve(sparse(np.zeros((2, FEATURES))))
    assert len(set(found.labels[0].tolist())) == 3
    assert (found.scores[:, :, :SVM] == 0).all()
    np.testing.assert_array_equal(found.scores[0, :, SVM], retriever.svm_bias[found.labels[0]])


def test_no_products_to_answer() -> None:
    found = fitted(RetrieverConfig(candidates=3)).retrieve(sparse(X[:0]))
    assert found.labels.shape == (0, 3)
    assert found.scores.shape == (0, 3, len(SCORES))


@pytest.mark.parametrize("rows", [0, 3])
def test_nothing_to_learn_from_gives_scores_that_say_nothing(rows: int) -> None:
    """A fold may be empty, and titles may have no words; neither may give NaN or stop the training."""
    features = 0 if rows else FEATURES
    empty = sparse(np.zeros((rows, features)))
    labels = np.zeros(rows, np.int32)
    retriever = fit(empty, labels, sparse(np.zeros((LABELS, features))), features, EVERY_LABEL)
    found = retriever.retrieve(sparse(np.zeros((2, features))))
    assert np.isfinite(found.scores).all()
    assert sorted(found.labels[0].tolist()) == list(range(LABELS))
