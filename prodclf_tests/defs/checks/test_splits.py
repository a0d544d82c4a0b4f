from pathlib import Path

import pandas as pd

from prodclf_assets.catalog.cleaning.cleaning import clean_products
from prodclf_assets.catalog.sample.generator import sample_catalogue
from prodclf_assets.catalog.splits import assign_splits
from prodclf_assets.classifier.bundle import Bundle
from prodclf_assets.defs.checks.splits import (
    check_labels,
    check_split_leakage,
    check_target_leakage,
    previous_labels,
)
from prodclf_assets.lake import open_lake

PRODUCTS = clean_products(next(iter(sample_catalogue(rows=2_000)))).products
SIDE = assign_splits(PRODUCTS["title_key"])
SIDES = {name: PRODUCTS[name == SIDE] for name in ("train", "validation", "test")}


def test_the_split_by_hash_does_not_leak() -> None:
    result = check_split_leakage(SIDES)
    assert result.passed
    assert result.metadata["train_titles"].value == SIDES["train"]["title_key"].nunique()


def test_a_title_on_two_sides_is_found_and_named() -> None:
    stray = SIDES["train"].head(1)
    result = check_split_leakage({**SIDES, "test": pd.concat([SIDES["test"], stray])})
    assert not result.passed
    assert repr(stray["title_key"].iloc[0]) in str(result.description)


def test_the_hints_of_the_sample_do_not_give_the_label_away() -> None:
    result = check_target_leakage(SIDES["train"], SIDES["validation"])
    assert result.passed
    assert len(result.metadata["inputs"].records) == 8


def test_an_input_made_from_the_label_stops_the_run() -> None:
    sides = {name: frame.assign(subcategory=frame["category"].str.upper()) for name, frame in SIDES.items()}
    result = check_target_leakage(sides["train"], sides["validation"])
    assert not result.passed
    assert "'subcategory' alone gives the category of 100.0%" in str(result.description)


def test_a_numeric_code_of_the_label_stops_the_run_too() -> None:
    codes = {label: float(code) for code, label in enumerate(sorted(PRODUCTS["category"].unique()))}
    sides = {
        name: frame.assign(reviews_count=frame["category"].map(codes).astype("float64"))
        for name, frame in SIDES.items()
    }
    result = check_target_leakage(sides["train"], sides["validation"])
    assert not result.passed
    assert "reviews_count" in str(result.description)


def test_no_input_is_blamed_where_one_category_has_nearly_all_rows() -> None:
    sides = {
        name: frame.assign(category=pd.Series("one", frame.index, dtype="string"))
        for name, frame in SIDES.items()
    }
    assert check_target_leakage(sides["train"], sides["validation"]).passed


def test_a_small_catalogue_is_judged_by_all_its_rows_in_turn() -> None:
    few = PRODUCTS.head(60)
    side = SIDE.head(60)
    train, validation = few[side == "train"], few[side == "validation"]
    told = few.assign(subcategory=few["category"].str.upper())
    # An innocent column that happens to be right for the three held-out rows is not to blame.
    lucky = validation.head(3).assign(brand="x", category="one")
    assert check_target_leakage(train, lucky).passed
    assert check_target_leakage(train, validation.head(0)).passed
    twice = pd.concat([told, told.assign(title_key=told["title_key"] + " two")])
    result = check_target_leakage(twice, validation.head(0))
    assert not result.passed
    assert "'subcategory' alone gives" in str(result.description)


LABELS = list(SIDES["train"]["category"].unique())
LEARNT = sorted(SIDES["train"]["category"].unique())


def test_without_a_previous_model_there_is_nothing_to_explain() -> None:
    result = check_labels(LABELS, PRODUCTS, None, {})
    assert result.passed
    assert "no previous model" in str(result.description)


def test_categories_that_came_and_went_with_the_data_are_listed_and_explained() -> None:
    result = check_labels(LABELS, PRODUCTS, [*LEARNT[1:], "Fax machines"], {})
    assert result.passed
    assert result.metadata["appeared"].value == [LEARNT[0]]
    assert result.metadata["vanished"].value == ["Fax machines"]


def test_a_category_whose_rows_are_still_there_must_not_be_lost() -> None:
    counts = PRODUCTS["category"].value_counts()
    lost = str(counts.index[0])
    result = check_labels([label for label in LABELS if label != lost], PRODUCTS, LEARNT, {})
    assert not result.passed
    assert result.metadata["unexplained"].value == [lost]
    assert repr(lost) in str(result.description)


def test_the_labels_of_the_previous_model_come_from_its_bundle(
    tmp_path: Path, trained_bundle_folder: Path
) -> None:
    lake = open_lake(str(tmp_path / "lake"))
    assert previous_labels(lake) is None
    lake.write("model", trained_bundle_folder)
    assert previous_labels(lake) == Bundle.load(trained_bundle_folder).labels
