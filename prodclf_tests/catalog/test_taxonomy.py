from pathlib import Path

import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from prodclf_assets.catalog.taxonomy import Change, Taxonomy, load_taxonomy
from prodclf_assets.catalog.text.series import TEXT_DTYPE
from prodclf_assets.errors import MappingError

FILE = """
changes:
  - rename: Toys > Cars
    to: Toys >Vehicles
  - merge: [Grocery > Tea, Grocery > Coffee]
    to: Grocery > Hot drinks
  - split: Home > Lamps
    into: [Home > Desk lamps, Home > Lamps > Floor]
  - retire: Office > Fax machines
  - rename: Toys
    to: Toys & Games
"""


@pytest.fixture
def taxonomy(tmp_path: Path) -> Taxonomy:
    path = tmp_path / "taxonomy.yaml"
    path.write_text(FILE, encoding="utf-8")
    return load_taxonomy(path)


@pytest.mark.parametrize(
    ("before", "after"),
    [
        ("Toys > Cars", "Toys & Games > Vehicles"),
        ("Toys > Cars > Red", "Toys & Games > Vehicles > Red"),
        ("Toys > Carsharing", "Toys & Games > Carsharing"),
        ("Toys", "Toys & Games"),
        ("Grocery > Tea", "Grocery > Hot drinks"),
        ("Grocery > Coffee > Beans", "Grocery > Hot drinks > Beans"),
        ("Home > Lamps", None),
        ("Home > Lamps > Desk", None),
        ("Home > Lamps > Floor", "Home > Lamps > Floor"),
        ("Home > Lamps > Floor > Tall", "Home > Lamps > Floor > Tall"),
        ("Office > Fax machines", None),
        ("Office > Fax machines > Paper", None),
        ("Office", "Office"),
        ("Toys & Games > Vehicles", "Toys & Games > Vehicles"),
    ],
)
def test_what_becomes_of_a_label(taxonomy: Taxonomy, before: str, after: str | None) -> None:
    assert taxonomy.trace(before)[0] == after


def test_a_column_is_brought_up_to_date_and_each_change_counts_its_rows(taxonomy: Taxonomy) -> None:
    labels = pd.Series(
        ["Toys > Cars", None, "Home > Lamps", "Toys > Cars", "Garden", "Grocery > Coffee"],
        index=[5, 6, 7, 8, 9, 10],
        dtype=TEXT_DTYPE,
        name="category",
    )
    found = taxonomy.apply(labels)
    assert found.rows == (2, 1, 1, 0, 2)
    assert found.labels.isna().tolist() == [False, True, True, False, False, False]
    assert found.labels.dropna().tolist() == ["Toys & Games > Vehicles"] * 2 + [
        "Garden",
        "Grocery > Hot drinks",
    ]
    assert found.labels.index.tolist() == labels.index.tolist()
    assert found.labels.dtype == labels.dtype


levels = st.sampled_from(["A", "B", "C"])
paths = st.lists(levels, min_size=1, max_size=3).map(" > ".join)


@given(st.lists(paths, max_size=30))
def test_today_does_not_change_again(labels: list[str]) -> None:
    """Data that mix yesterday's and today's names come out right: what is done is not done again."""
    taxonomy = Taxonomy(
        changes=(
            Change(rename="A", to="A > B"),
            Change(merge=("B > A", "B > B"), to="B > B"),
            Change(split="C", into=("C > A", "A > B > C")),
        )
    )
    once = taxonomy.apply(pd.Series(labels, dtype=TEXT_DTYPE)).labels
    pd.testing.assert_series_equal(taxonomy.apply(once).labels, once)


def test_a_change_is_described_and_todays_names_are_known(taxonomy: Taxonomy) -> None:
    assert taxonomy.describe("Toys > Cars") == (
        "rename Toys > Cars → Toys > Vehicles; then rename Toys → Toys & Games"
    )
    assert taxonomy.describe("Office > Fax machines") == "retire Office > Fax machines"
    assert taxonomy.describe("Garden") == ""
    assert set(taxonomy.targets) == {
        "Grocery > Hot drinks", "Home > Desk lamps", "Home > Lamps > Floor", "Toys & Games",
    }  # fmt: skip


def test_without_a_file_nothing_changes() -> None:
    labels = pd.Series(["A"], dtype=TEXT_DTYPE)
    found = load_taxonomy(None).apply(labels)
    assert found.labels is labels
    assert found.rows == ()


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("changes: [{rename: A}]", "change 1: rename needs to, not nothing"),
        (
            "changes: [{rename: A, to: B}, {to: B}]",
            "change 2: a change is one of rename, merge, split, retire",
        ),
        ("changes: [{rename: A, retire: B}]", "rename and retire is given"),
        ("changes: [{retire: A, to: B}]", "retire needs nothing else, not to"),
        ("changes: [{rename: A, to: A}]", "rename: 'A' would become itself"),
        ("changes: [{split: A, into: [A, B]}]", "split: 'A' would become itself"),
        ("changes: [{merge: [B], to: B}]", "merge: 'B' would become itself"),
        ("changes: [{rename: 'A >  ', to: B}]", "change 1, rename: 'A >  ' has a blank level"),
        ("changes: [{renamed: A, to: B}]", "change 1, renamed: Extra inputs are not permitted"),
        ("change: []", "the file: Extra inputs"),
        ("[", "is not YAML"),
    ],
)
def test_a_mistake_is_named_with_its_place(tmp_path: Path, text: str, says: str) -> None:
    path = tmp_path / "taxonomy.yaml"
    path.write_text(text, encoding="utf-8")
    with pytest.raises(MappingError) as caught:
        load_taxonomy(path)
    assert says in str(caught.value)
    assert str(path) in str(caught.value)


def test_a_file_that_is_not_there_is_named(tmp_path: Path) -> None:
    with pytest.raises(MappingError, match="check PRODCLF_TAXONOMY"):
        load_taxonomy(tmp_path / "none.yaml")
    empty = tmp_path / "empty.yaml"
    empty.write_text("", encoding="utf-8")
    assert load_taxonomy(empty).changes == ()
