"""From products to pairs: nothing of a product's own fold may help it, and what is saved is what is loaded."""

import io
from pathlib import Path

import numpy as np
import pytest

from prodclf_assets.catalog.product import ProductBatch
from prodclf_assets.classifier.label_sets import LabelSets
from prodclf_assets.classifier.label_tree import LabelTree
from prodclf_assets.classifier.ranking.encoder import Encoder, Pairs, fit_encoder
from prodclf_assets.classifier.ranking.labelled_pairs import groups_of
from prodclf_assets.classifier.ranking.pair_features import FEATURES, KEYS
from prodclf_assets.classifier.retrieval.neighbours import VIEWS
from prodclf_assets.classifier.retrieval.retriever import RetrieverConfig
from prodclf_assets.classifier.text_features import TextConfig
from prodclf_tests.classifier.shop import products
from prodclf_tests.trained import TrainedModel

LABELS = ["Ämter > Öl", "Käse", "日本茶"]
N = 60
TRUTH = [LABELS[i % 3] for i in range(N)]
TREE = LabelTree.of(TRUTH)
TEXT = TextConfig(low=40, high=40)


def encoded(
    batch: ProductBatch, groups: list[str], truth: list[str] = TRUTH, folds: int = 4, threads: int = 1
) -> tuple[Encoder, Pairs]:
    tree = LabelTree.of(truth)
    keys = groups_of(groups)
    sets = LabelSets.single(tree.encode(truth))
    return fit_encoder(batch, keys, tree, sets, TEXT, RetrieverConfig(), folds, threads)


def column(pairs: Pairs, name: str) -> np.ndarray:
    """float32[n, k]: one feature by its name, NaN for candidates that are not ranked."""
    values = np.full(pairs.candidates.shape, np.nan, np.float32)
    values[pairs.has_features] = pairs.features[:, FEATURES.index(name)]
    return values


def letters(number: int) -> str:
    return f"{chr(97 + number // 26)}{chr(97 + number % 26)}"


# Products 2i and 2i + 1 share everything, a group too, and nothing with any other product.
PAIRED = products(
    [f"{letters(i // 2)} q{letters(i // 2)}" for i in range(N)],
    brand=[f"brand{i // 2}" for i in range(N)],
    seller_id=[f"seller{i // 2}" for i in range(N)],
    subcategory=[f"hint{i // 2}" for i in range(N)],
    price=[float(i) for i in range(N)],
)
GROUPS = [f"group {i // 2}" for i in range(N)]


def test_out_of_fold_nothing_of_a_products_own_group_speaks_for_it() -> None:
    encoder, pairs = encoded(PAIRED, GROUPS)
    in_sample = encoder.encode(PAIRED)
    of_own_label = in_sample.candidates == TREE.encode(TRUTH)[:, None]
    for name in ("centroid_score", *VIEWS, *(f"{key}_count" for key in KEYS)):
        assert (column(pairs, name) == 0).all(), name
        assert (column(in_sample, name)[of_own_label] > 0).all(), name
    for key in KEYS:
        np.testing.assert_allclose(column(pairs, f"{key}_affinity"), 0, atol=1e-6)
    # Naive Bayes and the SVM are left with what they say of products they know nothing of: the same for every
    # product of a fold that has as many words.
    assert len({tuple(row) for row in column(pairs, "svm_share").tolist()}) <= 4


def test_without_groups_twins_would_give_each_other_away() -> None:
    """The test above would fail if folds were dealt product by product."""
    _, pairs = encoded(PAIRED, [str(i) for i in range(N)])
    assert (column(pairs, "centroid_score") > 0).any()
    assert (column(pairs, "brand_count") > 0).any()


def test_what_other_folds_know_speaks_for_a_product() -> None:
    shared = products([f"{truth.split()[0]} {letters(i)}" for i, truth in enumerate(TRUTH)], brand=TRUTH)
    _, pairs = encoded(shared, [letters(i) for i in range(N)])
    assert (pairs.candidates[:, 0] == TREE.encode(TRUTH)).all()
    own = pairs.candidates == TREE.encode(TRUTH)[:, None]
    assert (column(pairs, "brand_affinity")[own] > 0.5).all()
    counts = np.expm1(column(pairs, "brand_count"))[pairs.has_features]
    assert (counts < N / 3).all()  # never all twenty: a product's own fold is not counted
    assert (counts > N / 6).all()


def test_a_label_of_one_product_is_unknown_out_of_fold() -> None:
    truth = [*TRUTH[:-1], "Zoo"]
    encoder, pairs = encoded(PAIRED, [letters(i) for i in range(N)], truth)
    code = LabelTree.of(truth).paths.index("Zoo")
    lone = pairs.candidates[-1] == code
    assert column(pairs, "prior")[-1][lone] == 0
    assert column(encoder.encode(PAIRED), "prior")[0][encoder.encode(PAIRED).candidates[0] == code] > 0


def test_a_product_without_a_known_label_teaches_nothing_and_is_encoded_all_the_same() -> None:
    tree, keys = LabelTree.of(TRUTH), groups_of([letters(i) for i in range(N)])
    unknown = LabelSets.single(np.where(np.arange(N) % 5 == 0, -1, tree.encode(TRUTH)).astype(np.int32))
    encoder, pairs = fit_encoder(PAIRED, keys, tree, unknown, TEXT, RetrieverConfig(), 4, 1)
    assert len(pairs.candidates) == N
    known = np.flatnonzero(unknown.sizes)
    alone, _ = fit_encoder(
        PAIRED.take(known), keys[known], tree, unknown.take(known), TEXT, RetrieverConfig(), 4, 1
    )
    np.testing.assert_array_equal(encoder.encode(PAIRED).features, alone.encode(PAIRED).features)


def test_every_product_gets_distinct_candidates() -> None:
    _, pairs = encoded(PAIRED, GROUPS)
    assert pairs.candidates.shape == (N, 3)
    assert pairs.features.shape == (pairs.ranked.sum(), len(FEATURES))
    assert (np.sort(pairs.candidates, axis=1) == [0, 1, 2]).all()


def test_threads_change_nothing() -> None:
    for left, right in zip(encoded(PAIRED, GROUPS), encoded(PAIRED, GROUPS, threads=3), strict=True):
        a, b = (x if isinstance(x, Pairs) else x.encode(PAIRED, threads=2) for x in (left, right))
        np.testing.assert_array_equal(a.candidates, b.candidates)
        np.testing.assert_array_equal(a.features, b.features)


@pytest.mark.parametrize("groups", [["same"] * 3, ["a", "b", "c"], ["a", "a", "\ud800"]])
def test_tiny_catalogues_are_encoded_even_when_a_fold_leaves_nothing_to_learn_from(groups: list[str]) -> None:
    _, pairs = encoded(products(["tea", "pan", "tea"]), groups, ["x", "y", "x"], folds=5)
    assert (np.sort(pairs.candidates, axis=1) == [0, 1]).all()
    assert np.isfinite(column(pairs, "svm_share")).all()
    assert np.isfinite(column(pairs, "brand_affinity")).all()


def test_titles_without_a_word_are_encoded() -> None:
    encoder, pairs = encoded(products(["!!!", "???", "!?"]), ["a", "b", "c"], ["x", "y", "x"])
    for found in (pairs, encoder.encode(products(["", "tea"]))):
        assert np.isfinite(column(found, "naive_bayes_share")).all()


def test_saved_and_loaded_it_encodes_the_same(tmp_path: Path) -> None:
    encoder, _ = encoded(PAIRED, GROUPS)
    encoder.save(tmp_path / "new" / "folder")
    loaded = Encoder.load(tmp_path / "new" / "folder")
    assert loaded.tree == encoder.tree
    assert loaded.vocabulary.config == encoder.vocabulary.config
    assert loaded.retriever.config == encoder.retriever.config
    batch = products(["ab qab", "", "日本茶 never seen"], brand=["brand3", "", "x"], price=[1.0, np.nan, 5.0])
    left, right = encoder.encode(batch), loaded.encode(batch)
    np.testing.assert_array_equal(left.candidates, right.candidates)
    np.testing.assert_array_equal(left.features, right.features)


def test_files_are_utf_8_wherever_they_are_written(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Python asks the locale when no encoding is given, and a container's may be anything."""

    def explicit(encoding: str | None, *_: object) -> str:
        assert encoding, "an encoding is left to the locale"
        return encoding

    monkeypatch.setattr(io, "text_encoding", explicit)
    encoder, _ = encoded(PAIRED, GROUPS)
    encoder.save(tmp_path)
    assert Encoder.load(tmp_path).tree == encoder.tree
    assert "日本茶".encode() in (tmp_path / "labels.json").read_bytes()


def test_no_array_needs_pickle(trained_model: TrainedModel) -> None:
    for path in trained_model.folder.glob("*.npy"):
        assert np.load(path, allow_pickle=False).dtype.kind in "iuf", path.name
