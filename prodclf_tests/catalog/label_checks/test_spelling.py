import pytest
from hypothesis import given
from hypothesis import strategies as st

from prodclf_assets.catalog.catch_alls import is_catch_all
from prodclf_assets.catalog.label_checks.spelling import spelling_groups, spelling_key


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("Home & Kitchen", "home and kitchen"),
        ("Dresses", "dress"),
        ("Batteries", "Battery"),
        ("Boxes > Toy", "BOX / Toys"),
        ("Möbel", "MOBEL"),
        ("Küche und Bad", "Küche & Bad"),
        ("2583.0", "2583"),
    ],
)
def test_names_that_differ_in_writing_only(one: str, other: str) -> None:
    assert spelling_key(one) == spelling_key(other)


@pytest.mark.parametrize(
    ("one", "other"), [("Glass", "Gla"), ("Bus", "Bu"), ("Vitamin A", "Vitamin E"), ("家具", "家電")]
)
def test_names_that_differ_in_more(one: str, other: str) -> None:
    assert spelling_key(one) != spelling_key(other)


@given(st.dictionaries(st.text(min_size=1, max_size=12), st.integers(1, 50), max_size=12))
def test_groups_are_of_several_categories_each_in_one_group_the_largest_first(counts: dict[str, int]) -> None:
    groups = spelling_groups(counts)
    members = [name for group in groups for name in group]
    assert len(set(members)) == len(members)
    for group in groups:
        assert len(group) > 1
        assert counts[group[0]] == max(counts[name] for name in group)
        assert len({spelling_key(name) for name in group}) == 1


@pytest.mark.parametrize(
    "name", ["Uncategorized", "OTHER", "Sonstiges", "Sin categoría", "その他", "Default Category > misc."]
)
def test_catch_alls_by_their_names(name: str) -> None:
    assert is_catch_all(name)


@pytest.mark.parametrize("name", ["Others > Gift cards", "Toys > Other", "Otter", "Miscellanea", ""])
def test_what_is_no_catch_all(name: str) -> None:
    assert not is_catch_all(name)
