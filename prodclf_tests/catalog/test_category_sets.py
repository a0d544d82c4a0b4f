"""The categories of rows, counted and renamed."""

import pandas as pd
from hypothesis import given
from hypothesis import strategies as st

from prodclf_assets.catalog.category_sets import categories_of, category_counts, renamed_categories
from prodclf_assets.catalog.text.series import TEXT_DTYPE

NAMES = st.sampled_from(["A", "B", "C > D", "E"])
ROWS = st.lists(st.tuples(st.none() | NAMES, st.sets(NAMES, max_size=3)), max_size=6)


def frame(rows: list[tuple[str | None, set[str]]]) -> pd.DataFrame:
    others = ["\n".join(sorted(others - {own})) or None for own, others in rows]
    table = pd.DataFrame({"category": [own for own, _ in rows], "other_categories": others}, dtype=TEXT_DTYPE)
    return table.set_axis([7 * number for number in range(len(rows))])


def sets_of(table: pd.DataFrame) -> list[list[str]]:
    every = categories_of(table)
    return [every[every.index == row].tolist() for row in range(len(table))]


@given(ROWS)
def test_every_category_of_a_row_is_given_its_own_first(rows: list[tuple[str | None, set[str]]]) -> None:
    found = sets_of(frame(rows))
    assert found == [([own] if own else []) + sorted(others - {own}) for own, others in rows]
    assert sum(category_counts(frame(rows)).values()) == sum(map(len, found))


@given(ROWS, st.dictionaries(NAMES, st.none() | NAMES))
def test_renamed_categories_are_a_set_again(
    rows: list[tuple[str | None, set[str]]], names: dict[str, str | None]
) -> None:
    before = frame(rows)
    after = renamed_categories(before, lambda name: names.get(name, name))
    assert after.index.equals(before.index)
    for (own, others), found in zip(rows, sets_of(after), strict=True):
        left = {names.get(name, name) for name in others | {own} if name} - {None}
        assert set(found) == left
        assert len(found) == len(left)
        renamed = names.get(own, own) if own else None
        assert found[0] == renamed if renamed else found == sorted(left, key=str)


def test_counts_are_the_commonest_first_and_a_frame_needs_no_others() -> None:
    table = frame([("B", {"A"}), ("A", set()), ("E", set()), ("B", set())])
    assert list(category_counts(table).items()) == [("A", 2), ("B", 2), ("E", 1)]
    assert categories_of(table[["category"]]).tolist() == ["B", "A", "E", "B"]
    assert renamed_categories(table[["category"]], str.lower)["category"].tolist() == ["b", "a", "e", "b"]
