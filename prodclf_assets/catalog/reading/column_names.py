"""What shops usually call the columns of a product file."""

import re
from collections.abc import Mapping, Sequence
from typing import Final

USUAL_NAMES: Final[dict[str, tuple[str, ...]]] = {
    "product_id": (
        "product_id",
        "productid",
        "sku",
        "asin",
        "item_id",
        "uniq_id",
        "pid",
        "id",
        "product_code",
        "gtin",
        "ean",
    ),
    "title": (
        "title",
        "product_title",
        "product_name",
        "item_title",
        "item_name",
        "listing_title",
        "name",
        "product",
        "item",
    ),
    "description": (
        "description",
        "product_description",
        "long_description",
        "item_description",
        "about_product",
        "body_html",
        "short_description",
        "details",
        "desc",
    ),
    "brand": ("brand", "brand_name", "product_brand", "manufacturer", "maker", "vendor"),
    "seller_id": (
        "seller_id",
        "merchant_id",
        "vendor_id",
        "shop_id",
        "store_id",
        "seller",
        "seller_name",
        "merchant",
    ),
    "subcategory": (
        "subcategory",
        "seller_category",
        "seller_subcategory",
        "vendor_category",
        "category_hint",
    ),
    "price": (
        "price",
        "sale_price",
        "selling_price",
        "discount_price",
        "discounted_price",
        "final_price",
        "offer_price",
        "current_price",
        "unit_price",
    ),
    "list_price": (
        "list_price",
        "market_price",
        "mrp",
        "actual_price",
        "original_price",
        "retail_price",
        "regular_price",
        "rrp",
        "msrp",
    ),
    "rating": (
        "rating",
        "ratings",
        "average_rating",
        "avg_rating",
        "product_rating",
        "review_rating",
        "stars",
        "star_rating",
    ),
    "reviews_count": (
        "reviews_count",
        "no_of_ratings",
        "review_count",
        "rating_count",
        "ratings_count",
        "number_of_reviews",
        "number_of_ratings",
        "num_reviews",
        "num_ratings",
        "no_of_reviews",
        "total_reviews",
        "total_ratings",
        "reviews",
    ),
}
"""Per field of a product, the names a column may have, the surest first, in snake case."""

_WHOLE_PATHS = (
    "category_path",
    "category_tree",
    "product_category_tree",
    "breadcrumbs",
    "breadcrumb",
    "google_product_category",
)
# `subcategory` in one word is not here: it is the product's own field, the seller's hint.
_LEVELS = (
    ("department",),
    ("main_category", "master_category", "top_category", "primary_category", "parent_category"),
    ("category", "product_category"),
    ("sub_category", "sub_cat", "subcat", "child_category", "secondary_category"),
    ("sub_sub_category", "article_type", "leaf_category", "product_type", "type"),
)
_SINGLE = ("categories", "category_name", "sub_category", "product_type", "label")
_NUMBERED = re.compile(
    r"(?:category|cat|level|lvl|l|category_level|category_l|category_lvl|cat_level)_?([1-9])(?:_category|_name)?"
)


def snake_case(name: str) -> str:
    """Write a column name in lower snake case: `masterCategory`, `Master Category` and `master-category` are one name."""
    parted = re.sub(r"(?<=[a-z0-9])(?=[A-Z])", "_", name.strip())
    return re.sub(r"[^a-z0-9]+", "_", parted.lower()).strip("_")


def find_fields(columns: Sequence[str]) -> dict[str, str]:
    """Match columns to product fields by their usual names; each column serves one field."""
    by_name = _by_snake_name(columns)
    found: dict[str, str] = {}
    for field, names in USUAL_NAMES.items():
        column = next(
            (by_name[name] for name in names if name in by_name and by_name[name] not in found.values()), None
        )
        if column is not None:
            found[field] = column
    return found


def find_category_path(columns: Sequence[str]) -> list[str]:
    """Match columns to the levels of a category path, coarse to fine; empty when none has a usual name."""
    by_name = _by_snake_name(columns)
    for name in _WHOLE_PATHS:
        if name in by_name:
            return [by_name[name]]
    numbered = {match[1]: column for name, column in by_name.items() if (match := _NUMBERED.fullmatch(name))}
    if "1" in numbered:
        return [numbered[level] for level in sorted(numbered)]
    if levels := _levels(by_name):
        return levels
    return next(([by_name[name]] for name in _SINGLE if name in by_name), [])


def _levels(by_name: Mapping[str, str]) -> list[str]:
    chain = [next((name for name in names if name in by_name), None) for names in _LEVELS]
    if not any(chain[:3]):
        return []
    # `type` says something about categories only below a subcategory; alone it may be anything.
    if chain[4] == "type" and chain[3] is None:
        chain[4] = None
    return [by_name[name] for name in chain if name is not None]


def _by_snake_name(columns: Sequence[str]) -> dict[str, str]:
    by_name: dict[str, str] = {}
    for column in columns:
        by_name.setdefault(snake_case(column), column)
    return by_name
