"""The categories of products, against Python sets."""

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from prodclf_assets.catalog.columns import CATEGORY_SEPARATOR
from prodclf_assets.catalog.text.series import TEXT_DTYPE
from prodclf_assets.classifier.label_sets import LabelSets, joined
from prodclf_assets.classifier.label_tree import LabelTree
from prodclf_tests.classifier.shop import label_sets

KNOWN = ["Beds", "Food > Fruit", "Food > Organic", "Food > Tea"]
TREE = LabelTree.of(KNOWN)
NAMES = st.sampled_from([*KNOWN, "Unknown", "New > Unknown"])
# Of each product the categories, and for each of its rows which of these is the row's own.
PRODUCTS = st.lists(
    st.tuples(
        st.lists(NAMES, min_size=1, max_size=4, unique=True),
        st.lists(st.integers(0, 3), min_size=1, max_size=3),
    ),
    max_size=6,
)
CODES = st.lists(st.integers(0, 5), max_size=4, unique=True)
SETS = st.lists(CODES, max_size=8)


def frame(products: list[tuple[list[str], list[int]]], *, together: bool = True) -> pd.DataFrame:
    """One row for each time that a product is listed, in any order; every row says all of its product's categories."""
    rows = [
        (f"product {number}", names[own % len(names)], names)
        for number, (names, listed) in enumerate(products)
        for own in listed
    ]
    if not together:
        rows = rows[::2] + rows[1::2]
    others = [CATEGORY_SEPARATOR.join(sorted({*names} - {own})) or None for _, own, names in rows]
    columns = {"title": [title for title, _, _ in rows], "category": [own for _, own, _ in rows]}
    return pd.DataFrame({**columns, "other_categories": others}, dtype=TEXT_DTYPE)


def of_codes(sets: list[list[int]]) -> LabelSets:
    """Products of these codes, each an example of those of odd rows and even codes, or the other way round."""
    pairs = [(row, code) for row, each in enumerate(sets) for code in each]
    return label_sets(sets, [pair for pair in pairs if sum(pair) % 2])


def listed(truth: LabelSets) -> list[list[tuple[int, bool]]]:
    """Of each product its codes, and whether they are taught."""
    pairs = list(zip(truth.codes.tolist(), truth.taught.tolist(), strict=True))
    return [pairs[a:b] for a, b in zip(truth.indptr[:-1], truth.indptr[1:], strict=True)]


@given(PRODUCTS, st.booleans())
def test_every_known_category_of_a_row_is_there_its_own_first(
    products: list[tuple[list[str], list[int]]], together: bool
) -> None:
    table = frame(products, together=together)
    truth = LabelSets.of(table, TREE)
    sets = {f"product {number}": names for number, (names, _) in enumerate(products)}
    assert len(truth) == len(table)
    assert truth.own.tolist() == TREE.encode(table["category"].tolist()).tolist()
    for title, own, found in zip(table["title"], truth.own.tolist(), listed(truth), strict=True):
        codes = [code for code, _ in found]
        assert sorted(codes) == sorted(set(TREE.encode(sets[title]).tolist()) - {-1})
        assert own == -1 or codes[0] == own
    assert truth.sizes.tolist() == [len(each) for each in listed(truth)]
    assert truth.rows.tolist() == [row for row, each in enumerate(listed(truth)) for _ in each]
    assert truth.first.tolist() == [each[0][0] if each else -1 for each in listed(truth)]


@given(PRODUCTS, st.booleans())
def test_a_row_is_an_example_of_its_own_category_and_of_those_that_no_row_of_its_product_has(
    products: list[tuple[list[str], list[int]]], together: bool
) -> None:
    """So that of two rows under two shelves each counts for one, and a row that names two shelves for both."""
    table = frame(products, together=together)
    truth = LabelSets.of(table, TREE)
    own_of = table.groupby("title")["category"].agg(set).to_dict()
    for title, own, found in zip(table["title"], truth.own.tolist(), listed(truth), strict=True):
        for code, taught in found:
            assert taught == (code == own or TREE.paths[code] not in own_of[title])


def test_brands_that_share_a_title_are_different_products() -> None:
    table = frame([(["Food > Tea", "Food > Organic"], [0, 1])]).assign(title="green tea")
    shared = LabelSets.of(table.assign(brand="Acme"), TREE)
    assert listed(shared) == [[(3, True), (2, False)], [(2, True), (3, False)]]
    apart = LabelSets.of(table.assign(brand=["Acme", "Other"]), TREE)
    assert apart.taught.all()


def test_a_frame_without_other_categories_has_one_each() -> None:
    table = pd.DataFrame(
        {"title": ["a", "b", "c"], "category": ["Beds", "New", "Food > Tea"]}, dtype=TEXT_DTYPE
    )
    truth, single = LabelSets.of(table, TREE), LabelSets.single(np.array([0, -1, 3], np.int32))
    for name in ("own", "indptr", "codes", "taught"):
        np.testing.assert_array_equal(getattr(truth, name), getattr(single, name))
        assert getattr(truth, name).dtype == getattr(single, name).dtype
    assert listed(truth) == [[(0, True)], [], [(3, True)]]


@given(SETS, st.data())
def test_taken_and_joined_as_lists_are(sets: list[list[int]], data: st.DataObject) -> None:
    truth = of_codes(sets)
    rows = data.draw(st.lists(st.integers(0, max(0, len(sets) - 1)), max_size=8 if sets else 0))
    taken = truth.take(np.array(rows, np.int64))
    assert listed(taken) == [listed(truth)[row] for row in rows]
    assert taken.own.tolist() == [truth.own.tolist()[row] for row in rows]
    both = joined([truth, taken, truth])
    assert listed(both) == listed(truth) + listed(taken) + listed(truth)
    assert both.own.tolist() == [*truth.own, *taken.own, *truth.own]
    for made in (taken, both):
        assert [getattr(made, name).dtype for name in vars(made)] == [np.int32, np.int64, np.int32, np.bool_]


@given(SETS, st.integers(0, 4), st.data())
def test_a_candidate_is_right_when_it_is_one_of_them(
    sets: list[list[int]], k: int, data: st.DataObject
) -> None:
    candidates = data.draw(arrays(np.int32, (len(sets), k), elements=st.integers(-1, 6)))
    found = of_codes(sets).contain(candidates)
    assert found.tolist() == [
        [code in each for code in row] for row, each in zip(candidates.tolist(), sets, strict=True)
    ]


def test_no_candidate_is_none_that_a_product_without_categories_has() -> None:
    truth = LabelSets.single(np.array([-1], np.int32))
    assert not truth.contain(np.array([[-1, 0]], np.int32)).any()


@pytest.mark.parametrize("title", [None, ""])
def test_rows_without_a_title_are_not_one_product(title: str | None) -> None:
    table = frame([(["Food > Tea", "Food > Organic"], [0, 1])]).assign(
        title=pd.array([title] * 2, dtype=TEXT_DTYPE)
    )
    assert LabelSets.of(table, TREE).taught.all()
