"""What separates levels and paths is found from the column, and names keep their slashes and commas."""

from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from prodclf_assets.catalog.reading.columns.separators import found_separators


@pytest.mark.parametrize(
    ("cells", "found"),
    [
        ([], (None, None)),
        (["Toys", "Food"], (None, None)),
        (["Toys > Cars", "Food > Tea"], (None, None)),
        (["Food / Drinks", "Home / Garden", "Toys / Games"], (None, None)),
        (["Food / Drinks", "Toys", "Books", "Shoes"], (None, None)),
        (["Food / Drinks > Tea", "Food / Drinks > Coffee"], (None, None)),
        (["Home / Beds", "Home / Lamps", "Toys / Dolls"], (" / ", None)),
        (["Home/Beds", "Home/Lamps", "Toys/Dolls"], ("/", None)),
        (["Home / Beds/Sofas", "Home / Lamps"], (" / ", None)),
        (["Home\\Beds", "Home\\Lamps"], ("\\", None)),
        (["Toys, Toys > Cars", "Food, Food > Tea", "Food > Rice"], (None, ",")),
        (["Toys > Cars; Gifts > Her", "Food > Tea; Gifts > Her"], (None, ";")),
        (["Toys > Cars, Sale", "Toys > Cars", "Food > Tea", "Food > Tea, Sale"], (None, ",")),
        (["Home/Beds, Home/Lamps", "Home/Lamps, Toys/Dolls", "Toys/Dolls"], ("/", ",")),
        (["Lawn, Garden > Tools", "Lawn, Garden > Pots", "Toys, Games > Dolls"], (None, None)),
        (["Men > Shirts, Tops", "Women > Shirts, Tops", "Kids > Tops"], (None, None)),
        (["Toys, Games", "Toys, Games > Dolls, Puppets"], (None, None)),
    ],
)
def test_separators_are_found_where_the_column_shows_them(
    cells: list[str], found: tuple[str | None, str | None]
) -> None:
    assert found_separators(cells) == found


PATHS = st.lists(
    st.tuples(st.sampled_from(["Home", "Toys", "Food"]), st.sampled_from(["Red", "Big", "Old & new"])),
    min_size=4,
    max_size=9,
    unique=True,
)


@given(PATHS, st.sampled_from([" / ", "/", "\\"]))
def test_a_column_of_paths_with_any_separator_is_split(paths: list[tuple[str, str]], mark: str) -> None:
    assert found_separators([mark.join(path) for path in paths]) == (mark, None)


@given(PATHS, st.sampled_from([",", ";", "|"]))
def test_a_column_of_cells_with_several_paths_is_split(paths: list[tuple[str, str]], mark: str) -> None:
    texts = [" > ".join(path) for path in paths]
    cells = [f"{first}{mark} {second}" for first, second in pairwise(texts)]
    assert found_separators([*cells, *texts])[1] == mark
