"""Labels that a person would find wrong at a glance, and labels that only look odd."""

import json
from collections.abc import Sequence

import pandas as pd
import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from prodclf_assets.catalog.cleaning.cleaning import clean_products
from prodclf_assets.catalog.label_checks.findings import Finding, findings_of, label_findings
from prodclf_assets.catalog.label_checks.labels import Labels
from prodclf_assets.catalog.reading.columns.mapping import SourceConfig
from prodclf_assets.catalog.reading.readers import read_frame
from prodclf_assets.catalog.sample.generator import sample_catalogue
from prodclf_assets.catalog.schema import conform
from prodclf_assets.catalog.taxonomy import Taxonomy
from prodclf_assets.catalog.text.normalise import text_value

WORDS = ("lamp", "teapot", "sofa", "kettle", "rug", "mirror", "bowl", "chair", "desk", "vase")


def look(
    labels: Sequence[str | None],
    titles: Sequence[str] | None = None,
    brands: Sequence[str] | None = None,
    **config: object,
) -> dict[str, Finding]:
    """Return what is found of products with these labels, by kind."""
    titles = titles or [f"{WORDS[row % 10]} number {row}" for row in range(len(labels))]
    frame = pd.DataFrame({"title": titles, "category": labels})
    if brands:
        frame["brand"] = brands
    table = read_frame(frame, SourceConfig.model_validate(config), require_labels=True)
    found = findings_of(clean_products(table.products, table.config.never_answers), table.config)
    return {one.kind: one for one in found}


SOUND = [
    "Home > Lamps",
    "Home > Sofas, beds & chairs",
    "Food / Drinks",
    "Toys (3+)",
    "Men's shoes",
    "Girls' coats",
]


def test_sound_labels_are_left_alone() -> None:
    assert look(SOUND * 20) == {}
    sample = pd.concat(sample_catalogue(2_000), ignore_index=True)
    assert findings_of(clean_products(sample), SourceConfig()) == []


@pytest.mark.parametrize(
    ("kind", "labels"),
    [
        ("prices", ["7.99", "$12", "1.299,00 €", "19.90", *(f"{row}.49" for row in range(36))]),
        ("written", ["{'id': 3} > {'id': 4}", "{'id': 5", "{'id': 6", "x', 'y"]),
    ],
)
def test_labels_that_cannot_be_categories_stop_a_training_only_where_they_are_most(
    kind: str, labels: list[str]
) -> None:
    labels *= 40 // len(labels)
    found = look(labels + ["Lamps", "Rugs"] * 5)[kind]
    assert found.worthless
    assert found.categories == len(set(labels))
    assert found.share == pytest.approx(0.8)
    assert len(found.examples) == 3
    assert "category_path in the mapping" in str(found)
    some = look(labels + ["Lamps", "Rugs"] * 50)[kind]
    assert not some.worthless
    assert some.share == pytest.approx(40 / 140)


def test_codes_that_look_like_prices_are_told_and_learnt() -> None:
    found = look(["8471.30", "8517.12", "9403.60"] * 20)["prices"]
    assert (found.categories, found.worthless) == (3, False)


def test_brackets_and_titles_that_many_products_share_are_no_reason_to_stop() -> None:
    found = look(["Lamps [EU]", "Rugs [EU]", "Cups"] * 20)["written"]
    assert (found.categories, found.worthless) == (2, False)
    fruits = ["Apple", "Pear", "Plum"] * 20
    assert not look([f"Fruit > {fruit}" for fruit in fruits], [f"{fruit}s" for fruit in fruits]).get("titles")
    assert not look([f"Fruit > {fruit}" for fruit in fruits], fruits)["titles"].worthless


def test_numbers_are_told_and_learnt() -> None:
    found = look(["2583", "17.0", "99"] * 10)["numbers"]
    assert (found.categories, found.worthless) == (3, False)


@pytest.mark.parametrize("mark", [",", ";", "|"])
def test_several_paths_in_one_cell_are_told_with_the_setting_that_parts_them(mark: str) -> None:
    labels = [
        f"Shoes > Boots{mark} Shoes",
        f"Shoes{mark} Shoes > Boots",
        "Sale > Boots > New",
        "Rugs, mats",
        "Hats",
    ] * 8
    found = look(labels)["several"]
    assert found.categories == 2
    setting = yaml.safe_load(found.lines[0])
    assert setting == {"several": mark}
    assert "several" not in look(labels, **setting)


def test_paths_that_are_not_split_are_told_and_stop_a_training_that_asks_for_a_depth() -> None:
    labels = [f"{top} / {leaf}" for top in ("Home", "Food", "Garden") for leaf in WORDS] * 4
    flat = look(labels)["unsplit"]
    assert not flat.worthless
    asked = look(labels, depth=1)["unsplit"]
    assert asked.worthless
    assert "not split at '/', so that depth: 1 cuts nothing" in asked.what
    assert "unsplit" not in look(
        ["Food / Drinks", "Toys / Games", "Home / Garden", "Arts / Crafts", "Lamps"] * 9
    )


def test_a_depth_beyond_the_deepest_path_is_told() -> None:
    assert (
        "depth: 3 cuts nothing, since no category has more than 2 levels"
        in look(["A > b", "A > c"] * 9, depth=3)["depth"].what
    )
    assert "depth" not in look(["A > b", "A > c"] * 9, depth=2)


def test_nearly_as_many_categories_as_products_come_with_a_depth_that_helps() -> None:
    labels = [f"{('Home', 'Food')[row % 2]} > {row // 20} > {row}" for row in range(200)]
    found = look(labels)["small"]
    assert found.what == "200 categories for 200 products, 200 of them with a single one"
    assert found.lines == ("depth: 2",)
    assert "small" not in look(labels, depth=2)
    assert look([f"c{row}" for row in range(100)])["small"].lines == ()


def test_paths_that_end_in_the_title_or_the_brand_are_told_with_the_depth_that_cuts_it() -> None:
    titles = [f"{WORDS[row % 10]} mark {row}" for row in range(120)]
    labels = [f"{('Home', 'Food')[row % 2]} > {title.upper()}" for row, title in enumerate(titles)]
    found = look(labels, titles)["titles"]
    assert (found.worthless, found.lines) == (True, ("depth: 1",))
    lost = [*titles[:6], *(label.split(" > ")[0] for label in labels[6:])]
    few = look(lost, titles)["titles"]
    assert (few.worthless, few.categories) == (False, 6)
    never = json.loads(few.lines[0].removeprefix("never_answers: "))
    assert "titles" not in look(lost, titles, never_answers=never)
    brands = [f"Brand {row % 4}" for row in range(120)]
    named = look([f"Home > {brand} lamps > {brand}" for brand in brands], brands=brands)["brands"]
    assert (named.categories, named.lines) == (4, ("depth: 2",))


def test_spelling_variants_are_told_with_the_lines_that_merge_them() -> None:
    labels = (
        ["Toys & Games > Dolls"] * 9
        + ["toys and game / doll"] * 3
        + ["TOYS & GAMES > DOLLS"] * 2
        + ["Café"] * 8
        + ["Cafes"]
    )
    found = look(labels)["spelling"]
    assert found.categories == 3
    assert found.share == pytest.approx(6 / 23)
    assert "'toys and game / doll' (3) ~ 'Toys & Games > Dolls' (9)" in found.examples
    taxonomy = Taxonomy.model_validate(yaml.safe_load("\n".join(["changes:", *found.lines])))
    assert {taxonomy.trace(label)[0] for label in labels} == {"Toys & Games > Dolls", "Café"}


def test_catch_alls_are_no_answers_unless_the_mapping_says_otherwise() -> None:
    labels = ["Lamps", "Rugs", "Vases"] * 10 + ["Uncategorized"] * 9 + ["SONSTIGES"] + ["Toys > Other"] * 5
    found = look(labels)
    assert "22.2% of the products are in catch-alls" in found["no answers"].what
    assert found["no answers"].examples == ("'Uncategorized' (9)", "'SONSTIGES' (1)")
    assert found["catch-alls"].examples == ("'Toys > Other' (5)",)
    told = look(labels, **yaml.safe_load(found["no answers"].lines[0]))
    assert set(told) == {"catch-alls"}
    assert told["catch-alls"].categories == 3
    assert look(labels, **yaml.safe_load(told["catch-alls"].lines[0])) == {}


def test_a_category_that_lost_its_rows_is_named_whatever_took_them() -> None:
    titles = [f"lamp {row}" for row in range(30)] + ["", "", "", "rug 1"]
    found = look(["Lamps", "Vases"] * 15 + ["Rugs"] * 4, titles)["thinned"]
    assert found.examples == ("'Rugs' (4 → 1)",)
    assert "1 categories lost most of their rows in cleaning (3 rows)" in found.what


@pytest.mark.parametrize(
    "labels",
    [
        ["A > b > c1", "A > b > c2", "A > B > c1"] * 9 + ["Uncategorized"],
        ["Shoes, Shoes > Boots", "Shoes > Boots", "Hats"] * 9,
        [f"Home > {row // 20} > {row}" for row in range(200)],
        [f"{WORDS[row % 10]} number {row}" for row in range(90)],
        [f"{top} / {leaf}" for top in ("Home", "Food", "Garden") for leaf in WORDS] * 4,
    ],
)
def test_every_line_that_is_to_mend_something_is_one_that_a_file_may_have(labels: list[str]) -> None:
    found = look(labels)
    assert found
    for one in found.values():
        for line in one.lines:
            if one.kind == "spelling":
                Taxonomy.model_validate({"changes": yaml.safe_load(line)})
            else:
                SourceConfig.model_validate(yaml.safe_load(line))


@given(
    st.lists(
        st.text(min_size=1, max_size=10).filter(lambda text: text_value(text) != ""), min_size=2, max_size=30
    ),
    st.integers(1, 3),
)
def test_any_labels_can_be_looked_at_and_every_line_is_yaml(names: list[str], times: int) -> None:
    paths = [normal for name in names for normal in [text_value(name)] if ">" not in normal]
    counts = dict.fromkeys([*paths, *(f"{path} > Other" for path in paths)], times)
    report = clean_products(conform(pd.DataFrame({"title": []}))).report
    for one in label_findings(Labels(counts, times * len(counts), counts, {}), report, SourceConfig()):
        assert 0 <= one.share <= 1
        assert str(one)
        for line in one.lines:
            assert yaml.safe_load(line)
