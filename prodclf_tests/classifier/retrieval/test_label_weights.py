"""Weights by feature, put side by side."""

import numpy as np
import numpy.typing as npt
from hypothesis import given
from hypothesis import strategies as st
from scipy import sparse

from prodclf_assets.classifier.retrieval.label_weights import LabelWeights, add_long, add_short


def listed(table: npt.NDArray[np.float32]) -> LabelWeights:
    """The weights other than 0 of float32[features, labels]."""
    matrix = sparse.csr_matrix(table)
    return LabelWeights(
        matrix.indptr.astype(np.int64), matrix.indices.astype(np.int32), matrix.data.reshape(-1, 1)
    )


def dense(weights: LabelWeights, count: int, scorer: int) -> npt.NDArray[np.float32]:
    table = np.zeros((len(weights.indptr) - 1, count), np.float32)
    for feature in range(len(table)):
        part = slice(weights.indptr[feature], weights.indptr[feature + 1])
        assert (np.diff(weights.labels[part]) > 0).all(), "ascending, each label once"
        table[feature, weights.labels[part]] = weights.weights[part, scorer]
    return table


@given(st.integers(0, 9), st.integers(1, 70), st.floats(0, 1), st.floats(0, 1), st.integers(0, 99))
def test_side_by_side_both_say_what_they_said(
    features: int, count: int, density: float, other_density: float, seed: int
) -> None:
    drawn = np.random.default_rng(seed)
    one, other = (
        np.where(drawn.random((features, count)) < share, drawn.random((features, count)), 0).astype(
            np.float32
        )
        for share in (density, other_density)
    )
    both = listed(one).beside(listed(other))
    np.testing.assert_array_equal(dense(both, count, 0), one)
    np.testing.assert_array_equal(dense(both, count, 1), other)
    assert len(both.labels) == ((one != 0) | (other != 0)).sum()
    assert both.indptr.dtype == np.int64
    assert both.labels.dtype == np.int32
    assert both.weights.dtype == np.float32


@given(
    st.integers(1, 9), st.integers(1, 140), st.integers(4, 5), st.integers(0, 150), st.floats(0, 1), st.integers(0, 99)
)  # fmt: skip
def test_what_short_and_long_lists_say_is_what_all_weights_say(
    features: int, count: int, scorers: int, longest: int, density: float, seed: int
) -> None:
    drawn = np.random.default_rng(seed)
    table = drawn.random((features, count, scorers)).astype(np.float32)
    table[drawn.random((features, count)) >= density] = 0
    one = [listed(table[:, :, scorer]) for scorer in range(scorers)]
    weights = one[0]
    for other in one[1:]:
        weights = weights.beside(other)
    values = drawn.random(features).astype(np.float32)
    ids = drawn.permutation(features).astype(np.int32)
    short = np.diff(weights.indptr)[ids] <= longest

    scores = np.zeros((count, scorers), np.float32)
    mass = add_short(
        ids, values, 0, features, longest, weights.indptr, weights.labels, weights.weights, scores
    )
    expected = np.einsum("f,fls->ls", values[short], table[ids[short]])
    np.testing.assert_allclose(scores, expected, rtol=1e-5)
    np.testing.assert_allclose(mass, values[short].sum(), rtol=1e-5)

    few = np.flatnonzero(drawn.random(count) < 0.5).astype(np.int32)
    room = features * len(few) + 1
    add_long(
        ids, values, 0, features, longest, weights.indptr, weights.weights, *weights.bitmaps(longest, count), few, scores,
        np.empty(room, np.int64), np.empty(room, np.int32), np.empty(room, np.float32),
    )  # fmt: skip
    expected[few] += np.einsum("f,fls->ls", values[~short], table[ids[~short]])[few]
    np.testing.assert_allclose(scores, expected, rtol=1e-5)
