import pandas as pd
import pytest

from prodclf_assets.catalog.label_checks.leaks import InputGuess, majority_share, single_input_guesses


def text(*values: str | None) -> pd.Series:
    return pd.Series([pd.NA if value is None else value for value in values], dtype="string")


def test_an_input_that_is_the_label_is_found_out_on_held_out_rows() -> None:
    train = pd.DataFrame(
        {"category": text("x", "y", "z", "x"), "code": text("1", "2", "3", "1"), "id": text(*"abcd")}
    )
    held = pd.DataFrame({"category": text("x", "z", "y"), "code": text("1", "3", "2"), "id": text(*"efg")})
    guesses = {
        guess.column: guess for guess in single_input_guesses([(train, held)], ["code", "id"], "category")
    }
    assert guesses["code"].accuracy == 1.0
    assert guesses["code"].values == 3
    assert guesses["id"].accuracy == pytest.approx(1 / 3), "values never seen get the overall majority"


def test_numbers_and_missing_values_are_values_too() -> None:
    train = pd.DataFrame({"category": text("x", "x", "y"), "price": [1.0, 1.0, float("nan")]})
    held = pd.DataFrame({"category": text("x", "y"), "price": [1.0, float("nan")]})
    assert single_input_guesses([(train, held)], ["price"], "category")[0].accuracy == 1.0


def test_ties_between_labels_go_to_the_first_by_name_whatever_the_row_order() -> None:
    train = pd.DataFrame({"category": text("b", "a"), "brand": text("v", "v")})
    held = pd.DataFrame({"category": text("a"), "brand": text("v")})
    for frame in (train, train.iloc[::-1]):
        assert single_input_guesses([(frame, held)], ["brand"], "category")[0].accuracy == 1.0


def test_majority_share_is_what_always_answering_the_largest_category_gives() -> None:
    assert majority_share([(text("a", "a", "b"), text("a", "b", "b", "b"))]) == 0.25
    assert majority_share([(text("a"), text())]) == majority_share([]) == 0.0


def clusters(column: str, labels: int, *, values_of: int, wrong: bool = False) -> InputGuess:
    """Guess by a column that has a value for every few products of a category."""
    rows = pd.RangeIndex(600)
    label = rows % labels
    frame = pd.DataFrame(
        {
            "category": [f"c{one}" for one in label],
            column: [f"{one} {row // (labels * values_of)}" for row, one in zip(rows, label, strict=True)],
        },
        dtype="string",
    )
    if wrong:
        frame.loc[frame.index % 9 == 0, "category"] = "another"
    held = frame.index % values_of == 0
    (guess,) = single_input_guesses([(frame[~held], frame[held])], [column])
    return guess


def test_a_column_that_is_nearly_a_key_of_the_category_is_found_out() -> None:
    key = clusters("subcategory", 3, values_of=2)
    assert key.accuracy > 0.9
    assert (key.gives_known, key.leaks) == (True, True)
    assert "'subcategory' alone gives the category of 100.0%" in str(key)
    assert not clusters("subcategory", 3, values_of=2, wrong=True).suspect


def test_what_products_share_by_nature_is_suspect_and_no_more() -> None:
    brand = InputGuess("brand", accuracy=0.9, values=40, rows=200, known=100, known_right=99)
    assert (brand.suspect, brand.leaks) == (True, False)
    hint = InputGuess("subcategory", accuracy=0.9, values=40, rows=200, known=100, known_right=99)
    assert (hint.suspect, hint.leaks) == (True, True)
    assert "99.0% of the products whose value others have too (50% of all)" in str(hint)


@pytest.mark.parametrize(("rows", "known", "right"), [(200, 49, 49), (1000, 199, 199), (200, 100, 97)])
def test_too_few_or_too_often_wrong_is_not_suspect(rows: int, known: int, right: int) -> None:
    assert not InputGuess("subcategory", 0.5, 40, rows, known, right).suspect
