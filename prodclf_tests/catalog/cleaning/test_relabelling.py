"""What people said outranks the shop, and never makes a model look better than it is."""

import pandas as pd
import pytest

from prodclf_assets.catalog.cleaning.cleaning import clean_products
from prodclf_assets.catalog.cleaning.relabelling import (
    RECOGNISED_BY,
    SAID_COLUMN,
    LabelsOfToday,
    ReviewCounts,
    Reviews,
)
from prodclf_assets.catalog.columns import LABEL_COLUMN, TITLE_KEY_COLUMN
from prodclf_assets.catalog.identity import product_key
from prodclf_assets.catalog.sample.generator import sample_catalogue
from prodclf_assets.catalog.schema import CleanProducts, RawProducts, conform, schema_failures
from prodclf_assets.catalog.splits import assign_splits
from prodclf_assets.catalog.taxonomy import Change, Taxonomy
from prodclf_assets.catalog.text.series import TEXT_DTYPE, title_keys

SAID = "Said > By People"


def titled(side: str, start: int = 0) -> str:
    """A title that lies on a side of the split."""
    return next(
        f"thing {number}"
        for number in range(start, 10_000)
        if assign_splits(pd.Series([f"thing {number}"]))[0] == side
    )


TRAIN, TEST, VALIDATION = titled("train"), titled("test"), titled("validation")


def shop(*rows: tuple[str, str, str | None, str | None]) -> pd.DataFrame:
    """Products by id, title, brand and category."""
    return conform(pd.DataFrame(rows, columns=["product_id", "title", "brand", "category"]))


def said(
    *rows: tuple[str | None, str, str | None], blind: bool = False, category: str = SAID
) -> pd.DataFrame:
    """People's labels by id, title and brand."""
    frame = conform(pd.DataFrame(rows, columns=["product_id", "title", "brand"]))
    return frame.assign(category=pd.array([category] * len(rows), dtype=TEXT_DTYPE), blind=blind)


def apply_reviews(products: pd.DataFrame, reviewed: pd.DataFrame) -> tuple[pd.DataFrame, ReviewCounts]:
    """Put people's labels over products, all at once and in three parts, which must come to the same."""
    whole, counts = in_parts([products], reviewed)
    third = len(products) // 3
    parts = [products.iloc[:third], products.iloc[third : 2 * third], products.iloc[2 * third :]]
    again, counts_again = in_parts(parts, reviewed)
    pd.testing.assert_frame_equal(again, whole)
    assert counts_again == counts
    return whole, counts


def in_parts(parts: list[pd.DataFrame], reviewed: pd.DataFrame) -> tuple[pd.DataFrame, ReviewCounts]:
    reviews = Reviews(reviewed)
    for part in parts:
        reviews.recognise(part[list(RECOGNISED_BY)])
    done = [reviews.products(part) for part in parts]
    return pd.concat([*done, reviews.added(done[0])], ignore_index=True), reviews.counts


def categories(found: pd.DataFrame) -> list[object]:
    """The category of each row: what people said, else what the shop says."""
    said = found[SAID_COLUMN] if SAID_COLUMN in found else found[LABEL_COLUMN]
    return list(said.fillna(found[LABEL_COLUMN]))


def test_a_label_outranks_the_shops_whatever_case_and_accents_title_and_brand_have() -> None:
    products = shop(
        ("1", TRAIN, "Orzo", "A"), ("2", TRAIN.upper(), "ORZO", "A"), ("3", TRAIN, "Kasol", "A"), ("4", TRAIN, None, "A"),
        ("5", TRAIN, "orzo", None), ("6", TRAIN, "orzo", SAID),
    )  # fmt: skip
    found, counts = apply_reviews(products, said((None, f" {TRAIN}! ", "Orzó")))
    assert categories(found) == [SAID, SAID, "A", "A", SAID, SAID]
    assert counts == ReviewCounts(labels=1, confirmed=1, relabelled=2, filled=1, added=0, held_out=0)
    pd.testing.assert_frame_equal(found.drop(columns=SAID_COLUMN), products)


def test_a_product_whose_title_changed_is_recognised_by_its_id_and_brand() -> None:
    other = titled("train", 5_000)
    products = shop(
        ("7", TRAIN, "Orzo", "A"),
        ("8", TRAIN, "Orzo", "A"),
        ("9", TRAIN, "Kasol", "A"),
        ("7", TRAIN, "Kasol", "A"),
    )
    found, counts = apply_reviews(products, said(("7", other, "Orzo")))
    assert categories(found) == [SAID, SAID, "A", "A"], "rows of one title and brand are one product"
    assert counts.added == 0


def test_an_id_of_another_brand_is_another_product() -> None:
    found, counts = apply_reviews(
        shop(("7", TRAIN, "Orzo", "A")), said(("7", titled("train", 5_000), "Kasol"))
    )
    assert categories(found) == ["A", SAID]
    assert found["product_id"].is_unique
    assert counts.added == 1


@pytest.mark.parametrize("title", [TEST, VALIDATION])
def test_on_held_out_sides_a_product_keeps_the_shops_category_unless_the_label_was_given_blind(
    title: str,
) -> None:
    products = shop(("1", title, "Orzo", "A"), ("2", title, "Orzo", None))
    found, counts = apply_reviews(products, said((None, title, "Orzo")))
    assert categories(found) == ["A", pd.NA]
    assert counts == ReviewCounts(labels=1, confirmed=0, relabelled=0, filled=0, added=0, held_out=1)
    found, counts = apply_reviews(products, said((None, title, "Orzo"), blind=True))
    assert categories(found) == [SAID, SAID]
    assert counts.held_out == 0


@pytest.mark.parametrize("title", [TEST, VALIDATION])
def test_what_only_people_know_is_learnt_from_but_not_measured_with(title: str) -> None:
    products = shop(("1", "something else", None, "A"))
    labels = said((None, TRAIN, "Orzo"), ("x", title, "Orzo"))
    found, counts = apply_reviews(products, labels)
    assert found["title"].tolist() == ["something else", TRAIN]
    assert found["product_id"].iloc[1].startswith("reviewed-")
    assert counts == ReviewCounts(labels=2, confirmed=0, relabelled=0, filled=0, added=1, held_out=1)
    found, counts = apply_reviews(products, labels.assign(blind=True))
    assert found["product_id"].tolist()[2] == "x"
    assert not schema_failures(found, RawProducts)


def test_the_side_is_that_of_the_title_that_the_shop_has_now() -> None:
    found, counts = apply_reviews(shop(("7", TEST, "Orzo", "A")), said(("7", TRAIN, "Orzo")))
    assert categories(found) == ["A"]
    assert counts.held_out == 1


def test_a_made_id_stays_the_same() -> None:
    ids = [
        apply_reviews(shop(("1", "other", None, "A")), labels)[0]["product_id"].iloc[-1]
        for labels in (
            said((None, TRAIN, "Orzo")),
            said((None, titled("train", 6_000), None), (None, TRAIN.title(), "ORZO")),
        )
    ]
    assert ids[0] == ids[1]


def test_a_label_that_the_shop_gives_among_others_is_confirmed_and_the_others_stay() -> None:
    products = shop(("1", TRAIN, "Orzo", "A"), ("2", TRAIN, "Orzo", "C"))
    products["other_categories"] = pd.array([f"B\n{SAID}", pd.NA], dtype=TEXT_DTYPE)
    found, counts = apply_reviews(products, said((None, TRAIN, "Orzo")))
    assert counts == ReviewCounts(labels=1, confirmed=1, relabelled=1, filled=0, added=0, held_out=0)
    clean = clean_products(found).products
    assert clean[LABEL_COLUMN].tolist() == [SAID] * 2
    assert clean["other_categories"].tolist() == ["A\nB\nC"] * 2


def test_a_label_that_the_shop_does_not_give_is_the_only_one() -> None:
    products = shop(
        ("1", TRAIN, "Orzo", "A"), ("2", TRAIN, "Orzo", "B"), ("3", TEST, None, "A"), ("4", TEST, None, "B")
    )
    found, _ = apply_reviews(products, said((None, TRAIN, "Orzo"), (None, TEST, None)))
    clean = clean_products(found).products
    assert clean[LABEL_COLUMN].tolist() == [SAID, SAID, "A", "B"]
    assert clean["other_categories"].tolist() == [pd.NA, pd.NA, "B", "A"]


def test_the_taxonomy_renames_the_other_categories_too() -> None:
    products = shop(("1", TRAIN, None, "A"), ("2", TEST, None, "C"))
    products["other_categories"] = pd.array(["A > x\nB\nC", "A\nD"], dtype=TEXT_DTYPE)
    today = LabelsOfToday(None, Taxonomy(changes=(Change(rename="A", to="B"), Change(retire="C"))))
    found = today.products(products)
    assert found[LABEL_COLUMN].tolist() == ["B", "B"]
    assert found["other_categories"].tolist() == ["B > x", "D"]
    assert today.changes == {"rename A → B": 3, "retire C": 2}


def test_without_labels_nothing_is_touched() -> None:
    products = shop(("1", TRAIN, None, "A"))
    found, counts = apply_reviews(products, said())
    pd.testing.assert_frame_equal(found, products)
    assert counts.labels == 0


def test_rows_without_a_title_are_nobodys() -> None:
    products = shop(("1", TRAIN, "Orzo", "A"), ("1", None, "Orzo", "B"))  # type: ignore[arg-type]
    found, _ = apply_reviews(products, said(("1", titled("train", 5_000), "Orzo")))
    assert categories(found) == [SAID, "B"]


def test_in_a_whole_catalogue_the_test_side_stays_as_it_was_and_the_training_side_follows_people() -> None:
    raw = pd.concat(sample_catalogue(4_000, 6, seed=3), ignore_index=True)
    raw["product_id"] = raw["product_id"].fillna("id-" + pd.Series(range(4_000), dtype=TEXT_DTYPE))
    before = clean_products(raw).products
    products = before[~product_key(before).duplicated()].drop(
        columns=["other_categories", "copies", "title_key"]
    )
    picked = products.sample(900, random_state=1).reset_index(drop=True)
    labels = picked.assign(category=pd.array([SAID] * 900, dtype=TEXT_DTYPE), blind=False)
    unknown = labels.index >= 600
    labels.loc[unknown, "title"] += " of another kind"
    labels.loc[unknown, "product_id"] = pd.NA
    labelled, counts = apply_reviews(raw, labels)
    after = clean_products(labelled).products
    assert not schema_failures(after, CleanProducts)
    sides = {
        "before": assign_splits(before[TITLE_KEY_COLUMN]),
        "after": assign_splits(after[TITLE_KEY_COLUMN]),
    }
    for side in ("validation", "test"):
        pd.testing.assert_frame_equal(
            before[sides["before"] == side].reset_index(drop=True),
            after[sides["after"] == side].reset_index(drop=True),
        )
    train = after[sides["after"] == "train"]
    keys = set(title_keys(labels["title"]) + "|" + title_keys(labels["brand"]).fillna(""))
    reviewed = (train[TITLE_KEY_COLUMN] + "|" + title_keys(train["brand"]).fillna("")).isin(keys)
    assert (train.loc[reviewed, LABEL_COLUMN] == SAID).all()
    assert (train.loc[~reviewed, LABEL_COLUMN] != SAID).all()
    assert reviewed.sum() > 650
    assert 0.1 < counts.held_out / counts.labels < 0.3
    assert counts.added > 200


def test_the_taxonomy_holds_for_shop_and_people_alike() -> None:
    taxonomy = Taxonomy(changes=(Change(rename="A", to="B"), Change(retire="C")))
    other = titled("train", 5_000)
    products = shop(
        ("1", TRAIN, None, "A"), ("2", other, None, "C"), ("3", titled("train", 6_000), None, "A")
    )
    labels = pd.concat(
        [said((None, other, None), category="A"), said((None, TRAIN, None), category="C")], ignore_index=True
    )
    today = LabelsOfToday(labels, taxonomy)
    assert today.has_reviews
    today.recognise(products)
    found = today.products(products)
    assert categories(found) == ["B", "B", "B"]
    assert today.added(products).empty
    assert today.changes == {"rename A → B": 2, "retire C": 1}
    assert today.reviews.labels == 1
    assert today.reviews.filled == 1
