"""Which rows of several files count; the fast rule beside a slow one that is easy to believe."""

import pandas as pd
from hypothesis import given
from hypothesis import strategies as st

from prodclf_assets.catalog.cleaning.current_rows import FileRows, current_rows
from prodclf_assets.catalog.text.series import TEXT_DTYPE

IDS = st.lists(st.sampled_from("abcd"), max_size=4)


def ids(*names: str) -> pd.Series:
    return pd.Series(list(names), dtype=TEXT_DTYPE)


def test_a_later_file_replaces_the_rows_of_its_ids_and_no_others() -> None:
    found = current_rows(ids("1", "2", "2", "2", "3"), [FileRows(3), FileRows(2)])
    assert found.mask.tolist() == [True, False, False, True, True]
    assert (found.replaced, found.deleted) == (2, 0)


def test_a_later_file_takes_a_product_away_and_a_still_later_one_brings_it_back() -> None:
    gone = [FileRows(2), FileRows(0, ["1"])]
    assert current_rows(ids("1", "2"), gone).mask.tolist() == [False, True]
    assert current_rows(ids("1", "2"), gone).deleted == 1
    again = current_rows(ids("1", "2", "1"), [*gone, FileRows(1)])
    assert again.mask.tolist() == [False, True, True]
    assert (again.replaced, again.deleted) == (1, 0)


def test_rows_of_one_file_with_one_id_are_left_to_cleaning() -> None:
    assert current_rows(ids("1", "1"), [FileRows(2, ["1"])]).mask.tolist() == [True, True]


def test_no_files_have_no_rows() -> None:
    assert current_rows(ids(), []).mask.tolist() == []


@given(st.lists(st.tuples(IDS, IDS), max_size=5))
def test_the_rule_is_the_one_that_reads_file_after_file(files: list[tuple[list[str], list[str]]]) -> None:
    standing: dict[str, list[int]] = {}
    rows: list[str] = []
    for present, deleted in files:
        for name in {*present, *deleted}:
            standing[name] = []
        for name in present:
            standing[name].append(len(rows))
            rows.append(name)
    expected = sorted(row for kept in standing.values() for row in kept)
    found = current_rows(ids(*rows), [FileRows(len(present), deleted) for present, deleted in files])
    assert found.mask.nonzero()[0].tolist() == expected
    assert found.replaced + found.deleted == len(rows) - len(expected)
