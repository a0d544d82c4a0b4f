"""Checks of the split: nothing a model must not know may have reached the side it learns from."""

import json
from collections.abc import Mapping, Sequence

import dagster as dg
import pandas as pd

from prodclf_assets.catalog.category_sets import category_counts
from prodclf_assets.catalog.columns import (
    LABEL_COLUMN,
    OTHER_CATEGORIES_COLUMN,
    TITLE_KEY_COLUMN,
)
from prodclf_assets.catalog.label_checks.leaks import (
    INPUTS,
    TELLS_ALL,
    guessed,
)
from prodclf_assets.catalog.stored_table import StoredTable
from prodclf_assets.defs.checks.measures import (
    label_changes,
    overlaps,
)
from prodclf_assets.defs.failures import user_errors
from prodclf_assets.defs.metadata import records_table
from prodclf_assets.defs.resources import LakeResource
from prodclf_assets.lake import Lake

KEYS_ONLY = {"columns": [TITLE_KEY_COLUMN]}
INPUTS_ONLY = {"columns": [*INPUTS, LABEL_COLUMN, TITLE_KEY_COLUMN]}


@dg.asset_check(
    asset="train_split",
    name="no_split_leakage",
    blocking=True,
    additional_ins={
        "validation": dg.AssetIn("validation_split", metadata=KEYS_ONLY),
        "test": dg.AssetIn("test_split", metadata=KEYS_ONLY),
    },
)
@user_errors
def no_split_leakage(
    train_split: pd.DataFrame, validation: pd.DataFrame, test: pd.DataFrame
) -> dg.AssetCheckResult:
    """No title lies on two sides of the split."""
    return check_split_leakage({"train": train_split, "validation": validation, "test": test})


@dg.asset_check(
    asset="train_split",
    name="no_target_leakage",
    blocking=True,
    additional_ins={
        "validation": dg.AssetIn("validation_split", metadata=INPUTS_ONLY),
    },
)
@user_errors
def no_target_leakage(train_split: pd.DataFrame, validation: pd.DataFrame) -> dg.AssetCheckResult:
    """No single input, looked up in some rows, gives the category of 98% of others, or of those that have the same value."""
    return check_target_leakage(train_split, validation)


@dg.asset_check(
    asset="train_split",
    blocking=True,
    additional_ins={
        "clean_products": dg.AssetIn(metadata={"columns": [LABEL_COLUMN, OTHER_CATEGORIES_COLUMN]})
    },
)
@user_errors
def labels_unchanged_or_explained(
    train_split: StoredTable, clean_products: pd.DataFrame, lake: LakeResource
) -> dg.AssetCheckResult:
    """The categories are those of the previous model, or the data say why they are not."""
    return check_labels(
        list(category_counts(train_split)),
        clean_products,
        previous_labels(lake.open()),
        train_split.notes["reframed"],
    )


def check_split_leakage(sides: Mapping[str, pd.DataFrame]) -> dg.AssetCheckResult:
    """Judge whether any title key lies on two sides."""
    found = overlaps({name: frame[TITLE_KEY_COLUMN] for name, frame in sides.items()})
    shared = sum(overlap.keys for overlap in found)
    example = next((overlap.examples[0] for overlap in found if overlap.examples), "")
    return dg.AssetCheckResult(
        passed=shared == 0,
        description="no title lies on two sides"
        if shared == 0
        else f"{shared:,} titles lie on two sides of the split, for example {example!r}; materialise the three "
        "splits together, from one version of clean_products",
        metadata={
            **{f"{name}_titles": int(frame[TITLE_KEY_COLUMN].nunique()) for name, frame in sides.items()},
            "overlaps": records_table(
                [
                    {"sides": f"{overlap.first} and {overlap.second}", "titles": overlap.keys}
                    for overlap in found
                ],
                {"sides": "string", "titles": "int"},
            ),
        },
    )


def check_target_leakage(train: pd.DataFrame, validation: pd.DataFrame) -> dg.AssetCheckResult:
    """Judge whether one input alone all but gives the label.

    Nor may one be nearly a key of the category, right wherever other rows have the same value; of brands, sellers and
    descriptions that is only told. Where one category has nearly all rows, any input would seem to, and none is to blame.
    """
    guesses, majority = guessed(train, validation)
    best = guesses[0]
    leaks = best.leaks and majority < TELLS_ALL
    suspects = [str(guess) for guess in guesses if guess.suspect and not guess.leaks and majority < TELLS_ALL]
    return dg.AssetCheckResult(
        passed=not leaks,
        description=str(best)
        + (
            ": it is made from the category, or the category from it; leave it out of the mapping's columns"
            if leaks
            else ""
        )
        + (f"; look at this: {'; '.join(suspects)}" if suspects else ""),
        metadata={
            "largest_category_alone": majority,
            "limit": TELLS_ALL,
            "inputs": records_table(
                [
                    {
                        "input": guess.column,
                        "accuracy": round(guess.accuracy, 4),
                        "distinct_values": guess.values,
                        "known": guess.known,
                        "known_right": guess.known_right,
                    }
                    for guess in guesses
                ],
                {
                    "input": "string",
                    "accuracy": "float",
                    "distinct_values": "int",
                    "known": "int",
                    "known_right": "int",
                },
            ),
        },
    )


def check_labels(
    current: Sequence[str],
    catalogue: pd.DataFrame,
    previous: Sequence[str] | None,
    reframed: Mapping[str, str],
) -> dg.AssetCheckResult:
    """Judge the categories of a training against those of the previous model.

    A category that appeared because rows carry it, vanished because none does, or became too rare and counts as its
    parent, is explained. One that rows of the catalogue still carry and that is no longer learnt is not.
    """
    if previous is None:
        return dg.AssetCheckResult(
            passed=True,
            description=f"{len(current):,} categories; there is no previous model to compare with",
            metadata={"categories": len(current)},
        )
    changes = label_changes(previous, current, category_counts(catalogue), reframed)
    lost = ", ".join(repr(label) for label in changes.unexplained[:3])
    rare = len(changes.reframed) + len(changes.thinned)
    return dg.AssetCheckResult(
        passed=not changes.unexplained,
        description=f"{len(changes.appeared)} categories appeared, {len(changes.vanished)} vanished from the data, "
        f"{rare} are now too rare to learn"
        if not changes.unexplained
        else f"{len(changes.unexplained)} categories differ from the previous model's without a reason in the data: "
        f"{lost}; materialise clean_products and the splits again, from one source",
        metadata={
            "categories": len(current),
            "previous_categories": len(previous),
            "appeared": dg.MetadataValue.json(list(changes.appeared)),
            "vanished": dg.MetadataValue.json(list(changes.vanished)),
            "reframed": dg.MetadataValue.json(dict(changes.reframed)),
            "too_few_rows": dg.MetadataValue.json(list(changes.thinned)),
            "unexplained": dg.MetadataValue.json(list(changes.unexplained)),
        },
    )


def previous_labels(lake: Lake) -> list[str] | None:
    """Return the labels of the latest model in the lake, or None when there is none.

    Raises:
        LakeError: the lake cannot be read.
    """
    version = lake.find_latest("model")
    # The bundle keeps its labels in a file of their own; loading all of it would cost seconds.
    return None if version is None else list(json.loads(lake.read_bytes(version, "labels.json")))
