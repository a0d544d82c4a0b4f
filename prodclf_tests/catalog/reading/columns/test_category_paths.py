"""Category paths."""

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from prodclf_assets.catalog.reading.columns.category_paths import category_paths


def label_of(*cells: object, depth: int | None = None) -> tuple[str | None, int]:
    paths = category_paths([pd.Series([cell], dtype=object) for cell in cells], depth)
    label = paths.labels[0]
    return (None if label is pd.NA else label), int(paths.blank_levels[0])


@pytest.mark.parametrize(
    ("cells", "depth", "label"),
    [
        (["Toys"], None, "Toys"),
        (["Toys", "Cars", "Red"], None, "Toys > Cars > Red"),
        (["Toys", "Cars", "Red"], 2, "Toys > Cars"),
        (["Toys", "Cars"], 5, "Toys > Cars"),
        ([" Toys \u00a0 & &amp;  Games "], None, "Toys & & Games"),
        (["Toys > Cars>Red"], None, "Toys > Cars > Red"),
        (["Toys >> Cars"], None, "Toys > Cars"),
        (["Toys › Cars » Red → Big"], 3, "Toys > Cars > Red"),
        (["Toys &gt; Cars"], None, "Toys > Cars"),
        (["Toys | Cars"], None, "Toys > Cars"),
        (["Toys | Games > Cars"], None, "Toys | Games > Cars"),
        (["Toys | Games", "Cars"], None, "Toys | Games > Cars"),
        (["Food / Drinks"], None, "Food / Drinks"),
        (["Toys -> Cars::Red"], None, "Toys > Cars > Red"),
        (["2583.0"], None, "2583"),
        (["None"], None, None),
        ([r"\N"], None, None),
        (['["Toys", "Cars"]'], None, "Toys > Cars"),
        (["['Toys', 'Cars']"], None, "Toys > Cars"),
        (["[['Toys', 'Cars'], ['Toys', 'Deals']]"], None, "Toys > Cars"),
        (["{'id': 7, 'name': 'Toys'}"], None, "Toys"),
        (["[Toys] & {Games}"], None, "Toys] & {Games}"),
        ([[{"id": "a1", "name": "Toys"}, {"id": "b2", "name": "Cars"}]], None, "Toys > Cars"),
        ([{"id": 3, "name": "Dolls", "slug": "x"}], None, "Dolls"),
        ([{"name": "Toys"}, {"name": "Cars"}], None, "Toys > Cars"),
        (["A > B", "C"], None, "A > B > C"),
        (['["Clothing >> Women >> Shorts"]'], 2, "Clothing > Women"),
        ([["Toys", "Cars"]], None, "Toys > Cars"),
        ([np.array(["Toys", "Cars"])], 1, "Toys"),
        ([7], None, "7"),
    ],
)
def test_labels_are_paths_in_normal_form(cells: list[object], depth: int | None, label: str | None) -> None:
    assert label_of(*cells, depth=depth) == (label, 0)


@pytest.mark.parametrize("cells", [[None], [""], ["  ", "N/A"], [None, None, None], [" > "], [[]]])
def test_no_level_at_all_is_no_label_and_no_fault(cells: list[object]) -> None:
    assert label_of(*cells) == (None, 0)


@pytest.mark.parametrize(
    ("cells", "depth", "level"),
    [
        (["Toys", None, "Red"], None, 2),
        ([None, "Cars"], None, 1),
        (["Toys > > Red"], None, 2),
        ([["Toys", None, "Red"]], None, 2),
    ],
)
def test_a_blank_level_is_named(cells: list[object], depth: int | None, level: int) -> None:
    assert label_of(*cells, depth=depth) == (None, level)


@pytest.mark.parametrize(
    ("cells", "depth", "label"),
    [
        (["Toys", "Cars", " "], None, "Toys > Cars"),
        (["Toys", None, None], 2, "Toys"),
        (["Toys >"], None, "Toys"),
        ([["Toys", None]], None, "Toys"),
        ([None, " "], None, None),
    ],
)
def test_a_path_may_end_before_the_last_level(
    cells: list[object], depth: int | None, label: str | None
) -> None:
    assert label_of(*cells, depth=depth) == (label, 0)


def test_a_blank_level_beyond_the_depth_does_not_matter() -> None:
    assert label_of("Toys", None, "Red", depth=1) == ("Toys", 0)


def test_rows_keep_their_index_and_order() -> None:
    columns = [
        pd.Series(["b", "a", None, "b"], index=[4, 2, 9, 1]),
        pd.Series(["x", None, None, "x"], index=[4, 2, 9, 1]),
        pd.Series([None, "y", None, None], index=[4, 2, 9, 1]),
    ]
    paths = category_paths(columns, None)
    assert paths.labels.index.tolist() == [4, 2, 9, 1]
    assert paths.labels.tolist() == ["b > x", pd.NA, pd.NA, "b > x"]
    assert paths.blank_levels.tolist() == [0, 2, 0, 0]


def all_of(cell: object, several: str | None = None, depth: int | None = None) -> list[str]:
    paths = category_paths([pd.Series([cell], dtype=object)], depth, several)
    return [
        text
        for column in (paths.labels, paths.others)
        if column[0] is not pd.NA
        for text in column[0].split("\n")
    ]


@pytest.mark.parametrize(
    ("cell", "several", "depth", "paths"),
    [
        ("Clothing > T-shirts, Sale", ",", None, ["Clothing > T-shirts", "Sale"]),
        ("Sale, Clothing > T-shirts, Autumn", ",", None, ["Sale", "Autumn", "Clothing > T-shirts"]),
        ("Clothing > T-shirts, Clothing > Socks,,", ",", 1, ["Clothing"]),
        ("Clothing, Clothing > T-shirts", ",", None, ["Clothing > T-shirts"]),
        ("Clothing\nClothing > T-shirts", "\n", None, ["Clothing", "Clothing > T-shirts"]),
        (r"Bed\, Bath > Towels, Sale", ",", None, ["Bed, Bath > Towels", "Sale"]),
        ("Clothing > T-shirts\nSale", "\n", None, ["Clothing > T-shirts", "Sale"]),
        ("Clothing | T-shirts; Sale", ";", None, ["Clothing > T-shirts", "Sale"]),
        ('["Clothing >> T-shirts", "Sale"]', ",", None, ["Clothing > T-shirts", "Sale"]),
        ("Clothing > T-shirts, Sale", None, None, ["Clothing > T-shirts, Sale"]),
        ([["Clothing", "T-shirts"], ["Sale"]], None, None, ["Clothing > T-shirts", "Sale"]),
        ([["Clothing", "T-shirts"], "Sale"], None, 1, ["Clothing", "Sale"]),
        (["Clothing > T-shirts", "Sale"], None, None, ["Clothing > T-shirts", "Sale"]),
        (np.array(["Clothing", "Sale"]), ",", None, ["Clothing", "Sale"]),
        (["Clothing", "T-shirts"], None, None, ["Clothing > T-shirts"]),
        (None, ",", None, []),
        (" , ", ",", None, []),
    ],
)
def test_a_cell_may_hold_several_paths_the_first_of_which_is_the_label(
    cell: object, several: str | None, depth: int | None, paths: list[str]
) -> None:
    assert all_of(cell, several, depth) == paths


def test_a_blank_level_of_any_path_of_a_cell_is_named() -> None:
    paths = category_paths([pd.Series(["Toys > Cars, Toys > > Red", "Toys"])], None, ",")
    assert paths.blank_levels.tolist() == [2, 0]
    assert paths.labels.tolist() == [pd.NA, "Toys"]
    assert paths.others.isna().all()


@given(st.lists(st.sampled_from(["A", "A > B", "B", "C > D > E"]), min_size=1, max_size=5), st.integers(1, 3))
def test_a_text_and_lists_of_the_same_paths_come_to_the_same(paths: list[str], depth: int) -> None:
    expected = list(dict.fromkeys(" > ".join(path.split(" > ")[:depth]) for path in paths))
    expected = [path for path in expected if not any(other.startswith(f"{path} > ") for other in expected)]
    expected = [expected[0], *sorted(expected[1:])]
    assert all_of(", ".join(paths), ",", depth) == expected
    assert all_of([path.split(" > ") for path in paths], None, depth) == expected
    assert all_of(paths, ",", depth) == expected


LEVELS = st.lists(
    st.text(st.sampled_from("abé &/"), min_size=1, max_size=5).filter(lambda level: level.strip()), min_size=1
)


@given(LEVELS, st.integers(1, 5))
def test_columns_and_a_joined_column_give_the_same_label(levels: list[str], depth: int) -> None:
    assert label_of(*levels, depth=depth) == label_of(" > ".join(levels), depth=depth)
