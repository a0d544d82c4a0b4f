"""The three sides of the split."""

from collections.abc import Iterator

import dagster as dg
import pandas as pd
from pydantic import Field

from prodclf_assets.catalog.category_sets import categories_of, category_counts
from prodclf_assets.catalog.columns import LABEL_COLUMN, TITLE_KEY_COLUMN
from prodclf_assets.catalog.splits import SPLITS, assign_splits, reframe_rare_labels, split_balance
from prodclf_assets.defs.assets.common import DATA_OWNER, code_version
from prodclf_assets.defs.failures import user_errors
from prodclf_assets.defs.io_managers import NotedTable
from prodclf_assets.defs.metadata import records_table
from prodclf_assets.errors import LabelError
from prodclf_assets.settings import get_settings

DESCRIPTIONS = {
    "train": "Eight in ten products: what the model learns from.",
    "validation": "One in ten products, learnt from like the others: where the linear SVM beside the model is tuned.",
    "test": "One in ten products: what the model is judged on before one that has learnt from these, too, goes live.",
}


MOST_ALONE = 0.8
"""Share of the products that may be alone in their category; with more, next to nothing could be learnt or measured."""


class SplitConfig(dg.Config):
    """Which categories are learnt."""

    min_category_rows: int | None = Field(
        default=None,
        ge=1,
        description="Training rows a category needs to be learnt; with fewer, its products count under its parent. As "
        "PRODCLF_MIN_CATEGORY_ROWS says when absent.",
    )


@dg.multi_asset(
    name="splits",
    specs=[
        dg.AssetSpec(
            f"{side}_split",
            description=DESCRIPTIONS[side],
            group_name="catalog",
            owners=[DATA_OWNER],
            kinds={"pandas", "parquet"},
            tags={"stage": "prepared"},
            code_version=code_version("catalog"),
            deps=["clean_products"],
        ).with_io_manager_key("table_io")
        for side in SPLITS
    ],
    can_subset=True,
)
def splits(
    context: dg.AssetExecutionContext, config: SplitConfig, clean_products: pd.DataFrame
) -> Iterator[dg.Output[NotedTable]]:
    """Split by a hash of the title, so a product never changes sides and duplicates never straddle."""
    sides = _split(clean_products, config.min_category_rows or get_settings().min_category_rows)
    reframed = sides["train"].notes["reframed"]
    if reframed:
        context.log.info(
            f"{len(reframed):,} categories are too rare to learn and count as their parents, such as {next(iter(reframed))!r}"
        )
    for name in sorted(context.selected_output_names):
        table = sides[name.removesuffix("_split")]
        yield dg.Output(
            table,
            output_name=name,
            metadata={
                "categories": len(category_counts(table.frame)),
                "distance_from_stratified": table.notes["distance"],
                "expected_by_chance": table.notes["expected_distance"],
                "reframed_labels": records_table(
                    [{"label": old, "counts_as": new} for old, new in table.notes["reframed"].items()],
                    {"label": "string", "counts_as": "string"},
                ),
            },
        )


@user_errors
def _split(products: pd.DataFrame, min_rows: int) -> dict[str, NotedTable]:
    """Return each side with its notes; labels are reframed by what the training side can teach.

    Of a small catalogue the validation or the test side may be empty.

    Raises:
        LabelError: the training side has fewer than two categories, or no two categories have a product to learn from and
            another to be measured on.
    """
    side = assign_splits(products[TITLE_KEY_COLUMN])
    taught = categories_of(products[side == "train"])
    if taught.nunique() < 2:
        raise LabelError(
            f"of the catalogue's {len(products):,} usable rows the training side has {int((side == 'train').sum()):,}, in "
            f"{'one category' if len(taught) else 'no category'}, and a classifier needs at least two: add products"
        )
    balance = split_balance(side, products[LABEL_COLUMN])
    reframing = reframe_rare_labels(taught, min_rows)
    reframed = reframing.products(products)
    listed = categories_of(reframed)
    titles = products[TITLE_KEY_COLUMN].iloc[listed.index].groupby(listed.to_numpy()).nunique()
    several = int((titles > 1).sum())
    alone = int((titles == 1).sum())
    if several < 2 or alone > MOST_ALONE * len(products):
        raise LabelError(
            f"of the catalogue's {len(titles):,} categories {several:,} have two products or more, too few to learn from some "
            "products and to measure on others: cut paths with a smaller depth in the mapping, have rare categories count as "
            "their parents (PRODCLF_MIN_CATEGORY_ROWS), or add products"
        )
    return {
        name: NotedTable(
            reframed[side == name].reset_index(drop=True),
            {
                "reframed": dict(reframing.mapping),
                "distance": balance.distance[name],
                "expected_distance": balance.expected_distance[name],
            },
        )
        for name in SPLITS
    }
