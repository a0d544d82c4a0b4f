"""Checks of the split: nothing a model must not know may have reached the side it learns from."""

from collections.abc import Mapping

import dagster as dg
import pandas as pd

from prodclf_assets.catalog.columns import LABEL_COLUMN, NUMERIC_COLUMNS, TITLE_KEY_COLUMN
from prodclf_assets.defs.checks.measures import majority_share, overlaps, single_input_guesses
from prodclf_assets.defs.failures import user_errors
from prodclf_assets.defs.metadata import records_table

# A title is the product itself and cannot be held against it; every other input is tried.
INPUTS = ("subcategory", "brand", "seller_id", "description", *NUMERIC_COLUMNS)
TELLS_ALL = 0.98
KEYS_ONLY = {"columns": [TITLE_KEY_COLUMN]}
INPUTS_ONLY = {"columns": [*INPUTS, LABEL_COLUMN]}


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
    """No single input, looked up in the training rows, gives the category of 98% of the validation rows."""
    return check_target_leakage(train_split, validation)


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

    Where one category has nearly all rows, any input would seem to, and none is to blame.
    """
    guesses = single_input_guesses(train, validation, INPUTS, LABEL_COLUMN)
    majority = majority_share(train[LABEL_COLUMN], validation[LABEL_COLUMN])
    best = guesses[0]
    leaks = best.accuracy >= TELLS_ALL > majority
    return dg.AssetCheckResult(
        passed=not leaks,
        description=f"{best.column!r} alone gives the category of {best.accuracy:.1%} of the held-out rows"
        + (
            ": it is made from the category, or the category from it; leave it out of the mapping's columns"
            if leaks
            else f", less than {TELLS_ALL:.0%}"
        ),
        metadata={
            "largest_category_alone": majority,
            "limit": TELLS_ALL,
            "inputs": records_table(
                [
                    {
                        "input": guess.column,
                        "accuracy": round(guess.accuracy, 4),
                        "distinct_values": guess.values,
                    }
                    for guess in guesses
                ],
                {"input": "string", "accuracy": "float", "distinct_values": "int"},
            ),
        },
    )
