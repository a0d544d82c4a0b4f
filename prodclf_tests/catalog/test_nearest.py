import pytest

from prodclf_assets.catalog.nearest import nearest_categories

LABELS = ["Home > Pans", "Home > Pots", "Home > Tools", "Food > Rice", "Food > Pasta", "Toys"]


@pytest.mark.parametrize(
    ("given", "first"),
    [
        ("home > pans", "Home > Pans"),
        ("Pans", "Home > Pans"),
        ("Kitchen > Pots", "Home > Pots"),
        ("Food", "Food > Pasta"),
        ("Toy", "Toys"),
    ],
)
def test_the_nearest_name_comes_first(given: str, first: str) -> None:
    assert nearest_categories(given, LABELS)[0] == first


def test_a_branch_suggests_what_lies_below_it_and_nonsense_nothing() -> None:
    assert nearest_categories("Food", LABELS)[:2] == ["Food > Pasta", "Food > Rice"]
    assert nearest_categories("qqqqqqqq", LABELS) == []
    assert len(nearest_categories("Home", [f"Home > {n}" for n in range(9)])) == 5
