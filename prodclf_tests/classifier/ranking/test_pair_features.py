"""What the re-ranker sees of a product and a candidate, against a slow reference written from the definitions."""

import math
import zlib

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from prodclf_assets.catalog.product import ProductBatch
from prodclf_assets.classifier.label_sets import LabelSets
from prodclf_assets.classifier.label_tree import LabelTree
from prodclf_assets.classifier.ranking.pair_features import (
    AFFINITY_PRIOR,
    FEATURES,
    KEYS,
    NUMBERS,
    SHAPE,
    AffinityTable,
    LabelStatistics,
    ProductTraits,
    _position,
    _quartiles,
)
from prodclf_assets.classifier.retrieval.neighbours import VIEWS
from prodclf_assets.classifier.retrieval.retriever import SCORES, SHARPNESS, Candidates
from prodclf_tests.classifier.shop import label_sets, products

TREE = LabelTree.of(["Food > Fruit", "Food > Tea", "Home > Kitchen > Pans", "Home > Kitchen > Pots", "Toys"])
TRAIN = products(
    [
        "Red apple 1kg",
        "green tea 50 bags",
        "frying pan",
        "Frying pan 24 cm",
        "soup pot",
        "doll",
        "green apple",
    ],
    description=["", "leaves", "", "", "big", "", ""],
    brand=["Acme", "Acme", "Tefal", "TEFAL", "Tefal", "", "acme"],
    seller_id=["s1", "s1", "s2", "s2", "s2", "s3", "s1"],
    subcategory=["fruit", "", "cooking", "Cooking", "cooking", "", "fruit"],
    price=[2, 5, 20, 30, 25, 10, math.nan],
    list_price=[4, 5, 40, math.nan, 0, 10, math.nan],
    rating=[4, 5, math.nan, 3, 4, math.nan, math.nan],
    reviews_count=[10, 0, 5, math.nan, 100, 7, 3],
)
TRUTH = TREE.encode(
    [
        "Food > Fruit",
        "Food > Tea",
        "Home > Kitchen > Pans",
        "Home > Kitchen > Pans",
        "Home > Kitchen > Pots",
        "Toys",
        "Food > Fruit",
    ]
)
NEW = products(
    ["Frying apple", "soup 12", ""],
    description=["sweet", "", ""],
    brand=["tefal", "Nobody", ""],
    seller_id=["s2", "s9", ""],
    subcategory=["COOKING", "never seen", ""],
    price=[21, 0, math.nan],
    list_price=[42, 10, math.nan],
    rating=[4.5, math.nan, math.nan],
    reviews_count=[0, 1e12, math.nan],
)
CANDIDATES = Candidates(
    np.array([[2, 0, 3, 4], [3, 2, 1, 0], [0, 1, 2, 3]], np.int32),
    np.random.default_rng(5).normal(size=(3, 4, len(SCORES))).astype(np.float32),
    np.full(3, 4, np.int32),
)
CANDIDATES.scores[2] = 0.0  # nothing known of the product: every score ties


def table(candidates: Candidates = CANDIDATES, new: ProductBatch = NEW, threads: int = 1) -> np.ndarray:
    statistics = LabelStatistics.fit(ProductTraits.of(TRAIN), LabelSets.single(TRUTH), len(TREE))
    return statistics.features(candidates, ProductTraits.of(new), TREE, threads)


FOUND = table()


def column(name: str) -> np.ndarray:
    """float32[n, k]: one feature by its name."""
    return FOUND[:, FEATURES.index(name)].reshape(CANDIDATES.labels.shape)


# What breaks a reader of UTF-8 and of words: every plane, lone surrogates, what grows when folded, each kind of space.
WILD = st.text(
    st.characters() | st.sampled_from("aAbB1 -_\0\t\x1f\x85\u2003\u0130ßΐﬃ\u0301\ud800\udfff😀𝐀日গि"),
    max_size=20,
)
WILD_ROWS = st.lists(
    st.tuples(WILD, WILD, WILD, WILD, WILD, st.floats(0, 1e12) | st.just(math.nan)), max_size=5
)


def crc(text: str) -> int:
    return zlib.crc32(text.encode("utf-8", "surrogatepass")) or 1 if text else 0


@given(WILD_ROWS)
def test_keys_and_shape_are_those_of_python(rows: list[tuple[str, str, str, str, str, float]]) -> None:
    titles, descriptions, brands, sellers, hints, prices = zip(*rows, strict=True) if rows else [()] * 6
    traits = ProductTraits.of(
        products(
            list(titles), description=list(descriptions), brand=list(brands), seller_id=list(sellers),
            subcategory=list(hints), price=list(prices),
        )
    )  # fmt: skip
    for row, (title, description, brand, seller, hint, price) in enumerate(rows):
        words, folded = title.casefold().split(), brand.casefold()
        price_range = "" if math.isnan(price) or not brand else f"{folded}|{int(np.log2(price + 1))}"
        first, last = (words[0], words[-1]) if words else ("", "")
        expected = [folded, seller, first, last, hint.casefold(), price_range]
        assert traits.keys[row].tolist() == list(map(crc, expected))
        share = sum(map(title.count, "0123456789")) / max(1, len(title))
        shape = np.array([len(title.split()), len(title), share, len(description)], np.float32)
        np.testing.assert_array_equal(traits.shape[row, 1:], shape)


def keys_of(batch: ProductBatch, row: int) -> dict[str, object]:
    words, brand, price = batch.title[row].lower().split(), batch.brand[row].lower(), batch.price[row]
    return {
        "brand": brand,
        "seller": batch.seller_id[row],
        "first_word": words[0] if words else "",
        "last_word": words[-1] if words else "",
        "hint": batch.subcategory[row].lower(),
        "brand_price": (brand, int(math.log2(price + 1))) if brand and not math.isnan(price) else "",
    }


def logged(batch: ProductBatch, row: int) -> dict[str, float]:
    return {
        n: getattr(batch, n)[row] if n == "rating" else math.log1p(getattr(batch, n)[row]) for n in NUMBERS
    }


def shares(row: int, scorer: int) -> np.ndarray:
    scores = CANDIDATES.scores[row, :, scorer].astype(float)
    exponential = np.exp((scores - scores.max()) * SHARPNESS[scorer])
    return exponential / exponential.sum()


def expected(row: int, place: int) -> dict[str, float]:
    """Every feature of one pair, by name."""
    labels = CANDIDATES.labels[row].tolist()
    label = labels[place]
    values: dict[str, float] = {}
    for name in ("naive_bayes", "complement", "centroid", "svm", "branch"):
        scores = CANDIDATES.scores[row, :, SCORES.index(name)]
        own, ordered = scores[place], sorted(scores, reverse=True)
        values |= {
            f"{name}_score": own,
            f"{name}_gap": own - ordered[0],
            f"{name}_share": shares(row, SCORES.index(name))[place],
            f"{name}_rank": sum(scores > own),
            f"{name}_margin": ordered[0] - ordered[1],
        }
    values |= {view: CANDIDATES.scores[row, place, SCORES.index(view)] for view in VIEWS}
    names = CANDIDATES.scores[row, :, SCORES.index("name")]
    values |= {"name_score": names[place], "name_gap": names[place] - max(names)}
    paths = [TREE.paths[other].split(" > ") for other in labels]
    for branch, levels in (("parent", lambda path: path[:-1]), ("root", lambda path: path[:1])):
        together = [levels(path) == levels(paths[place]) for path in paths]
        for name in ("naive_bayes", "svm"):
            values[f"{branch}_{name}_share"] = shares(row, SCORES.index(name))[together].sum()
    mine = [i for i in range(len(TRAIN)) if label == TRUTH[i]]
    values["prior"] = math.log(1 + len(mine))
    prior = max(len(mine), 0.5) / len(TRAIN)
    for key in KEYS:
        own_key = keys_of(NEW, row)[key]
        same = [i for i in range(len(TRAIN)) if own_key and keys_of(TRAIN, i)[key] == own_key]
        both = sum(label == TRUTH[i] for i in same)
        values[f"{key}_affinity"] = math.log(
            (both + AFFINITY_PRIOR * prior) / (len(same) + AFFINITY_PRIOR) / prior
        )
        values[f"{key}_count"] = math.log(1 + len(same))
    for number in NUMBERS:
        known = [v for v in (logged(TRAIN, i)[number] for i in mine) if not math.isnan(v)]
        low, middle, high = np.percentile(known, (25, 50, 75)) if known else (math.nan,) * 3
        values[f"{number}_offset"] = (logged(NEW, row)[number] - middle) / (high - low + 0.1)
        values[f"{number}_distance"] = abs(values[f"{number}_offset"])
    values |= logged(NEW, row)
    title = NEW.title[row]
    values |= {
        "discount": 1 - NEW.price[row] / NEW.list_price[row],
        "words": len(title.split()),
        "characters": len(title),
        "digit_share": sum(c.isdigit() for c in title) / max(1, len(title)),
        "described": len(NEW.description[row]),
    }
    return values


@pytest.mark.parametrize("row", range(3))
@pytest.mark.parametrize("place", range(4))
def test_every_column_is_what_its_name_says(row: int, place: int) -> None:
    wanted = expected(row, place)
    assert set(wanted) == set(FEATURES)
    found = FOUND[row * 4 + place]
    for name, value in zip(FEATURES, found, strict=True):
        np.testing.assert_allclose(value, wanted[name], rtol=1e-4, atol=1e-5, err_msg=name)


def test_a_product_in_several_categories_counts_for_each_that_it_is_an_example_of() -> None:
    sets = [[0], [1, 3], [2], [2, 4], [3], [4], [0]]
    truth = label_sets(sets, not_taught=[(3, 4)])
    once_each = [(row, code) for row, each in enumerate(sets) for code in each if (row, code) != (3, 4)]
    rows = np.array([row for row, _ in once_each])
    codes = LabelSets.single(np.array([code for _, code in once_each], np.int32))
    one = LabelStatistics.fit(ProductTraits.of(TRAIN), truth, len(TREE))
    other = LabelStatistics.fit(ProductTraits.of(TRAIN).take(rows), codes, len(TREE))
    assert one.counts.tolist() == [2, 1, 2, 2, 1]
    found, wanted = (each.features(CANDIDATES, ProductTraits.of(NEW), TREE) for each in (one, other))
    np.testing.assert_array_equal(found, wanted)


def test_names_are_distinct_and_as_many_as_columns() -> None:
    assert len(set(FEATURES)) == len(FEATURES) == FOUND.shape[1]
    assert FEATURES[-len(SHAPE) :] == SHAPE
    assert FOUND.dtype == np.float32


def test_missing_numbers_stay_missing_and_nothing_else_is() -> None:
    unknown = {f"{n}{view}" for n in NUMBERS for view in ("", "_offset", "_distance")} | {"discount"}
    for name in FEATURES:
        assert np.isnan(column(name)[2]).all() == (name in unknown), name
    assert np.isfinite(FOUND[:, [FEATURES.index(n) for n in FEATURES if n not in unknown]]).all()
    assert np.isnan(column("rating_offset")[0, 3])  # nobody has rated a toy
    assert np.isfinite(column("price_offset")[0]).all()


def test_ids_nobody_has_seen_say_nothing() -> None:
    for key in KEYS:
        if key == "first_word":  # `soup` is known
            continue
        np.testing.assert_allclose(column(f"{key}_affinity")[1:], 0, atol=1e-6, err_msg=key)
        np.testing.assert_array_equal(column(f"{key}_count")[1:], 0, err_msg=key)
    assert column("brand_affinity")[0, 0] > 0 > column("brand_affinity")[0, 1]  # Tefal makes pans, not fruit


def test_letter_case_of_brand_and_hint_does_not_matter() -> None:
    left = ProductTraits.of(products(["Frying PAN"], brand=["TEFAL"], subcategory=["Cooking"], price=[3.0]))
    right = ProductTraits.of(products(["frying pan"], brand=["tefal"], subcategory=["COOKING"], price=[3.5]))
    np.testing.assert_array_equal(left.keys, right.keys)


def test_ids_are_the_same_in_every_process() -> None:
    traits = ProductTraits.of(
        products(["a b"], brand=["Ü"], seller_id=["s"], subcategory=["\ud800"], price=[7])
    )
    texts = ["ü", "s", "a", "b", "\ud800", "ü|3"]
    assert traits.keys[0].tolist() == [zlib.crc32(text.encode("utf-8", "surrogatepass")) for text in texts]


@pytest.mark.parametrize(
    ("price", "list_price", "discount"),
    [
        (50, 100, 0.5),
        (100, 100, 0),
        (200, 100, -1),
        (0, 0, math.nan),
        (5, 0, math.nan),
        (math.nan, 5, math.nan),
    ],
)
def test_discount(price: float, list_price: float, discount: float) -> None:
    traits = ProductTraits.of(products(["x"], price=[price], list_price=[list_price]))
    np.testing.assert_allclose(traits.shape[0, 0], discount)


def test_one_candidate_has_no_margin() -> None:
    alone = Candidates(CANDIDATES.labels[:, :1], CANDIDATES.scores[:, :1], np.ones(3, np.int32))
    found = table(alone)
    assert found.shape == (3, len(FEATURES))
    assert (found[:, FEATURES.index("svm_margin")] == 0).all()
    assert (found[:, FEATURES.index("svm_share")] == 1).all()


def test_threads_and_blocks_change_nothing() -> None:
    rows = np.arange(5000) % 3
    many = Candidates(CANDIDATES.labels[rows], CANDIDATES.scores[rows], CANDIDATES.ranked[rows])
    found = table(many, NEW.take(rows), threads=3)
    np.testing.assert_array_equal(found, FOUND.reshape(3, 4, -1)[rows].reshape(-1, len(FEATURES)))


def test_no_products() -> None:
    none = np.array([], int)
    nobody = Candidates(CANDIDATES.labels[none], CANDIDATES.scores[none], CANDIDATES.ranked[none])
    found = table(nobody, NEW.take(none))
    assert found.shape == (0, len(FEATURES))


def test_candidates_that_are_not_ranked_have_no_row_but_are_what_others_are_compared_with() -> None:
    fewer = Candidates(CANDIDATES.labels, CANDIDATES.scores, np.array([2, 4, 3], np.int32))
    kept = [0, 1, *range(4, 8), 8, 9, 10]
    np.testing.assert_array_equal(table(fewer), FOUND[kept])


def test_labels_that_have_lost_every_product_give_finite_features() -> None:
    """Out of fold nothing may be left to count: no share, no price range, and no division by it."""
    nothing = LabelStatistics.fit(ProductTraits.of(TRAIN.take([])), LabelSets.single(TRUTH[:0]), len(TREE))
    found = nothing.features(CANDIDATES, ProductTraits.of(NEW), TREE)
    counted = [FEATURES.index(f"{key}_{view}") for key in KEYS for view in ("affinity", "count")]
    assert np.isfinite(found[:, counted]).all()
    assert (found[:, FEATURES.index("prior")] == 0).all()
    assert np.isnan(found[:, FEATURES.index("price_offset")]).all()


@given(st.lists(st.tuples(st.integers(0, 4), st.floats(0, 1e6, width=32) | st.just(math.nan)), max_size=40))
def test_quartiles_of_each_label_are_those_of_numpy(rows: list[tuple[int, float]]) -> None:
    labels = np.array([label for label, _ in rows], np.int32)
    values = np.array([value for _, value in rows], np.float32)
    found = _quartiles(values, labels, 5)
    assert found.dtype == np.float32
    for label in range(5):
        known = values[(labels == label) & ~np.isnan(values)]
        wanted = np.percentile(known, (25, 50, 75)) if len(known) else [math.nan] * 3
        np.testing.assert_allclose(found[:, label], wanted, rtol=1e-5, atol=1e-30)


def test_affinities_count_ids_with_labels() -> None:
    ids = np.array([7, 0, 4_294_967_295, 7, 7, 0], np.uint32)
    counts = AffinityTable.fit(ids, np.array([1, 2, 0, 3, 1, 0], np.int32))
    assert counts.ids.tolist() == [7, 4_294_967_295]
    assert counts.indptr.tolist() == [0, 2, 3]
    assert counts.labels.tolist() == [1, 3, 0]
    assert counts.counts.tolist() == [2, 1, 1]
    empty = AffinityTable.fit(np.zeros(3, np.uint32), np.zeros(3, np.int32))
    assert empty.ids.tolist() == []
    assert empty.indptr.tolist() == [0]


@given(st.sets(st.integers(0, 2**32 - 1), max_size=20), st.integers(0, 2**32 - 1), st.integers(0, 20))
def test_an_id_is_found_in_its_own_table_only(known: set[int], other: int, before: int) -> None:
    table = sorted(known)
    ids = np.array([*[other] * before, *table, other], np.uint32)
    for wanted in (*table, other):
        place = table.index(wanted) + before if wanted in known else -1
        assert _position(ids, before, before + len(table), np.uint32(wanted)) == place
